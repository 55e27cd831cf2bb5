"""An append reads the end of a chain, not all of it; and no lie about what lies before gets through."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import files
from certification_pipeline.evidence.chain_dir import ChainDir, EntryName
from certification_pipeline.evidence.checkpoint import make_checkpoint
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.merkle import peaks_of, tree_hash
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates import chain_links
from certification_pipeline.gates.chain import Appended, append, verify
from certification_pipeline.gates.chain_checkpoint import see_checkpoint
from certification_pipeline.gates.chain_links import Links, read_links
from certification_pipeline.gates.chain_tail import Tail, keep_proof, read_tail
from certification_pipeline.gates.release_summary import release_summary
from tests.evidence.builders import ENGINE, provenance
from tests.gates.chains import undecided
from tests.ledger.chains import Pen, entry, grow

CACHE = "CERTIFY_LEVELS_CACHE"


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases that are ready to be chained."""
    root = tmp_path_factory.mktemp("tail")
    for release_id in ("new-1", "new-2"):
        undecided(root, release_id)
    return root


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "chains" / ENGINE


def long_chain(evidence: Path, root: Path, count: int, pen: Pen | None = None) -> Path:
    """So many entries; the releases to be chained are those of ``evidence``."""
    root.mkdir(parents=True)
    grow(root, *(f"r{number:03}" for number in range(count)), pen=pen)
    shutil.copytree(evidence / "releases", root / "releases")
    return root


def go_on(root: Path, release_id: str, **options: Any) -> Appended:
    store = EvidenceStore(root)
    return append(store, store.release(release_id, ENGINE), provenance(70), **options)


def tail_of(root: Path, release_id: str = "new", pen: Pen | None = None) -> Tail | None:
    return read_tail(ChainDir(root, ENGINE), release_id, [pen.public_key] if pen else [])


