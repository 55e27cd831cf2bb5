"""The badges of an engine as of now: of its evidence, or of the fact that it cannot be believed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.seal.keys import PublicKey
from certification_pipeline.evidence.store import EvidenceStore
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
) -> tuple[Badge, ...]:
    """Verified now; when that fails, every badge that lies in ``out`` turns red with the reason."""
    try:
        record = read_published(store, release_id, engine, decided, trusted=trusted)
        return badges(record, decided.created_at)
    except EvidenceError as error:
        return refused(engine, str(error), dict.fromkeys((RELEASE, *badge_names(out, engine))))
