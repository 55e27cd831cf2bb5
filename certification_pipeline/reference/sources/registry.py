"""Which source serves which system; each is imported when it is first needed."""

from __future__ import annotations

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import Load
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.record import Ledger
from certification_pipeline.reference.sources.base import Source
from certification_pipeline.reference.sources.capability import Capability


def capabilities_of(system: str) -> frozenset[Capability]:
    """How tables of that system can be read; :class:`LoadError` ``unsupported`` for one that is not known."""
    match system:
        case "postgres":
            from certification_pipeline.reference.sources.postgres import PostgresSource  # noqa: PLC0415

            return PostgresSource.capabilities
        case "api":
            from certification_pipeline.reference.sources.api import ApiSource  # noqa: PLC0415

            return ApiSource.capabilities
    raise LoadError(FailureCategory.UNSUPPORTED, f"no source for system {system!r}")


def open_source(load: Load, ledger: Ledger, defect: Defect | None = None) -> Source:
    """The source of that load. Retries that it makes by itself go into the ledger."""
    if load.source.system == "api":
        from certification_pipeline.reference.sources.api import ApiSource  # noqa: PLC0415

        return ApiSource(load, ledger, defect)
    from certification_pipeline.reference.sources.postgres import PostgresSource  # noqa: PLC0415

    return PostgresSource(load.source, defect)
