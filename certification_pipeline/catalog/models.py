"""WHAT is certified, as data: systems, engines, scenarios, profiles, level policies.

The YAML under ``catalog/data`` is validated into these models; nothing here runs anything.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue

from certification_pipeline.catalog.delivery import DeliveryTable
from certification_pipeline.catalog.entry import Entry
from certification_pipeline.catalog.vocabulary import (
    Disturbable,
    DriftBehaviour,
    DriftKind,
    Family,
    Guarantee,
    LateRows,
    OnPositionLost,
    OnTruncate,
    ReplayKind,
    Side,
    SourceFeature,
    Strategy,
    Support,
)

EVERY_ENGINE = "*"
VERSION_MARK = "=="
"""Between an engine's id and a version of it: ``dlt==1.30.0``."""


def unversioned(engine_id: str) -> str:
    """``dlt`` of ``dlt==1.30.0`` and of ``dlt``."""
    return engine_id.partition(VERSION_MARK)[0]


class Capability(Entry):
    """Something a claim may need of a server beyond its being there; measured when the server starts."""

    end: Side = Field(description="at which end of a route it is needed")
    remedy: str = Field(description="how to get it")


class System(Entry):
    """A kind of service: PostgreSQL, DuckDB, Kafka …"""

    id: str
    title: str
    kinds: tuple[str, ...] = Field((), description="Dagster kind tags, for icons")
    remedy: str = Field(description="how to make it reachable, e.g. which DSN variable to set")
    source: tuple[SourceFeature, ...] | None = Field(
        None, description="what it offers as a source; nothing said: no table can be seeded there yet"
    )
    disturbable: tuple[Disturbable, ...] = Field((), description="how faults can get at it from outside")
    capabilities: dict[str, Capability] = Field(
        {}, description="what a claim may need of a server beyond being there"
    )


class Delivers(Entry):
    """Which ends of the engine's delivery table a claim is about."""

    source: str
    sink: str


class Delivery(Entry):
    """The document that states an engine's guarantees, and the durability profile it is configured to."""

    table: str
    profile: str


class Claim(Entry):
    """What an engine declares for one strategy on one route."""

    support: Support
    guarantee: Guarantee | None = Field(None, description="delivery guarantee the vendor documents")
    source_url: str | None = Field(None, description="where the vendor says so")
    note: str | None = None
    cursor_nulls: Literal["include", "exclude"] = "include"
    """What the strategy, as configured by the driver, does with NULL cursors."""
    propagates_deletes: bool | None = None
    """Where vendors differ (e.g. merge): overrides the strategy's default in the reference model."""
    delivers: Delivers | None = Field(None, description="the row of the delivery table it claims")
    needs: tuple[str, ...] = Field(
        (), description="capabilities of the services at either end, as measured when they start"
    )
    two_phase: bool = Field(
        False, description="a load is prepared, decided and committed: rec.two_phase_commit applies"
    )
    propagates_updates: bool | None = None
    """``False`` under incremental_merge: a key that is there already is left as it is (insert-only)."""
    visibility: Literal["atomic"] | None = Field(
        None,
        description="`atomic`: documented that a reader sees the old table or the new one, never a third",
    )
    late: LateRows | None = Field(None, description="of cursor strategies: what becomes of late rows")
    truncates: OnTruncate = Field(OnTruncate.APPLIED, description="of log strategies")
    position_lost: OnPositionLost = Field(OnPositionLost.STOPS, description="of log strategies")
    drift: dict[DriftKind, DriftBehaviour] = Field(
        {}, description="where this strategy treats a drift unlike the route's `drift` says"
    )
    replay: dict[ReplayKind, Support] = Field(
        {}, description="what of an earlier run it can do again; nothing said: no replay is claimed"
    )


class TypeRule(Entry):
    """How one logical type may look in a sink: permitted physical types and the declared loss."""

    physical: tuple[str, ...] = Field((), description="lower-case type names as the sink reports them")
    loss: tuple[str, ...] = Field((), description="names of losses known to the oracle, e.g. nan_to_null")
    source_url: str | None = None


