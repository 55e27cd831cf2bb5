"""A long artifact read piece by piece is the one that is read whole, or it is read whole."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certification_pipeline.evidence import canonical, pieces
from certification_pipeline.evidence.artifact import Artifact
from certification_pipeline.evidence.canonical import parse, parse_head, parse_long, parse_value, render, seal
from certification_pipeline.evidence.chain import EvidenceChainEntry
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.files import digest_no_follow, read_no_follow
from certification_pipeline.evidence.index import ArtifactIndex
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.schema import ARTIFACTS
from tests.evidence.builders import CATALOG_DIGEST, ENGINE, PROFILE, SMALL, plan
from tests.gates.releases import decided_release

MODELS: dict[str, type[Artifact]] = {
    "certification_automation_plan.json": CertificationPlan,
    "certification_report.json": CertificationReport,
    "artifact_index.json": ArtifactIndex,
    "000001__2024.11.19-r1.json": EvidenceChainEntry,
}


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    directory = decided_release(tmp_path_factory.mktemp("pieces"))
    places = [directory.path, directory.path.parents[2] / "chain" / ENGINE]
    return {name: (places[name.startswith("0")] / name).read_bytes() for name in MODELS}


def test_every_long_list_is_one_that_is_looked_for() -> None:
    assert {made.LONG for made in ARTIFACTS if made.LONG} == set(pieces.FIELDS)
    assert {made.LONG for made in MODELS.values()} == set(pieces.FIELDS)


@contextmanager
def cut_small(*, whole: bool = False) -> Iterator[None]:
    """Every list is cut after each item, or none is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "SMALL", 1 << 60 if whole else 0)
        patch.setattr(pieces, "FEW", 1 << 60 if whole else 1)
        patch.setattr(pieces, "PIECE", 1)
        yield


def said(read: Callable[[], object]) -> object:
    try:
        found = read()
    except EvidenceError as error:
        return str(error)
    return (found, found.model_fields_set) if isinstance(found, Artifact) else found


@pytest.mark.parametrize("name", MODELS)
def test_an_honest_artifact_goes_through_in_pieces(artifacts: dict[str, bytes], name: str) -> None:
    data, model = artifacts[name], MODELS[name]
    with cut_small(whole=True):
        whole = parse(data, model, name)
    with cut_small():
        cut = pieces.Cut.of(data, model.LONG)
        assert cut is not None
        assert len(list(cut.pieces())) == len(getattr(whole, model.LONG)) > 1
        long = parse_long(data, model, name)
        assert long is not None
        assert tuple(long.items) == getattr(whole, model.LONG)
        found = parse(data, model, name)
        assert found == whole
        assert found.model_fields_set == whole.model_fields_set
        assert render(found) == data
        assert parse_head(data, name) == {**json.loads(data), model.LONG: []}
    with cut_small(whole=True):
        assert render(whole) == data


_EDITS = (
    "flip",
    "delete",
    "insert",
    "cut",
    "line twice",
    "lines swapped",
    "spaced",
    "break",
    "nan",
    "resealed",
)


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
@given(data=st.data())
def test_whatever_is_done_to_the_bytes_pieces_say_what_the_whole_says(
    artifacts: dict[str, bytes], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(MODELS)))
    content, model = artifacts[name], MODELS[name]
    at = data.draw(st.integers(0, len(content) - 1))
    lines = content.splitlines(keepends=True)
    one, other = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    match how := data.draw(st.sampled_from(_EDITS)):
        case "flip":
            content = (
                content[:at] + bytes([content[at] ^ 1 << data.draw(st.integers(0, 7))]) + content[at + 1 :]
            )
        case "delete":
            content = content[:at] + content[at + data.draw(st.integers(1, 60)) :]
        case "insert":
            content = content[:at] + data.draw(st.sampled_from(_INSERTED)) + content[at:]
        case "cut":
            content = content[:at]
        case "line twice":
            content = b"".join([*lines[:one], lines[one], *lines[one:]])
        case "lines swapped":
            lines[one], lines[other] = lines[other], lines[one]
            content = b"".join(lines)
        case "spaced":
            content = json.dumps(json.loads(content), indent=data.draw(st.integers(0, 4))).encode()
        case "break":
            content = content.replace(b": ", b":\n", data.draw(st.integers(1, 9)))
        case "nan":
            content = content.replace(b"1", b"NaN", data.draw(st.integers(1, 9)))
        case _:
            content = content.replace(b"passed", b"failed", data.draw(st.integers(1, 9)))
    if how == "resealed" and b"content_digest" in content:
        stated = json.loads(content)["content_digest"].encode()
        content = seal(content.replace(b'\n  "content_digest": "' + stated, b'\n  "content_digest": "'))[0]
    with cut_small(whole=True):
        whole = said(lambda: parse(content, model, name))
    with cut_small():
        assert said(lambda: parse(content, model, name)) == whole
    with cut_small():
        assert said(lambda: _without(parse_head(content, name), model)) == said(
            lambda: _without(parse_value(content, name), model)
        )


