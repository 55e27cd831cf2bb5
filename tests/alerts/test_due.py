"""One pass over the evidence: what several kinds of alert rest on is looked at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from certification_pipeline.alerts import due as looking
from certification_pipeline.alerts.due import Asked, due
from certification_pipeline.alerts.kinds import Alert
from certification_pipeline.alerts.links import asset_page
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.orchestration.names import upgrade_key

LEVELS = (Alert.LEVELS, Alert.EXPIRING)


def test_a_ledger_that_cannot_be_read_is_told_once_and_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    levels_of = looking.read_levels

    def counted(store: EvidenceStore, engine: str, *more: object) -> object:
        read.append(engine)
        return levels_of(store, engine, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(looking, "read_levels", counted)
    for engine in ("dlt", "reference"):
        (tmp_path / "chain" / engine).mkdir(parents=True)
        (tmp_path / "chain" / engine / "000001__r1.json").write_text("{")
    found = due(EvidenceStore(tmp_path), Asked(utc_now()), LEVELS)
    assert read == ["dlt", "reference"]
    assert [problem.partition(":")[0] for problem in found.problems] == ["chain/dlt", "chain/reference"]
    shutil.rmtree(tmp_path / "chain")
    assert due(EvidenceStore(tmp_path), Asked(utc_now()), LEVELS).problems == ()


def test_a_notice_links_to_the_key_that_the_asset_has() -> None:
    engine = "dlt==1.30.0"
    link = asset_page("http://dagster/", "upgrades", engine)
    assert link == "http://dagster/assets/" + upgrade_key(engine).to_user_string()
    assert asset_page(None, "plan") is None
