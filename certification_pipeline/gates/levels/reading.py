"""From an engine's ledger to its history: each release by its newest entry, recomputed from its raw cells.

What a chained file says of itself is no proof: a report typed by hand can be chained, too. So outcomes are
worked out from the cells again, and checklists from their JUnit file. That is done once for a chain entry and
kept in the user's cache (:mod:`facts`); who verifies keeps nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from certification_pipeline.catalog.checklist import ChecklistItem
from certification_pipeline.catalog.vocabulary import Family, Outcome, Support
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker, Digest
from certification_pipeline.evidence.chain import EvidenceChainEntry
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.connectors import ConnectorCertification
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.next_step import mend_chain
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.report import ReportRow
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.summary import ChainLink
from certification_pipeline.gates.certification_report import Matrix
from certification_pipeline.gates.chain_files import changed_files
from certification_pipeline.gates.chain_links import read_links
from certification_pipeline.gates.collector import collector_paused
from certification_pipeline.gates.families import verification_of
from certification_pipeline.gates.levels.facts import Kept
from certification_pipeline.gates.levels.history import (
    Attested,
    Cell,
    Coordinates,
    History,
    ItemSaid,
    Note,
    Said,
)
from certification_pipeline.gates.once import Once
from certification_pipeline.gates.verification import read_plan

_CLAIMED = (Support.FULL, Support.PARTIAL)
_ASKED_FOR = (Family.CALIBRATION,)
"""Families that policies name as a whole."""


@dataclass(frozen=True)
class Ledger:
    """A history and where it was read. ``link`` is the newest entry, ``None`` without a sound chain."""

    history: History
    link: ChainLink | None
    problems: tuple[Blocker, ...] = ()
    superseded: frozenset[str] = frozenset()
    """Releases with entries that were asked for, and later ones that were not."""


class _Items(NamedTuple):
    by_connector: Mapping[str, Mapping[ChecklistItem, ItemSaid]]
    documents: Mapping[str, Digest]
    stated: Mapping[str, str]
    sha256: Digest


def read_ledger(
    store: EvidenceStore,
    engine: str,
    *,
    attested: Iterable[Attested] = (),
    upto: int | None = None,
    keep: bool = True,
) -> Ledger:
    """Everything the engine's chain holds, or its entries up to number ``upto``.

    ``keep``: use what was worked out before, and keep what is worked out now. A chain whose links do not
    hold tells nothing: who could say which entry is missing?
    """
    nothing = History(engine, (), tuple(attested))
    try:
        links = read_links(ChainDir(store.root, engine))
    except EvidenceError as error:
        if error.kind is not ProblemKind.MISSING:
            raise
        return Ledger(nothing, None, (_blocker("evidence_chain.missing", str(error), engine, "ID"),))
    if links.problems:
        told = "; ".join(str(problem) for problem in links.problems[:3])
        release = links.entries[-1].release_id if links.entries else "ID"
        return Ledger(nothing, None, (_blocker("evidence_chain.not_verified", told, engine, release),))
    entries = [entry for entry in links.entries if upto is None or entry.sequence <= upto]
    if not entries:
        return Ledger(nothing, None, (_blocker("evidence_chain.missing", "it has no entry", engine, "ID"),))
    kept = Kept(engine) if keep else None
    alike: dict[tuple[Cell, ...], tuple[Cell, ...]] = {}
    said = []
    for entry in {entry.release_id: entry for entry in entries}.values():
        one = _said(store, entry, kept)
        said.append(replace(one, cells=alike.setdefault(one.cells, one.cells)))
    link = ChainLink(sequence=entries[-1].sequence, chain_hash=entries[-1].chain_hash)
    after = {entry.release_id for entry in links.entries[len(entries) :]}
    again = after & {entry.release_id for entry in entries}
    return Ledger(replace(nothing, said=tuple(said)), link, superseded=frozenset(again))


RECOMPUTED: Once[Digest, Said] = Once("releases recomputed")
"""By chain hash, which binds every file: who verifies reads a ledger as of then, and as of now."""


def _said(store: EvidenceStore, entry: EvidenceChainEntry, kept: Kept | None) -> Said:
    return RECOMPUTED.get(entry.chain_hash, lambda: _asked(store, entry, kept))


def _asked(store: EvidenceStore, entry: EvidenceChainEntry, kept: Kept | None) -> Said:
    known = kept.find(entry) if kept else None
    if known is not None:
        return known
    try:
        changed = next(changed_files(store, entry), None)
        if changed is None:
            said = _recomputed(store.release(entry.release_id, entry.subject.engine), entry)
            if kept:
                kept.put(entry, said)
            return said
        problem = str(changed)
    except EvidenceError as error:
        problem = str(error)
    return Said(entry.release_id, entry.sequence, entry.created_at, entry.subject, problem=problem)


def _recomputed(directory: SubjectDir, entry: EvidenceChainEntry) -> Said:
    sealed = read_plan(directory)
    plan = sealed.plan
    matrix = Matrix(plan, stamp(entry.run_id), sealed.sha256)
    cells: list[Cell] = []
    digests: list[Digest | None] = []
    notes: dict[Coordinates, Note] = {}
    with collector_paused():
        for planned, row in zip(plan.cells, matrix.rows(directory.scan(plan)), strict=True):
            if planned.support not in _CLAIMED:
                continue
            cell = _cell(row, planned.rows)
            cells.append(cell)
            digests.append(row.sha256)
            if cell.outcome not in (Outcome.PASSED, Outcome.INAPPLICABLE):
                notes[cell.at] = Note(row.detail, row.remedy)
    items = _items(directory, plan, entry)
    chosen = plan.selection
    return Said(
        release_id=entry.release_id,
        sequence=entry.sequence,
        at=plan.created_at,
        subject=plan.subject,
        trigger=plan.trigger,
        profile=plan.profile,
        seed=plan.seed,
        whole=not (chosen.routes or chosen.strategies or chosen.scenarios)
        and plan.recompute_digest() == plan.plan_digest,
        cells=tuple(cells),
        digests=tuple(digests),
        notes=notes,
        items=items.by_connector,
        items_sha256=items.sha256,
        documents=items.documents,
        stated=items.stated,
        families=_families(directory, entry),
    )


def _cell(row: ReportRow, rows: int) -> Cell:
    key = row.key
    return Cell(
        at=Coordinates(key.source, key.sink, key.strategy.value, key.scenario),
        outcome=row.outcome,
        scenario_version=row.scenario_version,
        rows=rows,
        required=row.required,
        flaky=row.flaky,
        fidelity=row.fidelity,
        reason=row.reason,
    )


def _items(directory: SubjectDir, plan: CertificationPlan, entry: EvidenceChainEntry) -> _Items:
    """The checklists, if the artifact is what its JUnit file gives; one that is not says nothing."""
    path = layout.FAMILY_ARTIFACTS[Family.CONNECTOR_LIVE]
    digest = _digest(entry, path)
    if digest is None or verification_of(directory, path, stamp(entry.run_id)).problems:
        return _Items({}, {}, {}, "")
    made = directory.read(path, ConnectorCertification)
    if made.subject != plan.subject:
        return _Items({}, {}, {}, "")
    said = {
        connector: {item: ItemSaid(one.status, one.detail, one.remedy) for item, one in items.items()}
        for connector, items in made.connectors.items()
    }
    stated = {connector.name: connector.level for connector in made.scope if connector.level}
    return _Items(said, made.documents, stated, digest)


def _families(directory: SubjectDir, entry: EvidenceChainEntry) -> dict[Family, tuple[Outcome, Digest]]:
    found = {}
    for family in _ASKED_FOR:
        path = layout.FAMILY_ARTIFACTS[family]
        digest = _digest(entry, path)
        if digest is None:
            continue
        judged = verification_of(directory, path, stamp(entry.run_id))
        found[family] = (Outcome.CANT_TELL if judged.problems else judged.outcome, digest)
    return found


def _digest(entry: EvidenceChainEntry, path: str) -> Digest | None:
    return next((one.sha256 for one in entry.artifacts if one.path == path), None)


def _blocker(code: str, message: str, engine: str, release: str) -> Blocker:
    return Blocker(code=code, message=message, next_step=mend_chain(engine, release))
