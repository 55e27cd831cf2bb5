"""The badges of an engine as of now: of its evidence, or of the fact that it cannot be believed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.seal.keys import PublicKey
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.chain import verify
from certification_pipeline.gates.seal_check import WHOSE, check_decisions, check_seal
from certification_pipeline.report.badge_files import badge_names
from certification_pipeline.report.badges import RELEASE, Badge, badges, refused
from certification_pipeline.report.published import read_published


def current_badges(
    store: EvidenceStore,
    release_id: str,
    engine: str,
    out: Path,
    decided: Provenance,
    *,
    trusted: Collection[PublicKey] = (),
    signed_by: Sequence[PublicKey] = (),
) -> tuple[Badge, ...]:
    """Verified now; when that fails, every badge that lies in ``out`` turns red with the reason.

    ``signed_by``: one of these keys must have signed the release's statements and its chain's checkpoint.
    """
    try:
        if signed_by:
            refuse_unsigned(store, release_id, engine, signed_by)
        record = read_published(store, release_id, engine, decided, trusted=trusted)
        return badges(record, decided.created_at)
    except EvidenceError as error:
        return refused(engine, str(error), dict.fromkeys((RELEASE, *badge_names(out, engine))))


def refuse_unsigned(store: EvidenceStore, release_id: str, engine: str, keys: Sequence[PublicKey]) -> None:
    """Raises ``EvidenceError`` for the first thing that none of the keys signed, or signed otherwise."""
    directory = store.release(release_id, engine)
    problems = [*check_seal(directory, keys), *check_decisions(directory, keys)]
    if problems:
        first = problems[0]
        raise EvidenceError(first.path, first.field, first.problem, first.remedy, first.kind)
    chained = verify(store, engine, keys=keys, release_id=release_id)
    if chained.problems:
        raise EvidenceError(chained.problems[0].path, None, chained.problems[0].message, WHOSE)