def _without(value: object, model: type[Artifact]) -> object:
    return {**value, model.LONG: None} if isinstance(value, dict) else value


_INSERTED = [
    b"\n",
    b"\n  ]",
    b"\n    },\n    {",
    b'"',
    b",",
    b'\n  "results": [\n',
    b"[]",
    b"\\",
    b"\xff",
    b" ",
    b"1e999",
]


def test_a_list_there_twice_is_told(artifacts: dict[str, bytes]) -> None:
    """The first is cut out, and would hide the second."""
    data = artifacts["certification_report.json"]
    at = data.index(b'\n  "results": [')
    end = data.index(b"\n  ],", at) + len(b"\n  ],")
    with cut_small(), pytest.raises(EvidenceError, match="there twice"):
        parse(data[:at] + data[at:end] + data[at:], CertificationReport, "report")


def test_what_json_cannot_hold_is_refused_in_a_piece_too(artifacts: dict[str, bytes]) -> None:
    made = parse(artifacts["certification_report.json"], CertificationReport, "report")
    first, second, *rest = made.results
    broken = made.model_copy(
        update={"results": (first, second.model_copy(update={"seconds": math.nan}), *rest)}
    )
    told = []
    for whole in (True, False):
        with cut_small(whole=whole), pytest.raises(EvidenceError) as caught:
            render(broken, "report")
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert "results.1.seconds" in told[0]


def test_the_digest_of_a_plan_is_over_all_its_cells_in_one_text() -> None:
    """One cell at a time, it is the digest that plans were always sealed with."""
    made = plan(SMALL)
    cells = [cell.model_dump(mode="json") for cell in made.cells]
    body = {
        "catalog": CATALOG_DIGEST,
        "profile": PROFILE,
        "engine": ENGINE,
        "selection": made.selection.model_dump(mode="json"),
        "families": [],
        "cells": sorted(cells, key=lambda cell: json.dumps(cell["key"])),
    }
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    assert made.plan_digest == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert made.model_copy(update={"cells": made.cells[1:]}).recompute_digest() != made.plan_digest


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 19])
def test_a_digest_without_holding_the_file_is_that_of_its_bytes(tmp_path: Path, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(251)) * (size // 251) + b"x" * (size % 251))
    data = read_no_follow(path, "file", 1 << 30)
    assert digest_no_follow(path, "file", 1 << 30) == (hashlib.sha256(data).hexdigest(), size)
    if size:
        with pytest.raises(EvidenceError, match="more than the"):
            digest_no_follow(path, "file", size - 1)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(EvidenceError):
        digest_no_follow(tmp_path / "link", "link", 1 << 30)


def test_sealing_and_its_check_copy_nothing_else() -> None:
    data = b'{\n  "a": 1,\n  "content_digest": "",\n  "z": "\\n  \\"content_digest\\": \\"\\""\n}\n'
    sealed, digest = seal(data)
    assert digest == canonical.sha256(data)
    assert sealed == data.replace(b'"content_digest": ""', b'"content_digest": "%b"' % digest.encode(), 1)
    assert canonical._sealed_digest(sealed, digest) == digest
    assert seal(b"{}") == (b"{}", canonical.sha256(b"{}"))
