"""Family -> who makes its evidence. Explicit on purpose: nothing is registered by import."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence.connector_scope import connector_systems
from certification_pipeline.families.benchmark.produce import benchmark
from certification_pipeline.families.calibration.produce import produce as take_calibration
from certification_pipeline.families.connector_live.produce import produce as produce_connectors
from certification_pipeline.families.dbt_lineage import produce as dbt_lineage
from certification_pipeline.families.openlineage.export import produce as export_lineage
from certification_pipeline.families.replay.produce import REPLAY
from certification_pipeline.families.work import Producer

PRODUCERS: Mapping[Family, Producer] = MappingProxyType(
    {
        Family.BENCHMARK: benchmark(),
        Family.REPLAY: REPLAY,
        Family.DBT_LINEAGE: Producer(systems=dbt_lineage.systems, produce=dbt_lineage.produce),
        Family.OPENLINEAGE: Producer(systems=lambda _: (), produce=export_lineage),
        Family.CONNECTOR_LIVE: Producer(connector_systems, produce_connectors),
        Family.CALIBRATION: Producer(systems=lambda _: (), produce=take_calibration),
    }
)
"""In the order in which they are made: what is measured comes first, what only reads files last."""
