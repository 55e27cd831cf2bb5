"""One pass over the evidence: what several kinds of alert rest on is looked at once."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from certification_pipeline.alerts import due as looking
from certification_pipeline.alerts.due import Asked, due
from certification_pipeline.alerts.kinds import Alert
from certification_pipeline.alerts.links import asset_page
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.notify.notice import NoticeKind
from certification_pipeline.orchestration.names import upgrade_key
from tests.levels.ledgers import released

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


def test_only_what_is_asked_for_is_looked_at_and_only_as_far_back(tmp_path: Path) -> None:
    released(tmp_path, 0, red=True)
    store, now = EvidenceStore(tmp_path), utc_now() + timedelta(seconds=1)
    link = "https://dagster.example"
    (notice,) = due(store, Asked(now, link=link), (Alert.RED_GATE,)).notices
    assert notice.kind is NoticeKind.RED_GATE
    assert (notice.link or "").startswith(link)
    for other in (Alert.LEVELS, Alert.EXPIRING, Alert.MISSED_TICKS):
        assert all(one.kind is not NoticeKind.RED_GATE for one in due(store, Asked(now), (other,)).notices)
    assert notice.key in {one.key for one in due(store, Asked(now)).notices}, "everything, when none is named"
    later = Asked(now + timedelta(days=4))
    assert due(store, later, (Alert.RED_GATE,)).notices == ()
    further = Asked(later.now, lookback=timedelta(days=5))
    assert [one.key for one in due(store, further, (Alert.RED_GATE,)).notices] == [notice.key]


def test_a_notice_links_to_the_key_that_the_asset_has() -> None:
    engine = "dlt==1.30.0"
    link = asset_page("http://dagster/", "upgrades", engine)
    assert link == "http://dagster/assets/" + upgrade_key(engine).to_user_string()
    assert asset_page(None, "plan") is None
