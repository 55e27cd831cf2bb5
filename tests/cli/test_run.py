from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.harness.events import (
    CellFinished,
    CellStarted,
    CellStep,
    EnginePreparing,
    EngineReady,
    OnEvent,
    RunPlanned,
    ServiceStarted,
)
from certification_pipeline.settings import RunSettings
from tests.cli.conftest import Certify
from tests.report.on_disk import few, write_release
from tests.report.sample import make_catalog

Fake = Callable[[RunSettings, Catalog, OnEvent, threading.Event], object]


def stand_in(monkeypatch: pytest.MonkeyPatch, fake: Fake) -> None:
    """Replace the run itself; what is under test here is everything around it."""
    module = ModuleType("certification_pipeline.pipeline.certify")
    module.certify = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("certification_pipeline.catalog.loading.load_catalog", make_catalog)


def writes(engine: str, keep: Callable[[CellEvidence], bool] = lambda cell: True) -> Fake:
    def fake(settings: RunSettings, catalog: Catalog, on_event: OnEvent, cancel: threading.Event) -> None:
        on_event(RunPlanned(engine, 10, 1, "sha256:00"))
        on_event(ServiceStarted("postgres", "pgserver-wheel", "18.1", 1.5))
        on_event(EnginePreparing(engine, "making its environment"))
        on_event(EngineReady(engine, "1.0"))
        on_event(CellStarted(engine, "a__b__c"))
        on_event(CellStep(engine, "a__b__c", "load 1"))
        on_event(CellFinished(engine, "a__b__c", Outcome.FAILED, 0.25, "1 lost\x1b[31m"))
        write_release(settings.evidence_dir, engine, release_id=settings.release_id, takes=few, keep=keep)

    return fake


def test_green_is_zero_and_leaves_a_report(
    certify: Certify, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in(monkeypatch, writes("reference"))
    answer = certify("run", "--release-id", "r1", "--evidence-dir", tmp_path / "e")
    assert answer.code == 0, answer.err
    assert "✓ certified" in answer.out
    report = tmp_path / "e" / "releases" / "r1" / "report.html"
    assert str(report) in answer.out
    assert report.read_text().startswith("<!doctype html>")


def test_red_is_one_with_cause_sample_and_command(certify: Certify, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, writes("dlt"))
    answer = certify("run", "--release-id", "r1", "--no-report")
    assert answer.code == 1
    assert "✗ not certified  dlt 1.20.0" in answer.out
    assert "expected -4821.0937500000, found -4821.093750000" in answer.out
    assert "certify run --engine dlt" in answer.out
    assert "report.html" not in answer.out
    assert not Path(".certification/releases/r1/report.html").exists()


def test_a_missing_cell_is_never_green(certify: Certify, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, writes("reference", keep=lambda cell: cell.key.scenario != "batch.wide"))
    assert certify("run", "--release-id", "r1").code == 1


def test_json_is_all_there_is_on_standard_output(certify: Certify, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, writes("dlt"))
    answer = certify("run", "--release-id", "r1", "--format", "json")
    body = json.loads(answer.out)
    assert body["exit_code"] == answer.code == 1
    assert body["outcome"] == "failed"
    assert body["subjects"][0]["subject"]["engine"] == "dlt"
    assert "✗ failed dlt a__b__c" in answer.err


def test_progress_is_plain_lines_without_control_characters(
    certify: Certify, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, writes("reference"))
    err = certify("run", "--release-id", "r1").err
    assert "reference: 1 of 10 planned cells can run here" in err
    assert "postgres 18.1 is up (pgserver-wheel, 1.5 s)" in err
    assert "\x1b" not in err


def test_the_matrix_alone_is_what_its_command_asks_for(
    certify: Certify, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[RunSettings] = []
    make = writes("reference", lambda _: True)

    def noted(settings: RunSettings, catalog: Catalog, on_event: OnEvent, cancel: threading.Event) -> None:
        seen.append(settings)
        make(settings, catalog, on_event, cancel)

    stand_in(monkeypatch, noted)
    assert certify("matrix", "--release-id", "r1", "--scenario", "batch.*", "--engine", "reference").code == 0
    [settings] = seen
    assert (settings.scenarios, settings.engines) == (("batch.*",), ("reference",))
    assert settings.chosen_families("reference", load_catalog()) == ()


def test_a_key_that_is_named_signs_and_one_that_is_none_stops_everything(
    certify: Certify, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certify("keys", "new", tmp_path / "mine.pem")
    stand_in(monkeypatch, writes("reference"))
    answer = certify("run", "--release-id", "r1", "--key", tmp_path / "mine.pem")
    assert answer.code == 0
    pages = Path(".certification/releases/r1/pages.intoto.jsonl").read_text()
    assert json.loads(pages.splitlines()[0])["signatures"]
    assert certify("run", "--release-id", "r2", "--key", tmp_path / "nowhere.pem").code == 2


def test_requirements_reach_the_gate(certify: Certify, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, writes("reference"))
    answer = certify("run", "--release-id", "r1", "--require-benchmark")
    assert answer.code == 1
    assert "certify release-summary --engine reference --release-id r1 --require-benchmark" in answer.out


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(
    certify: Certify, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(
        settings: RunSettings, catalog: Catalog, on_event: OnEvent, cancel: threading.Event
    ) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert cancel.wait(5)
        writes("reference", keep=lambda cell: cell.key.sink == "duckdb")(settings, catalog, on_event, cancel)

    stand_in(monkeypatch, interrupted)
    before = signal.getsignal(signal.SIGINT)
    answer = certify("run", "--release-id", "r1", "--engine", "reference", "--seed", "7")
    assert answer.code == 130
    assert "Traceback" not in answer.err
    assert "1 cells were finished and are kept" in answer.err
    assert "certify run --profile embedded --release-id r1 --engine reference --seed 7" in answer.err
    assert signal.getsignal(signal.SIGINT) is before
    assert EvidenceStore(Path(".certification")).engines("r1") == ("reference",)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--rows", "0"), "--rows"),
        (("--workers", "0"), "--workers"),
        (("--release-id", "../up"), "--release-id"),
        (("--profile", "embeded"), "did you mean 'embedded'"),
        (("--engine", "refrence"), "did you mean 'reference'"),
        (("--scenario", "incr.cursor_tie"), "did you mean 'incr.cursor_ties'"),
        (("--route", "nowhere_to_*"), "--route 'nowhere_to_*' matches nothing"),
    ],
)
def test_a_wrong_option_is_named_with_a_remedy(
    certify: Certify, monkeypatch: pytest.MonkeyPatch, words: tuple[str, str], says: str
) -> None:
    stand_in(monkeypatch, lambda *_: pytest.fail("nothing may run"))
    answer = certify("run", *words)
    assert answer.code == 2
    assert says in answer.err
    assert "→" in answer.err
    assert not Path(".certification").exists()


def test_the_shipped_catalogue_can_be_planned(certify: Certify) -> None:
    catalog: Catalog = load_catalog()
    engine = next(iter(catalog.engines))
    answer = certify("plan", "--engine", engine, "--format", "json")
    assert answer.code == 0, answer.err
    cells = json.loads(answer.out)[0]["cells"]
    assert len({(c["key"]["source"], c["key"]["sink"], c["key"]["strategy"]) for c in cells}) >= 237
    assert all(cell["disposition"] == "run" or cell["remedy"] for cell in cells)
    shown = certify("plan", "--engine", engine)
    assert shown.code == 0, shown.err
    assert "cells would run" in shown.out
    assert not Path(".certification").exists()
