"""What a run includes by default, and which of its cells it plans without running them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from certification_pipeline.catalog.entry import Entry
from certification_pipeline.catalog.vocabulary import Family

EVERY_ENGINE = "*"


class LeftOut(Entry):
    """Cells a profile plans but does not run: listed as untested with the reason, never dropped."""

    engine: str = Field(description="an engine's id; `*`: every engine but those of `but`")
    but: tuple[str, ...] = Field((), description="engines that an entry about every engine does not mean")
    routes: tuple[str, ...] = Field(("*",), description="fnmatch patterns over route ids")
    strategies: tuple[str, ...] = Field(("*",), description="fnmatch patterns over strategies")
    scenarios: tuple[str, ...] = Field(("*",), description="fnmatch patterns over scenario ids")
    when_asked: bool = Field(
        False, description="run them all the same when the run names scenarios, and theirs among them"
    )
    why: str

    def means(self, engine: str) -> bool:
        """Whether it is about that engine, given without a version."""
        return engine == self.engine or (self.engine == EVERY_ENGINE and engine not in self.but)


class Profile(Entry):
    """Which systems and engines a run includes by default."""

    id: str
    title: str
    seed_name: Literal["mock_contract", "mock_local", "vendor_live"]
    description: str
    systems: tuple[str, ...]
    engines: tuple[str, ...]
    rows: int = 10_000
    families: dict[Family, tuple[str, ...]] = Field(
        {}, description="evidence family -> engines it is made for; the matrix is made for all"
    )
    leaves_out: tuple[LeftOut, ...] = ()
