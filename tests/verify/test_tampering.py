"""Every single edit is found and names its file; none crashes the verifier, and none keeps it waiting."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.seal.keys import PublicKey, Signer
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.verify.finding import Kind
from certification_pipeline.gates.verify.result import VerifiedEvidence
from certification_pipeline.gates.verify.seals import pages
from tests.verify.builders import make_evidence, verified
from tests.verify.edits import EDITS, Edit, files

SIGNER = Signer.generate()


class Honest(NamedTuple):
    """Evidence as it was made, and whose key its reader has."""

    root: Path
    keys: tuple[PublicKey, ...]


def made(root: Path, signer: Signer | None) -> Honest:
    keys = (signer.public_key,) if signer else ()
    found = verified(make_evidence(root, signer), keys=keys)
    assert (found.verified, found.outcome) == (Outcome.PASSED, Outcome.PASSED), found.findings
    return Honest(root, keys)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Honest:
    return made(tmp_path_factory.mktemp("honest") / "evidence", None)


@pytest.fixture(scope="module", params=["unsigned", "signed"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Honest:
    signer = SIGNER if request.param == "signed" else None
    return made(tmp_path_factory.mktemp(request.param) / "evidence", signer)


def fresh(honest: Honest, place: Path) -> Path:
    """The evidence as it was; times differ, which must not matter."""
    shutil.rmtree(place, ignore_errors=True)
    return Path(shutil.copytree(honest.root, place, symlinks=True))


def names(found: VerifiedEvidence, path: str) -> bool:
    """Whether a finding is about ``path``, about something in it, or about the directory it is gone from."""
    return any(
        one.path == path
        or one.path.startswith(f"{path}/")
        or fnmatchcase(path, one.path)
        or (path.startswith(f"{one.path}/") and one.kind in {Kind.DELETED, Kind.TRUNCATED, Kind.ADDED})
        for one in found.findings
    )


class Try(NamedTuple):
    """An edit of a file, and where its chances come from."""

    name: str
    edit: Edit
    path: str
    seed: int


def missed(honest: Honest, place: Path, one: Try) -> str | None:
    """What went unfound, as the line that repeats it; ``None`` when it was found, empty when not done."""
    name, edit, path, seed = one
    root = fresh(honest, place)
    touched = edit(root, path, random.Random(seed))
    if touched is None:
        return ""
    found = verified(root, keys=honest.keys)
    what = f"{name} of {path} (seed {seed})"
    if found.verified is Outcome.PASSED or found.outcome is Outcome.PASSED:
        return f"not found: {what}"
    if broken := [str(one) for one in found.findings if "the verifier stopped here" in one.message]:
        return f"the verifier broke: {what}: {broken[0]}"
    if unnamed := [one for one in touched if not names(found, one)]:
        return f"found, but {unnamed} is not named: {what}: {[str(one) for one in found.findings][:3]}"
    return None


def sweep(honest: Honest, place: Path, tries: Iterable[Try]) -> tuple[int, list[str]]:
    """How many edits were done, and what is wrong with what was said about them."""
    done, wrong = 0, []
    for one in tries:
        told = missed(honest, place, one)
        done += told != ""
        wrong += [told] if told else []
    return done, wrong


def draws(honest: Honest, edits: dict[str, Edit], number: int, seed: int) -> Iterator[Try]:
    """Every kind in turn, on files by chance."""
    chance = random.Random(seed)
    there = files(honest.root)
    for at in range(number):
        name = list(edits)[at % len(edits)]
        yield Try(name, edits[name], chance.choice(there), chance.randrange(2**32))


def test_some_edits_are_found_and_named(honest: Honest, tmp_path: Path) -> None:
    some = dict(list(EDITS.items())[::3])
    done, wrong = sweep(honest, tmp_path / "e", draws(honest, some, len(some), seed=20260605))
    assert wrong == []
    assert done > len(some) / 2


PAGES = "releases/r1/pages.intoto.jsonl"


@pytest.mark.parametrize("pair", [("releases/r1/report.html", PAGES), (PAGES, "releases/r1/report.html")])
def test_a_page_exchanged_with_its_statement_is_named(
    honest: Honest, tmp_path: Path, pair: tuple[str, str]
) -> None:
    """The statement is no statement then, so it cannot say which page is another: all of them are named."""

    def exchanged(root: Path, path: str, _: random.Random) -> tuple[str, str]:
        one, other = (root / path).read_bytes(), (root / pair[1]).read_bytes()
        (root / path).write_bytes(other)
        (root / pair[1]).write_bytes(one)
        return path, pair[1]

    assert missed(honest, tmp_path / "e", Try("exchange two files", exchanged, pair[0], 0)) is None


@pytest.mark.parametrize("statement", [b"", b"{}\n", b"\xff\n"])
def test_without_a_readable_statement_every_page_is_without_a_witness(
    honest: Honest, tmp_path: Path, statement: bytes
) -> None:
    root = fresh(honest, tmp_path / "e")
    (root / PAGES).write_bytes(statement)
    (root / "releases/r1/more.html").write_text("<p>green")
    found = list(pages(EvidenceStore(root), "r1", ()))
    assert [one.path for one in found if one.kind is Kind.UNVOUCHED] == [
        "releases/r1/comparison.json",
        "releases/r1/more.html",
        "releases/r1/report.html",
    ]
    assert any(one.path == PAGES and one.outcome is Outcome.FAILED for one in found)


@pytest.mark.nightly
def test_every_kind_of_edit_of_every_file(honest: Honest, tmp_path: Path) -> None:
    tries = [
        Try(name, edit, path, 7 * at)
        for at, path in enumerate(files(honest.root))
        for name, edit in EDITS.items()
    ]
    done, wrong = sweep(honest, tmp_path / "e", tries)
    assert wrong == [], Counter(one.partition(" of ")[0] for one in wrong)
    assert done > 1500


@pytest.mark.nightly
def test_thousands_of_edits_are_found(either: Honest, tmp_path: Path) -> None:
    done, wrong = sweep(either, tmp_path / "e", draws(either, EDITS, 1500, seed=1))
    assert wrong == [], Counter(one.partition(" of ")[0] for one in wrong)
    assert done > 1000


def listing(root: Path) -> list[tuple[str, int, int]]:
    """Every file with its time and size."""
    there = sorted(path for path in root.rglob("*") if path.is_file())
    return [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in there]


def test_what_changes_nothing_is_not_red(honest: Honest, tmp_path: Path) -> None:
    """Times, modes, owners' names and hard links to the same bytes are no edits."""
    root = fresh(honest, tmp_path / "e")
    for path in files(root):
        os.utime(root / path, (1, 1))
        (root / path).chmod(0o600)
    copy = tmp_path / "copy"
    for path in files(root)[::5]:
        copy.write_bytes((root / path).read_bytes())
        (root / path).unlink()
        (root / path).hardlink_to(copy)
        copy.unlink()
    (root / "releases" / "r1" / "harness.log").write_text("more was said")
    before = listing(root)
    found = verified(root)
    assert found.findings == ()
    assert found.outcome is Outcome.PASSED
    assert listing(root) == before, "it only reads"
