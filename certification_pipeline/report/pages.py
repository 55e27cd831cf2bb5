"""Every page of a release for people: the report, engines side by side, crash lines."""

from __future__ import annotations

from pathlib import Path

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.evidence.seal.keys import Signer
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.attested_pages import ReleaseDir
from certification_pipeline.gates.seal import seal_pages
from certification_pipeline.report.comparison import write_comparison
from certification_pipeline.report.crash_text import write_crash_lines
from certification_pipeline.report.html import write_html
from certification_pipeline.report.release import ReleaseView


def write_pages(
    release: ReleaseView,
    catalog: Catalog,
    store: EvidenceStore,
    report: Path,
    *,
    signer: Signer | None = None,
) -> None:
    """Write the report where it is wanted, the rest into the release, and seal what lies there.

    Raises ``EvidenceError``.
    """
    write_html(release, catalog, report)
    write_comparison(release, store)
    write_crash_lines(release, store)
    seal_pages(ReleaseDir.of(store, release.release_id), signer)