class RouteClaims(Entry):
    """All an engine declares about one source -> sink pair."""

    source: str
    sink: str
    strategies: dict[Strategy, Claim]
    drift: dict[DriftKind, DriftBehaviour] = Field(
        {}, description="for every strategy that says nothing else"
    )
    types: dict[str, TypeRule] = Field({}, description="logical type -> deviation from the system's default")
    tries: int | None = Field(
        None, ge=1, description="how often it asks for one page before it gives up, as documented"
    )
    same_database: bool = Field(
        False, description="it works inside one database: the sink is another schema beside the source's"
    )

    def drift_behaviour(self, strategy: Strategy, kind: DriftKind) -> DriftBehaviour | None:
        """What is declared for that drift under that strategy: the claim's own word, else the route's."""
        claim = self.strategies.get(strategy)
        own = claim.drift.get(kind) if claim else None
        return own or self.drift.get(kind)


class DriverSpec(Entry):
    """How the engine is started: a command, or a script with an environment of its own."""

    command: tuple[str, ...] = ()
    script: str | None = Field(None, description="path relative to the engine's folder; PEP 723")
    lock: str | None = Field(
        None, description="hash-pinned requirements for the script; none: it may use Python alone"
    )
    folder: str | None = Field(
        None,
        description="of this package's drivers, where several engines share one; default the engine's own",
    )
    config: dict[str, JsonValue] = Field(
        {}, description="what the driver is told to be: in CERTIFY_ENGINE_CONFIG, as JSON"
    )
    environments: dict[str, str] = Field(
        {}, description="name -> lock file of a program it starts: CERTIFY_ENV_<NAME> is the directory"
    )
    distribution: str | None = Field(
        None, description="the package in `lock` that is the engine; default the engine's id"
    )
    version: str | None = Field(
        None,
        exclude=True,
        description="of `distribution`, in place of the one that is locked; see `Engine.pinned`",
    )
    program_variable: str | None = Field(
        None, description="an environment variable that may name another program to run as the engine"
    )
    home: Path | None = Field(
        None, exclude=True, description="the folder of an engine outside this package; set when it is loaded"
    )


class Engine(Entry):
    """A system under test."""

    id: str
    title: str
    description: str
    homepage: str | None = None
    license: str | None = None
    kinds: tuple[str, ...] = ()
    driver: DriverSpec
    routes: tuple[RouteClaims, ...]
    delivery: Delivery | None = Field(None, description="where its guarantees are declared as a table")
    scd2_columns: tuple[str, str] = Field(
        ("valid_from", "valid_to"), description="validity columns the engine adds for scd2"
    )
    added_columns: tuple[str, ...] = Field((), description="fnmatch patterns of columns it adds by design")
    prepared_files: tuple[str, ...] = Field(
        (),
        description="fnmatch patterns of what it keeps in a sink of files until a two-phase commit ends",
    )
    previous: str | None = Field(
        None, description="the release before the one that is locked: its state must be taken over"
    )
    reports: tuple[str, ...] = Field((), description="run record fields the engine claims to expose")

    def pinned(self, version: str) -> Engine:
        """In that version it is an engine of its own, ``dlt==1.30.0``, that claims the same."""
        name = f"{self.id}{VERSION_MARK}{version}"
        driver = self.driver.model_copy(
            update={
                "version": version,
                "folder": self.driver.folder or (None if self.driver.home else self.id),
                "distribution": self.driver.distribution or self.id,
            }
        )
        return self.model_copy(
            update={
                "id": name,
                "title": f"{self.title}{VERSION_MARK}{version}",
                "driver": driver,
                "previous": None,  # which one that was, nobody has said
            }
        )

    def route(self, source: str, sink: str) -> RouteClaims | None:
        """Its claims about that pair, or ``None``."""
        for claims in self.routes:
            if (claims.source, claims.sink) == (source, sink):
                return claims
        return None


