"""Talks with an engine where nothing answers it: no service, no other connector's packages.

Raw on purpose: what the engine writes is looked at before any redaction of ours.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from pydantic import ValidationError

from certification_pipeline.catalog.claims import RouteClaims
from certification_pipeline.catalog.vocabulary import Strategy, Support
from certification_pipeline.evidence.connectors import Connector
from certification_pipeline.families.connector_live.context import Context
from certification_pipeline.families.connector_live.packages import allowed, blocked
from certification_pipeline.harness.engines.protocol import (
    ColumnSpec,
    DataObject,
    Describe,
    Described,
    Error,
    Load,
    Result,
    Stop,
    parse_event,
)
from certification_pipeline.harness.workload.spec import LogicalType

_NOWHERE = "127.0.0.1:1"
"""Port 1 (tcpmux) is refused at once on any machine without an inetd from the eighties."""
_SECONDS = 60.0
_BLOCK = """
import os, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in os.environ["CERTIFY_BLOCKED"].split(","):
            raise ModuleNotFoundError(f"No module named {name!r}: blocked, not of this connector", name=name)
sys.meta_path.insert(0, Blocked())
"""


@dataclass(frozen=True)
class Said:
    """How one load without any service ended, and every byte the engine wrote meanwhile."""

    described: Described | None
    answers: tuple[Result | Error, ...]
    raw: str = field(repr=False)
    exit_code: int | None = None


class Probes:
    """Two conversations a connector, held in the background while other tests wait for a database."""

    def __init__(self, context: Context, folder: Path) -> None:
        self.context = context
        self.folder = folder
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(_BLOCK)
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="probe")
        self._offline = {c.name: self._pool.submit(self._talk, self.loads(c), {}) for c in context.connectors}
        self._isolated = {
            c.name: self._pool.submit(self._talk, self.loads(c), self.blocks(c)) for c in context.connectors
        }

    def offline(self, connector: Connector) -> Said:
        """The engine as it is, where nothing answers."""
        return self._offline[connector.name].result()

    def isolated(self, connector: Connector) -> Said:
        """The same with packages of other connectors blocked."""
        return self._isolated[connector.name].result()

    def close(self) -> None:
        """Begin no conversation any more."""
        self._pool.shutdown(cancel_futures=True)

    @staticmethod
    def canary(connector: Connector) -> str:
        """A password that is nobody's, told apart by connector."""
        return f"canary-{connector.name.replace('/', '-')}-5c1e7"

    def loads(self, connector: Connector) -> list[Load]:
        """One load for each role, where nothing answers; the canary is in the connector's own DSN."""
        made = []
        for role in connector.roles:
            route = self._route(connector, role)
            secret = {role: f":{self.canary(connector)}"}
            made.append(
                Load(
                    run_id=str(uuid4()),
                    source=self._end(route.source, "source", secret.get("source", "")),
                    sink=self._end(route.sink, "sink", secret.get("sink", "")),
                    columns=(ColumnSpec(name="id", type=LogicalType.INT64, nullable=False),),
                    primary_key=("id",),
                    strategy=_strategy(route),
                    state_dir=str(self._fresh("state")),
                )
            )
        return made

    def blocks(self, connector: Connector) -> Mapping[str, str]:
        """Variables that keep packages of other connectors from a Python process."""
        site = self.folder / "site"
        ours = self.context.env.get("PYTHONPATH", "")
        return {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(site), ours))),
            "CERTIFY_BLOCKED": ",".join(sorted(blocked(self.context.engine, connector.system))),
        }

    def python(self, connector: Connector, statement: str) -> int:
        """Exit code of a statement in the engine's own interpreter, under the same block."""
        command = [self.context.command[0], "-c", statement]
        environment = {**self.context.env, **self.blocks(connector)}
        return subprocess.run(
            command, env=environment, cwd=self.folder, capture_output=True, check=False, timeout=_SECONDS
        ).returncode

    def _talk(self, loads: Collection[Load], extra: Mapping[str, str]) -> Said:
        lines = [
            Describe().model_dump_json(),
            *(each.model_dump_json() for each in loads),
            Stop().model_dump_json(),
        ]
        try:
            done = subprocess.run(
                self.context.command,
                env={**self.context.env, **extra},
                cwd=self._fresh("cwd"),
                input="\n".join(lines) + "\n",
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            return Said(None, (), str(late.stdout) + str(late.stderr))
        events = []
        for line in done.stdout.splitlines():
            try:
                events.append(parse_event(line.encode()))
            except ValidationError:
                continue
        described = next((event for event in events if isinstance(event, Described)), None)
        answers = tuple(event for event in events if isinstance(event, Result | Error))
        return Said(described, answers, done.stdout + done.stderr, done.returncode)

    def _route(self, connector: Connector, role: str) -> RouteClaims:
        """A claimed route with the connector at that end; at the other end what needs least."""
        routes = [
            route
            for route in self.context.catalog.engine(self.context.engine).routes
            if getattr(route, role) == connector.system
            and _claimed(route)
            and {route.source, route.sink} <= {*_FILES, *_SERVERS}
        ]
        engine = self.context.engine
        return min(
            routes, key=lambda r: (r.sink not in _FILES, len(allowed(engine, r.sink)), r.sink != "sqlite")
        )

    def _end(self, system: str, role: str, password: str) -> DataObject:
        if system in _FILES:
            place = self._fresh(system)
            dsn = str(place / f"nothing{_FILES[system]}") if _FILES[system] else str(place)
        else:
            dsn = f"{_SERVERS[system]}://certify{password}@{_NOWHERE}/{role}"
        return DataObject(system=system, dsn=dsn, namespace="" if system == "sqlite" else "s", name="nothing")

    def _fresh(self, stem: str) -> Path:
        path = self.folder / f"{stem}-{uuid4().hex[:8]}"
        path.mkdir()
        return path


_FILES = {"duckdb": ".duckdb", "sqlite": ".sqlite", "parquet": ""}
_SERVERS = {"postgres": "postgresql"}


def _claimed(route: RouteClaims) -> bool:
    return any(claim.support in (Support.FULL, Support.PARTIAL) for claim in route.strategies.values())


def _strategy(route: RouteClaims) -> Strategy:
    return next(
        strategy
        for strategy, claim in route.strategies.items()
        if claim.support in (Support.FULL, Support.PARTIAL)
    )


def leaks(text: str, secret: str) -> bool:
    """Whether a secret stands in a text, as it is or as JSON spells it."""
    return secret in text or json.dumps(secret)[1:-1] in text
