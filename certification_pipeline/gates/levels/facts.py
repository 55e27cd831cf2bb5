"""What was worked out of a chain entry, kept so that a ledger of years is not read from its cells every day.

``<root>/cache/levels/<engine>/<chain hash>.json`` is no evidence: it may be deleted at any time, is written
anew by another version of this package, and is never read by who verifies.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from certification_pipeline.catalog.checklist import ChecklistItem
from certification_pipeline.catalog.vocabulary import Family, Fidelity, Outcome, ReasonCode
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Digest, Producer, Subject
from certification_pipeline.evidence.chain import EvidenceChainEntry
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.files import read_no_follow, safe_segment, write_atomically
from certification_pipeline.evidence.plan import Trigger
from certification_pipeline.evidence.provenance import producer
from certification_pipeline.gates.levels.history import Cell, Coordinates, ItemSaid, Note, Said

_Row = tuple[
    str, str, str, str, Outcome, int, int, bool, bool, Fidelity | None, ReasonCode | None, Digest | None
]
"""Coordinates, the rest of a cell, the digest of its file."""


class FactsKept(BaseModel):
    """One :class:`~certification_pipeline.gates.levels.history.Said`, as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    producer: Producer
    chain_hash: Digest
    release_id: str
    sequence: int
    at: AwareDatetime
    subject: Subject
    trigger: Trigger
    profile: str
    seed: int
    whole: bool
    rows: tuple[_Row, ...]
    notes: dict[int, tuple[str | None, str | None]]
    items: dict[str, dict[ChecklistItem, tuple[Outcome, str | None, str | None]]]
    items_sha256: str
    documents: dict[str, Digest]
    stated: dict[str, str]
    families: dict[Family, tuple[Outcome, Digest]]


class Kept:
    """The kept facts of one engine."""

    def __init__(self, root: Path, engine: str) -> None:
        self._path = root / "cache" / "levels" / safe_segment(engine, "engine name")

    def find(self, entry: EvidenceChainEntry) -> Said | None:
        """What is kept of that very entry by this very version, if anything can be read."""
        path = self._file(entry)
        try:
            found = FactsKept.model_validate_json(read_no_follow(path, str(path), layout.LARGEST_ARTIFACT))
        except (EvidenceError, ValidationError):
            return None
        same = (found.chain_hash, found.producer) == (entry.chain_hash, producer())
        return _said(found) if same else None

    def put(self, entry: EvidenceChainEntry, said: Said) -> None:
        """Keep it; a place that cannot be written is no reason to stop."""
        with suppress(EvidenceError):
            write_atomically(self._file(entry), _facts(entry, said).model_dump_json().encode())

    def _file(self, entry: EvidenceChainEntry) -> Path:
        return self._path / f"{entry.chain_hash.removeprefix('sha256:')}.json"


def _facts(entry: EvidenceChainEntry, said: Said) -> FactsKept:
    where = {cell.at: index for index, cell in enumerate(said.cells)}
    fields: dict[str, Any] = {
        name: getattr(said, name)
        for name in ("release_id", "sequence", "at", "subject", "trigger", "profile", "seed", "whole")
    }
    return FactsKept(
        **fields,
        producer=producer(),
        chain_hash=entry.chain_hash,
        rows=tuple(
            (*cell.at, *cell[1:], digest) for cell, digest in zip(said.cells, said.digests, strict=True)
        ),
        notes={where[at]: (note.detail, note.remedy) for at, note in said.notes.items()},
        items={name: {item: tuple(one) for item, one in items.items()} for name, items in said.items.items()},
        items_sha256=said.items_sha256,
        documents=dict(said.documents),
        stated=dict(said.stated),
        families=dict(said.families),
    )


def _said(facts: FactsKept) -> Said:
    cells = tuple(Cell(Coordinates(*row[:4]), *row[4:-1]) for row in facts.rows)
    return Said(
        release_id=facts.release_id,
        sequence=facts.sequence,
        at=facts.at,
        subject=facts.subject,
        trigger=facts.trigger,
        profile=facts.profile,
        seed=facts.seed,
        whole=facts.whole,
        cells=cells,
        digests=tuple(row[-1] for row in facts.rows),
        notes={cells[index].at: Note(*note) for index, note in facts.notes.items()},
        items={name: {i: ItemSaid(*one) for i, one in items.items()} for name, items in facts.items.items()},
        items_sha256=facts.items_sha256,
        documents=facts.documents,
        stated=facts.stated,
        families=facts.families,
    )