def keep(root: Path) -> Links:
    """As an append would after reading all of it."""
    chain = ChainDir(root, ENGINE)
    links = read_links(chain)
    keep_proof(chain, len(links.names), links.root, peaks_of(links.leaves[:-1]))
    return links


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch, root: Path) -> Iterator[list[str]]:
    """Names of the files of the chain that are opened meanwhile."""
    opened: list[str] = []
    real = files._open_no_follow

    def open_(name: str | Path, *arguments: Any) -> int:
        path = Path(name)
        if path.parent == root / "chain" / ENGINE:
            opened.append(path.name)
        return real(name, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(files, "_open_no_follow", open_)
        yield opened


# --- linear ------------------------------------------------------------------------------------------------


def test_an_append_opens_as_many_files_of_a_long_chain_as_of_a_short_one(
    evidence: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for count in (4, 8, 16):
        root = long_chain(evidence, tmp_path / str(count), count)
        with counted(monkeypatch, root) as first:
            go_on(root, "new-1")
        assert len(first) == count + 3, "all of it once, the head, and the checkpoint before and with it"
        with counted(monkeypatch, root) as second:
            made = go_on(root, "new-2")
        assert sorted(second) == [f"{count + 1:06}__new-1.json", "checkpoint", "head.json"]
        assert (made.entry.sequence, made.new) == (count + 2, True)
        with counted(monkeypatch, root) as third:
            assert not go_on(root, "new-2").new
        assert len(third) == 3
        assert read_links(ChainDir(root, ENGINE)).problems == ()
        kept = cache / f"{tree_hash(read_links(ChainDir(root, ENGINE)).leaves).hex()}.json"
        assert len(json.loads(kept.read_text())["path"]) == (count + 1).bit_count()


def test_what_is_appended_is_what_reading_everything_gives(
    evidence: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for name, place in (("kept", str(cache)), ("read", "")):
        monkeypatch.setenv(CACHE, place)
        root = long_chain(evidence, tmp_path / name, 5, Pen())
        for release_id in ("new-1", "new-2", "new-1"):
            go_on(root, release_id, signer=Pen())
        made.append({each.name: each.read_bytes() for each in (root / "chain" / ENGINE).iterdir()})
    del made[0][".lock"], made[1][".lock"]  # the process that held it
    assert made[0] == made[1]


def test_the_end_has_the_root_of_the_whole(tmp_path: Path, cache: Path) -> None:
    for count in range(1, 10):
        grow(tmp_path, f"r{count:03}")
        links = keep(tmp_path)
        tail = tail_of(tmp_path)
        assert tail is not None
        assert (tail.root, tail.last, tail.names) == (links.root, links.last, links.names)
        made = entry(links, "more")
        assert tail.grown(made).root == links.grown(made).root


def test_only_the_newest_proof_is_kept(evidence: Path, tmp_path: Path, cache: Path) -> None:
    root = long_chain(evidence, tmp_path / "e", 3)
    go_on(root, "new-1")
    go_on(root, "new-2")
    assert len(list(cache.iterdir())) == 1
    assert {path.name for path in root.iterdir()} == {"chain", "releases"}
    names = {path.name for path in (root / "chain" / ENGINE).iterdir()}
    assert names - {"head.json", "checkpoint", ".lock"} == {
        *(f"{number + 1:06}__r{number:03}.json" for number in range(3)),
        "000004__new-1.json",
        "000005__new-2.json",
    }


# --- lies --------------------------------------------------------------------------------------------------


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(data=st.data())
def test_a_proof_that_lies_is_passed_over(chained: tuple[Path, Path], data: st.DataObject) -> None:
    root, proof = chained
    honest = proof.read_bytes()
    content = json.loads(honest)
    path = content["path"]
    at = data.draw(st.integers(0, len(path) - 1))
    other = "sha256:" + data.draw(st.binary(min_size=32, max_size=32)).hex()
    match data.draw(st.sampled_from(["flip", "drop", "add", "swap", "size", "engine", "version", "torn"])):
        case "flip":
            path[at] = other
        case "drop":
            del path[at]
        case "add":
            path.insert(at, other)
        case "swap":
            path[0], path[1] = path[1], path[0]
        case "size":
            content["size"] = data.draw(st.integers(-1, 20))
        case "engine":
            content["engine"] = "dlt"
        case "version":
            content["producer"]["version"] = "0"
        case _:
            proof.write_bytes(honest[: data.draw(st.integers(0, len(honest) - 1))])
    try:
        if proof.read_bytes() == honest and content != json.loads(honest):
            proof.write_text(json.dumps(content))
        tail = tail_of(root)
        sized = {**content, "size": json.loads(honest)["size"]} == json.loads(honest)
        assert tail is None or (sized and tail.root == read_links(ChainDir(root, ENGINE)).root)
    finally:
        proof.write_bytes(honest)
    assert tail_of(root) is not None


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    root = tmp_path_factory.mktemp("lies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE, str(root / "cache"))
        grow(root, *(f"r{number}" for number in range(12)))
        keep(root)
    return root, next((root / "cache/chains" / ENGINE).iterdir())


@pytest.fixture(autouse=True)
def _same_cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "chained" in request.fixturenames:
        root, _ = request.getfixturevalue("chained")
        monkeypatch.setenv(CACHE, str(root / "cache"))


def test_a_proof_of_another_chain_of_that_engine_is_none_of_this(tmp_path: Path, cache: Path) -> None:
    """Also under the name of this one's root."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    links = grow(mine, "r1", "r2", "r3")
    grow(other, "r1", "r2", "r3", mark="b")
    keep(other)
    assert tail_of(mine) is None
    [kept] = cache.iterdir()
    kept.rename(cache / f"{links.root.hex()}.json")
    assert tail_of(mine) is None
    assert tail_of(other) is None


def test_a_checkpoint_and_a_proof_that_lie_together_do_not_get_past_the_last_entry(
    tmp_path: Path, cache: Path
) -> None:
    """Forged over other first entries: the last one names its predecessor by hash, and is no leaf there."""
    chain = ChainDir(tmp_path, ENGINE)
    grow(tmp_path, "r1", "r2", "r3")
    other = grow(tmp_path / "other", "r1", "r2", "r3", mark="b")
    digest = chain.set_checkpoint(make_checkpoint(ENGINE, other.leaves, None))
    chain.set_head(chain.head().model_copy(update={"checkpoint": digest}))
    keep_proof(chain, 3, other.root, peaks_of(other.leaves[:-1]))
    assert tail_of(tmp_path) is None


def _strange(chain: ChainDir) -> None:
    (chain.path / "notes.txt").write_text("x")


def _gone(chain: ChainDir) -> None:
    (chain.path / "000002__r2.json").unlink()


def _doubled(chain: ChainDir) -> None:
    (chain.path / "000002__r9.json").write_bytes((chain.path / "000002__r2.json").read_bytes())


def _renamed(chain: ChainDir) -> None:
    (chain.path / "000002__r2.json").rename(chain.path / "000005__r2.json")


def _last_edited(chain: ChainDir) -> None:
    path = chain.path / "000004__r4.json"
    path.write_bytes(path.read_bytes().replace(b'"passed"', b'"failed"'))


def _last_made_right(chain: ChainDir) -> None:
    """Edited, with its hash and the head put right."""
    forged = chain.entry(EntryName(4, "r4")).model_copy(update={"outcome": Outcome.FAILED, "passed": False})
    (chain.path / "000004__r4.json").unlink()
    chain.add(forged.sealed())
    chain.set_head(chain.head().model_copy(update={"chain_hash": forged.sealed().chain_hash}))


def _cut(chain: ChainDir) -> None:
    (chain.path / "000004__r4.json").unlink()


def _head_edited(chain: ChainDir) -> None:
    chain.set_head(chain.head().model_copy(update={"release_id": "r1"}))


def _no_head(chain: ChainDir) -> None:
    (chain.path / "head.json").unlink()


def _no_checkpoint(chain: ChainDir) -> None:
    (chain.path / "checkpoint").unlink()


def _longer_checkpoint(chain: ChainDir) -> None:
    text = (chain.path / "checkpoint").read_bytes().replace(b"=\n", b"=\nmore\n", 1)
    (chain.path / "checkpoint").write_bytes(text)


@pytest.mark.parametrize(
    "edit",
    [
        _strange,
        _gone,
        _doubled,
        _renamed,
        _last_edited,
        _last_made_right,
        _cut,
        _head_edited,
        _no_head,
        _no_checkpoint,
        _longer_checkpoint,
    ],
)
def test_whatever_is_wrong_at_the_end_or_with_a_name_is_refused_as_before(
    evidence: Path, tmp_path: Path, cache: Path, edit: Callable[[ChainDir], None]
) -> None:
    root = tmp_path / "e"
    grow(root, "r1", "r2", "r3", "r4")
    keep(root)
    assert tail_of(root) is not None
    edit(ChainDir(root, ENGINE))
    assert tail_of(root) is None
    shutil.copytree(evidence / "releases", root / "releases")
    with pytest.raises(EvidenceError, match="does not verify"):
        go_on(root, "new-1")


def test_an_earlier_entry_of_the_release_is_looked_for_in_the_whole_chain(
    tmp_path: Path, cache: Path
) -> None:
    grow(tmp_path, "r1", "r2")
    keep(tmp_path)
    assert tail_of(tmp_path, "r1") is None
    assert tail_of(tmp_path, "r2") is not None


def test_a_key_signs_on_top_of_what_it_signed_only(evidence: Path, tmp_path: Path, cache: Path) -> None:
    root = long_chain(evidence, tmp_path / "e", 3, Pen())
    keep(root)
    assert tail_of(root, pen=Pen()) is not None
    assert tail_of(root, pen=Pen(2)) is None
    with pytest.raises(EvidenceError, match="no checkpoint that your key signed"):
        go_on(root, "new-1", signer=Pen(2))
    assert go_on(root, "new-1", signer=Pen(2), trusted=[Pen().public_key]).checkpoint.is_signed


# --- what is found by who reads everything ------------------------------------------------------------------


def test_an_append_over_a_damaged_entry_vouches_for_the_entry_as_it_was(
    evidence: Path, tmp_path: Path, cache: Path
) -> None:
    """The one thing that an append no longer looks at. Its root is that of the honest bytes, so that the
    damage stays as plain as it was, its own summary is red, and nobody's signature covers it.
    """
    root = long_chain(evidence, tmp_path / "e", 4, Pen())
    go_on(root, "new-1", signer=Pen())
    chain = ChainDir(root, ENGINE)
    honest = read_links(chain)
    path = chain.path / "000002__r001.json"
    path.write_bytes(path.read_bytes().replace(b'"passed"', b'"failed"'))
    made = go_on(root, "new-2", signer=Pen())
    assert made.checkpoint.root == honest.grown(made.entry).root
    where = f"chain/{ENGINE}/000002__r001.json"
    assert where in {each.path for each in verify(EvidenceStore(root), ENGINE, decisions=False).problems}
    for kept in (True, False):
        decided = release_summary(EvidenceStore(root).release("new-2", ENGINE), provenance(80), kept=kept)
        assert decided.outcome is Outcome.FAILED
        assert any(where in blocker.message for blocker in decided.blockers)
    path.write_bytes(path.read_bytes().replace(b'"failed"', b'"passed"'))
    links = read_links(chain)
    assert (links.problems, see_checkpoint(chain, links).problems) == ((), ())


def test_who_decides_on_what_was_just_chained_parses_no_other_entry(
    evidence: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = long_chain(evidence, tmp_path / "e", 6)
    go_on(root, "new-1")
    directory = EvidenceStore(root).release("new-1", ENGINE)
    whole = release_summary(directory, provenance(80))
    parsed = []
    real = ChainDir.entry_with_leaf
    monkeypatch.setattr(
        ChainDir, "entry_with_leaf", lambda self, name: (parsed.append(name), real(self, name))[1]
    )
    assert release_summary(directory, provenance(80), kept=True) == whole
    assert parsed == [(7, "new-1")]
    (directory.path / "surprise.txt").write_text("x")
    blockers = release_summary(directory, provenance(80), kept=True).blockers
    assert any("surprise.txt was added" in blocker.message for blocker in blockers)


def test_who_verifies_looks_at_nothing_that_was_kept(
    evidence: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = long_chain(evidence, tmp_path / "e", 4)
    go_on(root, "new-1")
    read = []
    real = chain_links._read
    monkeypatch.setattr(chain_links, "_read", lambda chain: (read.append(chain.engine), real(chain))[1])
    monkeypatch.setattr("certification_pipeline.gates.chain_tail._find", lambda *_: pytest.fail("looked"))
    verify(EvidenceStore(root), ENGINE, decisions=False)
    release_summary(EvidenceStore(root).release("new-1", ENGINE), provenance(80))
    assert read == [ENGINE, ENGINE]
