"""The chains of a release summary: one chain an engine, seen from the matrix, replay and the connectors.

Seed 003 names three evidence chains. Here one chain holds every file; each of the three is that chain with
the files its suite rests on, so that an edited replay file is told where replay is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.canonical import render, sha256
from certification_pipeline.evidence.chain import EvidenceChainEntry
from certification_pipeline.evidence.chain_dir import ChainDir, EntryName
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.next_step import decide_again, mend_chain
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.summary import ChainLink, SummaryItem, SummaryItemName
from certification_pipeline.gates.chain import verify
from certification_pipeline.gates.chain_files import changed_files
from certification_pipeline.gates.chain_links import ChainProblem
from certification_pipeline.gates.chain_tail import every_byte_proved, read_tail

CHAINS: Mapping[SummaryItemName, tuple[str, ...]] = {
    SummaryItemName.MATRIX_CHAIN: (layout.PLAN, layout.REPORT, layout.SUITE),
    SummaryItemName.REPLAY_CHAIN: (layout.FAMILY_ARTIFACTS[Family.REPLAY],),
    SummaryItemName.CONNECTOR_CHAIN: (layout.FAMILY_ARTIFACTS[Family.CONNECTOR_LIVE],),
}
"""What each must hold."""

_TOP = (
    ("replay", SummaryItemName.REPLAY_CHAIN),
    ("connector", SummaryItemName.CONNECTOR_CHAIN),
    ("junit", SummaryItemName.CONNECTOR_CHAIN),
)
"""How names of files begin that are not the matrix's."""


@dataclass(frozen=True)
class SeenChain:
    """The engine's chain as one release sees it. ``entry`` is its newest, when it is sound."""

    directory: SubjectDir
    entry: EvidenceChainEntry | None
    problems: tuple[ChainProblem, ...] = ()
    broken: str | None = None
    """Why the chain as a whole could not be read."""
    missing: bool = False
    """There is no chain, or no entry of this release in one that is sound."""

    @property
    def link(self) -> ChainLink | None:
        """What a summary names: only an entry that nothing speaks against."""
        if self.entry is None or self.problems or self.broken:
            return None
        return ChainLink(sequence=self.entry.sequence, chain_hash=self.entry.chain_hash)


def see_chain(directory: SubjectDir, *, kept: bool = False) -> SeenChain:
    """Recompute the links of the whole chain and re-hash this release's files; reads only.

    ``kept``: where every byte of the chain is below the root that this user's last append found sound, none
    is parsed again. Who verifies goes by nothing that was kept.
    """
    store = EvidenceStore.holding(directory)
    proved = _proved(store, directory) if kept else None
    if proved is not None:
        return SeenChain(directory, proved, tuple(changed_files(store, proved)))
    try:
        found = verify(store, directory.engine, release_id=directory.release_id, decisions=False)
    except EvidenceError as error:
        gone = error.kind is ProblemKind.MISSING
        return SeenChain(directory, None, broken=str(error), missing=gone)
    mine = [entry for entry in found.entries if entry.release_id == directory.release_id]
    links = [problem for problem in found.problems if not _is_of_a_release(problem)]
    absent = not mine and all(problem.path == f"{layout.CHAIN}/{directory.engine}" for problem in links)
    return SeenChain(directory, mine[-1] if mine else None, found.problems, missing=absent)


def _proved(store: EvidenceStore, directory: SubjectDir) -> EvidenceChainEntry | None:
    """The release's entry, when it is the last of a chain that is proved to its last byte."""
    try:
        chain = ChainDir(store.root, directory.engine)
    except EvidenceError:  # said by who reads it whole
        return None
    tail = read_tail(chain, directory.release_id)
    if tail is None or not every_byte_proved(chain, tail):
        return None
    return tail.newest(directory.release_id)


def chain_item(
    name: SummaryItemName, seen: SeenChain, suite_outcome: Outcome, *, required: bool
) -> tuple[SummaryItem, tuple[Blocker, ...]]:
    """One of the three chains; what is not required and not there is shown as untested."""
    if not required:
        return _item(name, seen, Outcome.UNTESTED, required=False, missing=True), ()
    if seen.missing:
        told = seen.broken or f"the chain has no entry of release {seen.directory.release_id!r}"
        blocker = Blocker(code=f"{name.value}.missing", message=told, next_step=_decide(seen))
        return _item(name, seen, Outcome.FAILED, required=True, missing=True), (blocker,)
    problems = tuple(_problems(name, seen, suite_outcome))
    if not problems:
        return _item(name, seen, Outcome.PASSED, required=True, missing=False), ()
    shown = "; ".join(problems[:3]) + (f" (and {len(problems) - 3} more)" if len(problems) > 3 else "")  # noqa: PLR2004
    blocker = Blocker(code=f"{name.value}.not_verified", message=shown, next_step=_next(seen))
    return _item(name, seen, Outcome.FAILED, required=True, missing=False), (blocker,)


def _problems(name: SummaryItemName, seen: SeenChain, suite_outcome: Outcome) -> Iterator[str]:
    if seen.broken is not None:
        yield seen.broken
    place = f"{layout.RELEASES}/{seen.directory.release_id}/{seen.directory.engine}/"
    for problem in seen.problems:
        if not problem.path.startswith(place) or _scope(problem.path.removeprefix(place)) is name:
            yield str(problem)
    if seen.entry is None:
        return
    held = {artifact.path for artifact in seen.entry.artifacts}
    for path in CHAINS[name]:
        if path not in held:
            yield f"entry {seen.entry.sequence} does not hold {path}"
    if name is SummaryItemName.MATRIX_CHAIN and seen.entry.outcome is not suite_outcome:
        said = seen.entry.outcome.value
        yield f"entry {seen.entry.sequence} says the suite is {said}, it is {suite_outcome.value}"


def _scope(path: str) -> SummaryItemName:
    for head, name in _TOP:
        if path.startswith(head):
            return name
    return SummaryItemName.MATRIX_CHAIN


def _is_of_a_release(problem: ChainProblem) -> bool:
    return problem.path.startswith(f"{layout.RELEASES}/")


def _next(seen: SeenChain) -> str:
    broken = seen.broken or any(not _is_of_a_release(problem) for problem in seen.problems)
    return mend_chain(seen.directory.engine, seen.directory.release_id) if broken else _decide(seen)


def _decide(seen: SeenChain) -> str:
    return decide_again("release-summary", seen.directory.engine, seen.directory.release_id)


def _item(
    name: SummaryItemName, seen: SeenChain, outcome: Outcome, *, required: bool, missing: bool
) -> SummaryItem:
    entry = seen.entry if required else None
    where = f"../../../{layout.CHAIN}/{seen.directory.engine}"
    return SummaryItem(
        name=name,
        kind="chain",
        path=f"{where}/{EntryName(entry.sequence, entry.release_id)}" if entry else where,
        sha256=sha256(render(entry)) if entry else None,
        required=required,
        outcome=outcome,
        passed=outcome is Outcome.PASSED,
        missing=missing,
        summary={"sequence": entry.sequence, "files": _count(name, entry)} if entry else {},
    )


def _count(name: SummaryItemName, entry: EvidenceChainEntry) -> int:
    return sum(_scope(artifact.path) is name for artifact in entry.artifacts)
