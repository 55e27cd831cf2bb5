"""The reference engine under many names: one a planted defect, one a repetition of the clean engine.

To runner, services and oracle each is an engine of its own, with tables, files and a warm process of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.harness.engines.environment import PreparedEngine
from certification_pipeline.harness.workshop import DEFECT_VARIABLE, ReadyEngine


@dataclass(frozen=True)
class Variant:
    """A reference engine with one defect, or clean for the how-manieth time."""

    base: str
    defect: str | None
    repetition: int = 1

    @property
    def engine(self) -> str:
        """The name it runs under."""
        return f"{self.base}+{self.defect}" if self.defect else f"{self.base}~{self.repetition}"

    def cell(self, planned: PlannedCell) -> PlannedCell:
        """The reference engine's planned cell as one of this variant."""
        key: CellKey = planned.key.model_copy(update={"engine": self.engine})
        return planned.model_copy(update={"key": key})

    def prepared(self, reference: PreparedEngine) -> PreparedEngine:
        """How its process is started."""
        without = {name: value for name, value in reference.env.items() if name != DEFECT_VARIABLE}
        env = {**without, DEFECT_VARIABLE: self.defect} if self.defect else without
        return replace(reference, env=env)


def catalog_with(catalog: Catalog, variants: Iterable[Variant]) -> Catalog:
    """The catalogue in which each variant claims what its engine claims."""
    more = {v.engine: catalog.engine(v.base).model_copy(update={"id": v.engine}) for v in variants}
    return catalog.model_copy(update={"engines": {**catalog.engines, **more}})


def engines_of(ready: Mapping[str, ReadyEngine], variants: Iterable[Variant]) -> dict[str, ReadyEngine]:
    """Engine name -> how it is started."""
    return {
        v.engine: ReadyEngine(v.prepared(ready[v.base].prepared), ready[v.base].described) for v in variants
    }
