"""The whole catalogue: WHAT is certified, as data.

The YAML under ``catalog/data`` is validated into these models; nothing here runs anything.
"""

from __future__ import annotations

from pydantic import Field

from certification_pipeline.catalog.claims import TypeRule
from certification_pipeline.catalog.delivery import DeliveryTable
from certification_pipeline.catalog.engines import VERSION_MARK, Engine
from certification_pipeline.catalog.entry import Entry
from certification_pipeline.catalog.matrix import MatrixPairs
from certification_pipeline.catalog.policies import LevelPolicy
from certification_pipeline.catalog.profiles import Profile
from certification_pipeline.catalog.scenarios import Scenario
from certification_pipeline.catalog.systems import System


class Catalog(Entry):
    """Everything under ``catalog/data``."""

    systems: dict[str, System]
    engines: dict[str, Engine]
    scenarios: dict[str, Scenario]
    profiles: dict[str, Profile]
    matrix: MatrixPairs
    types: dict[str, dict[str, TypeRule]] = Field(description="system -> logical type -> default rule")
    policies: dict[str, LevelPolicy]
    guarantees: dict[str, DeliveryTable] = Field({}, description="documents' tables of delivery guarantees")

    def engine(self, name: str) -> Engine:
        """That engine, or that version of it (``dlt==1.30.0``). Raises ``KeyError``.

        Of several versions the last counts: ``dlt==1.31.0==1.30.0`` is what came before ``dlt==1.31.0``.
        """
        base, *versions = name.split(VERSION_MARK)
        found = self.engines[base]
        return found.pinned(versions[-1]) if versions else found
