"""All that one cell needs from outside: claims, endpoints, a place to work, an engine, the judge.

Put together by the workshop; the bench asks it for load requests and for what the oracle must know.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from certification_pipeline.catalog.claims import Claim, RouteClaims, TypeRule
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.vocabulary import Disturbable, DriftBehaviour, Side
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.harness.engines.protocol import ColumnSpec, DataObject, Load, LoadOptions
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.oracle.oracle import Oracle, Semantics
from certification_pipeline.harness.services.provider import Instance
from certification_pipeline.harness.workload.spec import TableSpec


@dataclass(frozen=True)
class Station:
    """See the module docstring."""

    planned: PlannedCell
    engine: Engine
    claims: RouteClaims
    claim: Claim
    types: dict[str, TypeRule]
    source_dsn: str = field(repr=False)
    sink_dsn: str = field(repr=False)
    namespace: str
    work_dir: Path
    oracle: Oracle
    session: Callable[[], EngineSession]
    mask: Callable[[str], bool]
    """Register a secret that a scenario makes up: masked from then on, and told apart in what engines say."""
    on_step: Callable[[str], None]
    earlier: Callable[[], EngineSession] | None = None
    """A new process of the engine's previous release. Raises ``EngineUnavailable`` and ``EngineError``."""
    quiet: AbstractContextManager[object] = field(default_factory=nullcontext)
    """Reentrant, one for all cells: held while a transaction is left open at the source, and by loads that
    wait for open transactions to end. A cell must not wait for another one's."""
    sink_namespace: str | None = None
    """Where the sink's is not the source's: both are then in one database."""
    services: Mapping[Side, Instance] = field(default_factory=dict)
    """Behind both ends."""
    dressed: Callable[[Mapping[str, str]], EngineSession] | None = None
    """As ``session``: a process of its own, with more variables in its environment."""
    own: frozenset[Side] = frozenset()
    """The sides whose service no other cell uses: :meth:`Workshop.apart`."""
    disturbable: Mapping[Side, Collection[Disturbable]] = field(default_factory=dict)
    """How faults can get at each end."""
    limits: Mapping[str, float] = field(default_factory=dict)
    """The scenario's, see the catalogue."""
    another: Callable[[], EngineSession] | None = None
    """A process of the engine besides the one of ``session``, new each time; the caller closes it."""

    @contextmanager
    def another_session(self) -> Iterator[EngineSession]:
        """A second process of the engine, for as long as the block."""
        if self.another is None:
            raise LookupError("nobody said how this station gets a second process of the engine")
        with closing(self.another()) as session:
            session.describe()
            yield session

    def afresh(self, number: int) -> Station:
        """A corner of the same cell with tables, files and a working folder of its own; cleaned with it."""
        namespace = f"{self.namespace}_{number}"
        return replace(
            self,
            namespace=namespace,
            sink_namespace=self.sink_namespace and self.sink_namespace.replace(self.namespace, namespace),
            # A database file is named after the namespace; no other address holds it.
            sink_dsn=self.sink_dsn.replace(self.namespace, namespace),
            work_dir=self.work_dir / str(number),
        )

    def request(self, spec: TableSpec, table: str, options: LoadOptions, state_dir: Path) -> Load:
        """The next load of that table, as its columns are now."""
        key = self.planned.key
        beside = self.sink_namespace or self.namespace
        return Load(
            run_id=str(uuid4()),
            source=DataObject(system=key.source, dsn=self.source_dsn, namespace=self.namespace, name=table),
            sink=DataObject(
                system=key.sink,
                dsn=self.sink_dsn,
                namespace="" if key.sink == "sqlite" else beside,
                name=table,
            ),
            columns=tuple(ColumnSpec(name=c.name, type=c.type, nullable=c.nullable) for c in spec.columns),
            primary_key=spec.primary_key,
            cursor=spec.cursor if spec.cursor in spec.column_names else None,
            strategy=key.strategy,
            options=options,
            state_dir=str(state_dir),
            manifest_path=f"catalog/engines/{key.engine}.yaml",
            selector=key.cell_id,
        )

    def semantics(self, options: LoadOptions, drift: DriftBehaviour | None) -> Semantics:
        """What the oracle must know of the engine's claims to say which rows are right."""
        return Semantics(
            strategy=self.planned.key.strategy,
            options=options,
            propagates_deletes=self.claim.propagates_deletes,
            propagates_updates=self.claim.propagates_updates,
            drift=drift,
            scd2_columns=self.engine.scd2_columns,
            added_columns=self.engine.added_columns,
        )
