"""What was worked out of a chain entry, kept so that a ledger of years is not read from its cells every day.

It lies in the user's own cache, ``<cache>/levels/<engine>/<chain hash>.json.z``, never among the evidence:
whoever can change evidence must not be able to change what was made of it. It may be deleted at any time, is
made anew by another version of this package, and is never read by who verifies.
"""

from __future__ import annotations

import os
import zlib
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

VARIABLE = "CERTIFY_LEVELS_CACHE"

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
    """The kept facts of one engine; ``place`` is the cache's directory, by default the user's."""

    def __init__(self, engine: str, place: Path | None = None) -> None:
        place = cache_place() if place is None else place
        self._path = place / "levels" / safe_segment(engine, "engine name") if place else None

    def find(self, entry: EvidenceChainEntry) -> Said | None:
        """What is kept of that very entry by this very version, if it is ours and can be read."""
        if self._path is None:
            return None
        path = self._path / _name(entry)
        try:
            if path.lstat().st_uid != os.geteuid():
                return None
            data = read_no_follow(path, str(path), layout.LARGEST_CELL)
            found = FactsKept.model_validate_json(zlib.decompress(data))
        except (EvidenceError, OSError, ValidationError, zlib.error):
            return None
        same = (found.chain_hash, found.producer) == (entry.chain_hash, producer())
        return _said(found) if same else None

    def put(self, entry: EvidenceChainEntry, said: Said) -> None:
        """Keep it; a place that cannot be written is no reason to stop."""
        if self._path is not None:
            with suppress(EvidenceError):
                data = zlib.compress(_facts(entry, said).model_dump_json().encode(), 1)
                write_atomically(self._path / _name(entry), data)


def cache_place() -> Path | None:
    """``CERTIFY_LEVELS_CACHE`` (empty: keep nothing), ``CERTIFY_CACHE``, or the user's cache directory."""
    named = os.environ.get(VARIABLE, os.environ.get("CERTIFY_CACHE"))
    if named is not None:
        return Path(named).absolute() if named else None
    base = os.environ.get("XDG_CACHE_HOME") or (Path.home() / ".cache" if os.environ.get("HOME") else None)
    return Path(base).absolute() / "certification_pipeline" if base else None


def _name(entry: EvidenceChainEntry) -> str:
    return f"{entry.chain_hash.removeprefix('sha256:')}.json.z"


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
