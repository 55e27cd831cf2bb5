"""Arenas for faults that are tried without a bench, and engines of a few lines to try them on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.harness.engines.session import EngineSession, LoadOutcome
from certification_pipeline.harness.faults.fault import Arena, Facts, Fault
from tests.engines.conftest import request

SLOW = """
for line in sys.stdin:
    ask = json.loads(line)
    if ask["type"] == "describe":
        out(type="described", protocol="1", engine="e", version="1")
        continue
    out(type="phase", run_id=ask["run_id"], phase="extract")
    if ask["selector"] != "quick":
        out(type="phase", run_id=ask["run_id"], phase="load")
        out(type="progress", run_id=ask["run_id"], rows=10)
        out(type="progress", run_id=ask["run_id"], rows=20)
        time.sleep(float(ask["selector"] or 600))
    result(ask["run_id"])
"""
"""Loads that take as many seconds as the selector says, or are quick."""


@dataclass
class Ring:
    """An arena with one session; ``play`` is one disrupted load."""

    session: EngineSession | None = None
    folder: Path = Path("/nowhere")
    sink_files: Path | None = None
    namespace: str = ""
    services: dict[Side, Any] = field(default_factory=dict)
    own: frozenset[Side] = frozenset()
    outcome: LoadOutcome | None = None

    def arena(self) -> Arena:
        def session() -> EngineSession:
            if self.session is None:
                raise LookupError("no load has been asked for yet")
            return self.session

        return Arena(
            session=session,
            links={},
            services=self.services,
            state_dir=self.folder,
            sink_files=self.sink_files,
            namespace=self.namespace,
            own=self.own,
        )

    @contextmanager
    def disrupt(self, fault: Fault, witness: list[Facts | None]) -> Iterator[None]:
        """As a nemesis does it."""
        try:
            fault.arm(self.arena())
            yield
            witness.append(fault.witness())
        finally:
            fault.heal()
            fault.heal()

    def play(self, fault: Fault, *, selector: str = "", timeout: float = 30, **more: object) -> Facts | None:
        """One load under the fault; its witness."""
        session, found = self.session, []
        assert session is not None
        with self.disrupt(fault, found):
            fault.begin(session)
            self.outcome = session.load(
                request(selector=selector, **more), timeout=timeout, on_event=lambda e: fault.hear(session, e)
            )
        return found[0]
