"""The work on one target: load, judge, build; change, load, judge, build; catalog; count beside dbt."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import psycopg
from psycopg.conninfo import conninfo_to_dict

from certification_pipeline.catalog.vocabulary import Outcome, Strategy
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.cell import CellKey, CheckJudgement, ServiceUse
from certification_pipeline.evidence.dbt.assess import required_roles
from certification_pipeline.evidence.dbt.decision import SOURCE
from certification_pipeline.evidence.dbt_lineage import DBT_FOLDER, DbtCommand, DbtFile, DbtTarget
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.families.dbt_lineage.process import DbtProcess, Interrupted
from certification_pipeline.families.dbt_lineage.truth import STEP, Database, Landed
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.shop import Workshop, namespace_of, sink_dsn

ROWS = 300
SCENARIO = "family.dbt_lineage"
WORKLOAD = "standard"

_SECRET = "DBT_ENV_SECRET_{}_PASSWORD"  # noqa: S105 - a variable's name; dbt masks values of such variables
_PASSED_ON = ("sslmode", "sslcert", "sslkey", "sslrootcert")
_FIRST = {"run_results.json": "first_run_results.json"}
_LAST = {"manifest.json": "manifest.json", "run_results.json": "run_results.json"}


def planned_cell(plan: CertificationPlan, target: str, strategy: Strategy) -> PlannedCell:
    """The load dbt builds on: a cell like any other, and of this family alone."""
    key = CellKey(
        engine=plan.subject.engine, source=SOURCE, sink=target, strategy=strategy, scenario=SCENARIO
    )
    return PlannedCell(
        key=key, scenario_version=1, rows=ROWS, seed=plan.seed, required=True, disposition="run"
    )


def profile_of(shop: Workshop, key: CellKey) -> tuple[dict[str, object], dict[str, str]]:
    """dbt's connection profile for the cell's sink, and the variables that hold its secrets."""
    namespace = namespace_of(key)
    dsn = sink_dsn(shop.services[key.sink], namespace)
    if key.sink == "duckdb":
        return {"type": "duckdb", "path": dsn, "schema": namespace, "threads": 1}, {}
    parts = conninfo_to_dict(dsn)
    secret = _SECRET.format(key.sink.upper())
    profile: dict[str, object] = {
        "type": "postgres",
        "host": parts.get("host") or parts.get("hostaddr") or "localhost",
        "port": int(str(parts.get("port") or 5432)),
        "user": parts.get("user") or os.environ.get("USER", "postgres"),
        "password": f"{{{{ env_var('{secret}', '') }}}}",
        "dbname": parts.get("dbname") or parts.get("user"),
        "schema": namespace,
        "threads": 1,
        **{name: parts[name] for name in _PASSED_ON if name in parts},
    }
    return profile, {secret: str(parts.get("password") or "")}


@dataclass
class OnTarget:
    """One target; :meth:`work` leaves dbt's files in ``keep`` and says what was seen."""

    shop: Workshop
    planned: PlannedCell
    bench: Bench
    dbt: DbtProcess
    project: Path
    profiles: Path
    folder: Path
    keep: Path
    tell: Callable[[str], None]
    commands: list[DbtCommand] = field(default_factory=list)
    checks: list[CheckJudgement] = field(default_factory=list)

    @property
    def target(self) -> str:
        """The system's name, which is the profile's target and the adapter's type."""
        return self.planned.key.sink

    def work(self) -> DbtTarget:
        """Do it; whatever breaks is in what is returned. Raises ``Interrupted``."""
        self.folder.mkdir(parents=True)
        self.keep.mkdir(parents=True)
        # Half of a first build is parsing, which needs nothing of the load.
        self.dbt.ahead(("parse",), self._options())
        try:
            if self._load("load 1") and self._started():
                before = self._landed()
                self._dbt(("build",), _FIRST)
                self.bench.change()
                if self._load("change round, load 2"):
                    after = self._landed()
                    self._dbt(("build",), _LAST)
                    self._dbt(("docs", "generate", "--no-compile"), {"catalog.json": "catalog.json"})
                    self._count(before, after)
        except Halt:
            pass  # judged already
        return self._seen()

    def _load(self, text: str) -> bool:
        if self.shop.cancel.is_set():
            raise Interrupted
        self.tell(f"{self.target}: {text}")
        if not self.bench.loads:
            self.bench.seed(WORKLOAD, rows=ROWS)
        self.bench.load_and_judge()
        return self.bench.judgements[-1].outcome is Outcome.PASSED

    def _started(self) -> bool:
        ready = self.dbt.ready()
        if not ready.ended:
            self.commands.append(ready)
        return ready.ended

    def _landed(self) -> Landed:
        return self._database().landed(WORKLOAD)

    def _database(self) -> Database:
        view = self.bench.sink_view()
        return Database(view.system, view.dsn, view.namespace)

    def _dbt(self, command: tuple[str, ...], keep: Mapping[str, str]) -> None:
        self.tell(
            f"{self.target}: dbt {command[0]} {sum(c.command == command[0] for c in self.commands) + 1}"
        )
        kept = {name: self.keep / to for name, to in keep.items()}
        self.commands.append(self.dbt.invoke(command, self._options(), self.folder, kept))

    def _options(self) -> tuple[str, ...]:
        return (
            *("--project-dir", str(self.project), "--profiles-dir", str(self.profiles)),
            *("--target", self.target, "--target-path", str(self.folder), "--log-path", str(self.folder)),
            *("--vars", json.dumps({"landing_schema": self.bench.station.namespace})),
            *("--no-use-colors", "--no-version-check", "--log-level-file", "none"),
        )

    def _count(self, before: Landed, after: Landed) -> None:
        try:
            self.checks += self._database().check(before, after)
        except (duckdb.Error, psycopg.Error, TypeError) as error:
            # A model that was not built cannot be counted; which one, is told by what dbt reports.
            said = self.shop.redactor.redact_text(" ".join(str(error).split()))[:300]
            self.checks.append(CheckJudgement(step=STEP, name="countable", expected="yes", observed=said))

    def _seen(self) -> DbtTarget:
        key = self.planned.key
        return DbtTarget(
            target=self.target,
            adapter=None,
            dbt_version=None,
            services=self._services(),
            loads=tuple(self.bench.loads),
            judgements=(*self.bench.judgements, *self.checks),
            commands=tuple(self.commands),
            files=tuple(
                DbtFile(role=role, path=f"{DBT_FOLDER}/{key.sink}/{role}.json", sha256=self._digest(role))
                for role in required_roles("executed")
            ),
            outcome=Outcome.UNTESTED,
        )

    def _services(self) -> tuple[ServiceUse, ...]:
        return self.shop.services_of(self.planned.key)

    def _digest(self, role: str) -> str | None:
        path = self.keep / f"{role}.json"
        return sha256(path.read_bytes()) if path.is_file() else None
