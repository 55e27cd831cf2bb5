"""Which plans a run has sealed, by its own record: a plan's file names the run that sealed it first."""

from __future__ import annotations

from typing import NamedTuple

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from certification_pipeline.orchestration.names import DIGESTS, PLAN, RELEASE


class Sealed(NamedTuple):
    """The release, and the digests of its engines' plans."""

    release: str
    digests: frozenset[str]


def sealed_in(instance: dg.DagsterInstance, run_id: str) -> Sealed | None:
    """The plans that a run says it has sealed; ``None``: it has not, or not yet."""
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION):
        made = (
            record.dagster_event.step_materialization_data.materialization if record.dagster_event else None
        )
        if made is not None and made.asset_key == PLAN:
            release = made.metadata.get(RELEASE)
            digests = (made.tags or {}).get(DATA_VERSION_TAG, "").split(DIGESTS)
            return Sealed(str(release.value) if release else "", frozenset(digests))
    return None
