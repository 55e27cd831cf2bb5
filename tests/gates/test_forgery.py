"""Every single edit of every artifact is found: field by field, resealed or not."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.subject_dir import SubjectDir
from tests.evidence.builders import SMALL
from tests.gates.releases import decided_release, verified, write_json

Path_ = tuple[str | int, ...]
CELL = f"cells/{SMALL[0].key.cell_id}.json"
FILES = (
    CELL,
    "certification_automation_plan.json",
    "certification_report.json",
    "strategy_certification_bundle.json",
    "ops_evidence_bundle.json",
    "certification_suite.json",
    "certification_suite_index.json",
    "artifact_index.json",
    "release_summary.json",
)
AUTHORSHIP = {"run_id", "producer", "environment", "content_digest"}
"""Who made the summary, and where, only a signature can prove: nothing above it names its digest."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> SubjectDir:
    return decided_release(tmp_path_factory.mktemp("forged"))


def nodes(value: Any, at: Path_ = ()) -> Iterator[Path_]:
    """Every place in a JSON document, inner nodes too."""
    if at:
        yield at
    if isinstance(value, dict):
        for key in value:
            yield from nodes(value[key], (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from nodes(item, (*at, index))


def changed(value: Any) -> Any:
    """The same kind of value, and another one."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "0"
        case None:
            return "x"
        case list():
            return value[:-1] if value else ["x"]
        case _:
            return {**value, "extra": 1}


def removed(value: Any) -> Any:
    return ...


def nulled(value: Any) -> Any:
    return None if value is not None else 0


def forge(document: Any, at: Path_, how: Any) -> Any:
    forged = copy.deepcopy(document)
    holder = forged
    for step in at[:-1]:
        holder = holder[step]
    new = how(holder[at[-1]])
    if new is ...:
        del holder[at[-1]]
    else:
        holder[at[-1]] = new
    return forged


def is_found(directory: SubjectDir, name: str, forged: Any, resealed: bool) -> bool:
    path = directory.path / name
    honest = path.read_bytes()
    try:
        write_json(path, forged, resealed=resealed)
        assert path.read_bytes() != honest
        made = verified(directory)
        return not made.passed and bool(made.blockers)
    finally:
        path.write_bytes(honest)


def load(directory: SubjectDir, name: str) -> Any:
    return json.loads((directory.path / name).read_text())


@pytest.mark.parametrize("name", ["certification_suite.json", "release_summary.json", CELL])
def test_every_field_changed(directory: SubjectDir, name: str) -> None:
    document = load(directory, name)
    missed = [
        at for at in nodes(document) if not is_found(directory, name, forge(document, at, changed), False)
    ]
    assert missed == []
    assert verified(directory).passed


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_field_of_any_artifact_changed_removed_or_nulled(
    directory: SubjectDir, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(FILES))
    document = load(directory, name)
    at = data.draw(st.sampled_from(list(nodes(document))))
    how = data.draw(st.sampled_from([changed, removed, nulled]))
    resealed = data.draw(st.booleans())
    forged = forge(document, at, how)
    if resealed and name == "release_summary.json" and at[0] in {*AUTHORSHIP, "created_at"}:
        return
    if resealed and at == ("content_digest",):
        return  # sealing puts it back as it was
    assert is_found(directory, name, forged, resealed), (name, at, how.__name__, resealed)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_byte_of_any_file_changed(directory: SubjectDir, data: st.DataObject) -> None:
    # What follows from the decision decides nothing; its edits are found by who verifies the seal.
    files = sorted(p for p in directory.path.rglob("*") if p.is_file() and p.name != layout.DECISIONS)
    path: Path = data.draw(st.sampled_from(files))
    honest = path.read_bytes()
    at = data.draw(st.integers(0, len(honest) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != honest[at]))
    try:
        path.write_bytes(honest[:at] + bytes([other]) + honest[at + 1 :])
        assert not verified(directory).passed
    finally:
        path.write_bytes(honest)
