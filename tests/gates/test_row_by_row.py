"""Memory follows the rows that are looked at, not the cells of the release."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.evidence import pieces, subject_dir
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.report import CertificationReport, ReportRow
from certification_pipeline.gates import certification_report as matrix
from certification_pipeline.gates.artifact_index import artifact_index, verify_index
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.levels import reading
from certification_pipeline.gates.verification import EvidenceFile, Verification, read_plan
from tests.evidence.builders import SMALL, key, planned, provenance, release
from tests.gates.releases import report, write_json
from tests.levels.ledgers import released

VERIFY = VERIFIERS[CertificationReport.schema_name()]


class Alive:
    """How many of some models there are at once, at most."""

    def __init__(self) -> None:
        self.now = self.most = self.all = 0

    def seen(self, model: Any) -> Any:
        self.now += 1
        self.all += 1
        self.most = max(self.most, self.now)
        weakref.finalize(model, self._gone)
        return model

    def _gone(self) -> None:
        self.now -= 1


@pytest.fixture
def rows_alive(monkeypatch: pytest.MonkeyPatch) -> Alive:
    """Rows that are made, and rows that are read."""
    alive = Alive()
    made, slim = matrix.cell_row, pieces.slim

    def read(model: Any) -> None:
        slim(model)
        if isinstance(model, ReportRow):
            alive.seen(model)

    monkeypatch.setattr(matrix, "cell_row", lambda *given: alive.seen(made(*given)))
    monkeypatch.setattr(pieces, "slim", read)
    return alive


@pytest.fixture
def cells_alive(monkeypatch: pytest.MonkeyPatch) -> Alive:
    alive, parse = Alive(), subject_dir.parse
    monkeypatch.setattr(
        subject_dir,
        "parse",
        lambda data, model, path: (alive.seen if model is CellEvidence else _as_is)(parse(data, model, path)),
    )
    return alive


@pytest.fixture(autouse=True)
def _cut_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "SMALL", 0)
    monkeypatch.setattr(pieces, "PIECE", 1)


def _as_is(value: Any) -> Any:
    return value


def verified(directory: subject_dir.SubjectDir, minutes: float = 70) -> Verification:
    file = EvidenceFile("certification_report.json", directory.report_path.read_bytes())
    return VERIFY(directory, file, read_plan(directory), provenance(minutes))


def test_as_many_rows_and_cells_are_alive_for_80_cells_as_for_20(
    tmp_path: Path, rows_alive: Alive, cells_alive: Alive
) -> None:
    most = []
    for count in (20, 80):
        cells = tuple(planned(key(Strategy.FULL_REFRESH, f"many.s{n:03}")) for n in range(count))
        directory, _ = release(tmp_path / str(count), cells)
        report(directory)
        rows_alive.__init__()  # type: ignore[misc]
        cells_alive.__init__()  # type: ignore[misc]
        gc.disable()
        try:
            assert verified(directory).problems == ()
        finally:
            gc.enable()
        assert (rows_alive.all, cells_alive.all) == (2 * count, count)
        most.append((rows_alive.most, cells_alive.most))
    assert most[0] == most[1]
    assert max(most[0]) <= 5


def test_levels_keep_no_row(tmp_path: Path, rows_alive: Alive) -> None:
    directory = released(tmp_path, 0)
    store = subject_dir.SubjectDir(directory.path, directory.release_id, directory.engine)
    rows_alive.__init__()  # type: ignore[misc]
    found = reading.read_ledger(reading.EvidenceStore(tmp_path), store.engine, keep=False)
    assert len(found.history.said[0].cells) == rows_alive.all == 4
    assert rows_alive.most <= 2


def test_a_plan_is_there_once_however_many_ask(tmp_path: Path) -> None:
    directory, plan = release(tmp_path)
    one, other = read_plan(directory), read_plan(directory)
    assert one is other
    edited = json.loads(directory.plan_path.read_bytes()) | {"run_id": "edited"}
    write_json(directory.plan_path, edited)
    assert read_plan(directory).plan.run_id == "edited"
    assert one.plan == plan
    held = weakref.ref(one)
    del one, other
    gc.collect()
    assert held() is None


def _row(value: dict[str, Any]) -> None:
    value["results"][1]["detail"] = "typed by hand"


def _fewer(value: dict[str, Any]) -> None:
    value["results"].pop()


def _more(value: dict[str, Any]) -> None:
    value["results"].append(value["results"][-1])


def _swapped(value: dict[str, Any]) -> None:
    value["results"].reverse()


def _left_out(value: dict[str, Any]) -> None:
    del value["results"][0]["problems"]


def _true_for_one(value: dict[str, Any]) -> None:
    value["results"][0]["verified"] = False


def _head(value: dict[str, Any]) -> None:
    value["passed_cases"] += 1


def _both(value: dict[str, Any]) -> None:
    _head(value)
    _row(value)


@pytest.mark.parametrize("forge", [_row, _fewer, _more, _swapped, _left_out, _true_for_one, _head, _both])
def test_a_forged_report_is_told_as_when_it_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forge: Callable[[dict[str, Any]], None]
) -> None:
    directory, _ = release(tmp_path, SMALL)
    report(directory)
    value = json.loads(directory.report_path.read_bytes())
    forge(value)
    write_json(directory.report_path, value, resealed=True)
    in_pieces = verified(directory)
    monkeypatch.setattr(pieces, "SMALL", 1 << 60)
    assert in_pieces == verified(directory)
    assert in_pieces.problems


def test_an_index_is_held_to_the_files_entry_by_entry(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    made = artifact_index(directory, provenance(62))
    read = type(made).model_validate_json(made.model_dump_json())
    assert verify_index(directory, read) == ()
    counted = read.model_copy(update={"total_bytes": 1})
    [told] = verify_index(directory, counted)
    assert told.startswith("total_bytes: says 1, is ")
    first, *rest = read.entries
    other = read.model_copy(update={"entries": (first.model_copy(update={"run_id": "x"}), *rest)})
    [told] = verify_index(directory, other)
    assert told.startswith("entries[0].run_id: says 'x'")
    (directory.path / "more.txt").write_text("x")
    assert verify_index(directory, read) == ("more.txt is there and not listed",)
