"""A release published, and what is published held to its evidence: ``certify publish-pages``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.published import PublishedRecord
from certification_pipeline.evidence.seal.keys import PublicKey, Signer
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.verification import provenance_of
from certification_pipeline.report.current_badges import refuse_unsigned
from certification_pipeline.report.matrix_rows import good_until
from certification_pipeline.report.published import read_published
from certification_pipeline.report.published_order import newer_releases, refuse_superseded
from certification_pipeline.report.published_pages import differences_from_evidence, publish_record
from certification_pipeline.report.published_seal import refuse_other_key


def publish_release(
    root: Path,
    store: EvidenceStore,
    release_id: str,
    engines: Sequence[str],
    *,
    signer: Signer | None,
    keys: Collection[PublicKey] = (),
    trusted: tuple[PublicKey, ...] = (),
) -> list[Path]:
    """Records of these engines of the release, or of none of them; returns where they lie.

    ``signer``, or else one of ``keys``, must have signed the release. ``trusted``: whose attestations count.
    Raises ``EvidenceError`` for a release that is not verified, not the newest, or not signed as asked.
    """
    refuse_other_key(root, signer)
    must = (signer.public_key,) if signer else tuple(keys)
    records = []
    for engine in engines:
        refuse_superseded(store, release_id, engine)
        if must:
            refuse_unsigned(store, release_id, engine, must)
        records.append(read_published(store, release_id, engine, stamp(str(uuid4())), trusted=trusted))
    return [publish_record(root, record, signer) for record in records]


def expired(records: Sequence[PublishedRecord]) -> Iterator[str]:
    """As sentences, and no problem of what is published: no commit could mend what passing time turns red."""
    for record in records:
        until = good_until(record)
        if until is not None and until <= utc_now():
            yield f"{record.subject.engine}: its evidence expired on {until.date()}: certify again"


def against_evidence(
    records: Sequence[PublishedRecord],
    store: EvidenceStore,
    trusted: tuple[PublicKey, ...],
    tell: Callable[[str], None],
) -> Iterator[str]:
    """What is wrong with records whose evidence is in ``store``: each is made again, as of its own time.

    ``tell`` is given those whose evidence lies elsewhere.
    """
    for record in records:
        engine, release = record.subject.engine, record.release_id
        shown = f"docs/published/{engine}.json"
        if engine not in store.engines(release):
            tell(f"{engine}: the evidence of release {release} is not in {store.root}")
            continue
        try:
            now = read_published(store, release, engine, provenance_of(record), trusted=trusted)
            newer = tuple(newer_releases(store, release, engine))
        except EvidenceError as error:
            yield f"{engine}: {error}"
            continue
        if fields := ", ".join(differences_from_evidence(record, now)):
            yield f"{shown}: its evidence shows another {fields}"
        if newer:
            yield f"{shown}: is of release {release}, and {newer[-1]} was sealed after it"