class Scenario(Entry):
    """A workload x a disruption with a pass criterion; one page a stranger can read."""

    id: str
    version: int = Field(ge=1)
    history: dict[int, str] = Field(
        {}, description="release notes: what each version from 2 on asks that the one before did not"
    )
    title: str
    purpose: str
    method: str
    passes_when: str
    remedy: str = Field(description="where to look when it is red")
    strategies: tuple[Strategy, ...] = Field(description="the strategies it makes sense for")
    sources: tuple[str, ...] = Field(
        (), description="the systems it is about, where it says nothing about any other source"
    )
    rows: Literal["default", "small", "none", "large"] = Field(
        "small", description="the run's row count, at most 300, no rows, or ten times the run's row count"
    )
    requires_drift: DriftKind | None = None
    requires_two_phase: bool = Field(False, description="it applies to claims with `two_phase` alone")
    requires_visibility: Literal["atomic"] | None = Field(
        None, description="what the engine must promise about a reader beside the load"
    )
    requires_previous: bool = Field(False, description="it applies to engines with a `previous` alone")
    requires: tuple[Literal["late"], ...] = Field(
        (), description="what the engine must have declared for the strategy"
    )
    needs: tuple[SourceFeature, ...] = Field((), description="what it disturbs at the source")
    disturbs: dict[Side, tuple[Disturbable, ...]] = Field(
        {}, description="what its faults get at, each side by any one of these ways"
    )
    faults: tuple[str, ...] = Field((), description="what it does to loads on purpose, by the faults' names")
    limits: dict[str, float] = Field(
        {}, description="figures of its criterion that were decided, not measured; the unit is in the name"
    )
    proves: Literal["experimental", "beta", "production"]


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


class MatrixPairs(Entry):
    """The seeds' source -> sink matrix: pairs x strategies, with the exclusions that give 237."""

    sources: tuple[str, ...]
    sinks: tuple[str, ...]
    strategies: dict[Strategy, MatrixRule]

    def cases(self) -> tuple[tuple[str, str, Strategy], ...]:
        """Every (source, sink, strategy) of the matrix, in the order it is written down."""
        return tuple(
            (source, sink, strategy)
            for source in self.sources
            for sink in self.sinks
            for strategy, rule in self.strategies.items()
            if source in (self.sources if rule.sources is None else rule.sources)
            and sink not in rule.not_sinks
        )


class MatrixRule(Entry):
    """Which pairs a strategy applies to."""

    sources: tuple[str, ...] | None = None
    not_sinks: tuple[str, ...] = ()


class Requirement(Entry):
    """One line of a level policy: what it says and what proves it."""

    id: str
    text: str = Field(description="verbatim from the seed document")
    scenarios: tuple[str, ...] = Field((), description="scenario ids or fnmatch patterns that prove it")
    documents: tuple[str, ...] = Field((), description="repository documents that prove it")
    checks: tuple[str, ...] = Field((), description="names of checks outside the matrix, e.g. live.smoke")


class LevelSpec(Entry):
    """One level of a policy, lowest first."""

    id: str
    title: str
    requirements: tuple[Requirement, ...]


class CheckSpec(Entry):
    """Something outside the matrix that proves a requirement: what it is and how to get it."""

    title: str
    passes_when: str
    remedy: str


class LevelPolicy(Entry):
    """How levels are granted (seed 000, seed 001)."""

    id: str
    title: str
    source: str
    checks: dict[str, CheckSpec] = Field({}, description="every name that requirements use under `checks`")
    levels: tuple[LevelSpec, ...]


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
        """That engine, or that version of it (``dlt==1.30.0``). Raises ``KeyError``."""
        base, mark, version = name.partition(VERSION_MARK)
        found = self.engines[base]
        return found.pinned(version) if mark else found


MatrixPairs.model_rebuild()
Catalog.model_rebuild()
