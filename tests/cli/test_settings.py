from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from certification_pipeline.evidence.suite import ItemName
from certification_pipeline.settings import RunSettings, SettingsError, load_settings
from tests.report.sample import make_catalog


def test_defaults_are_the_embedded_profile() -> None:
    settings = load_settings()
    assert (settings.profile, settings.engines, settings.rows, settings.evidence_dir) == (
        "embedded",
        (),
        None,
        Path.cwd() / ".certification",
    )
    assert settings.chosen_engines(make_catalog()) == ("reference", "dlt")


def test_options_win_over_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTIFY_ENGINES", "reference, dlt")
    monkeypatch.setenv("CERTIFY_ROWS", "500")
    assert load_settings().engines == ("reference", "dlt")
    settings = load_settings(engines=["dlt"], rows=None)
    assert (settings.engines, settings.rows) == (("dlt",), 500)


@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "-x", "a b", "x" * 101, "ünïcode"])
def test_a_release_id_can_only_be_a_directory_name(bad: str) -> None:
    with pytest.raises(SettingsError, match="--release-id"):
        load_settings(release_id=bad)


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTIFY_WORKERS", "many")
    with pytest.raises(SettingsError, match="CERTIFY_WORKERS") as caught:
        load_settings()
    assert "cells judged side by side" in caught.value.remedy


def test_settings_are_frozen_and_closed() -> None:
    with pytest.raises(ValidationError):
        load_settings().rows = 5  # type: ignore[misc]
    with pytest.raises(ValidationError):
        RunSettings(row=5)  # type: ignore[call-arg]


def test_requirements_name_suite_items() -> None:
    assert load_settings().required == ()
    assert load_settings(require_benchmark=True, require_evidence=True).required == (
        ItemName.BENCHMARK_BASELINE,
        ItemName.EVIDENCE_BUNDLE,
    )


def test_the_command_does_the_run_again() -> None:
    settings = load_settings(
        engines=["dlt"],
        routes=["postgres_to_*"],
        rows=100,
        seed=3,
        release_id="r1",
        require_lineage=True,
        evidence_dir="/e",
    )
    assert settings.command() == (
        "certify run --profile embedded --release-id r1 --engine dlt --route 'postgres_to_*' "
        "--rows 100 --seed 3 --evidence-dir /e --require-lineage"
    )
