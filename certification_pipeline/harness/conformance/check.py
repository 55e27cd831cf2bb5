"""The conversation: one driver, two or three processes of it, one small table."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from time import monotonic, sleep
from uuid import uuid4

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import Anomaly, FailureCategory, Outcome, Strategy, Support
from certification_pipeline.evidence.cell import CellKey, RowJudgement
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.conformance.checks import Report
from certification_pipeline.harness.conformance.describing import check_described
from certification_pipeline.harness.conformance.listening import OddLoad, ProbedSession, Witness, odd
from certification_pipeline.harness.engines.environment import PreparedEngine, prepare
from certification_pipeline.harness.engines.protocol import Load, RunRecord
from certification_pipeline.harness.engines.session import EngineError, LoadOutcome
from certification_pipeline.harness.events import EnginePreparing, OnEvent
from certification_pipeline.harness.scenarios.observability import closed_port, dsn_with
from certification_pipeline.harness.services.provider import Availability
from certification_pipeline.harness.services.registry import probe_all
from certification_pipeline.harness.shop import Workshop
from certification_pipeline.harness.workshop import open_workshop

ROWS = 60
LOAD_SECONDS = 60.0
DESCRIBE_SECONDS = 30.0
STOP_SECONDS = 3.0
KILL_AFTER_SECONDS = 0.3
GONE_SECONDS = 2.0
_CLAIMED = (Support.FULL, Support.PARTIAL)
_WRONG_PASSWORD = "wrong-on-purpose"  # noqa: S105 - that is the point
_UNSUPPORTED = (FailureCategory.UNSUPPORTED,)


def check_engine(
    catalog: Catalog, engine_id: str, on_event: OnEvent, prepared: PreparedEngine | None = None
) -> Report:
    """Ask everything of :data:`~checks.CHECKS`; starts what the engine's first route needs, and removes it.

    Raises ``EngineUnavailable`` when the driver cannot be started here at all, ``ServiceError`` when a
    service does not start.
    """
    engine = catalog.engine(engine_id)
    prepared = prepared or prepare(
        engine_id, engine.driver, lambda detail: on_event(EnginePreparing(engine_id, detail))
    )
    report = Report(engine_id)
    chosen = choose(catalog, engine_id)
    systems = {chosen.source, chosen.sink} if chosen else set()
    witness = Witness()
    with open_workshop(
        catalog,
        run_id=str(uuid4()),
        systems=systems,
        engines={},
        on_event=on_event,
        cancel=threading.Event(),
        redactor=witness,
    ) as opened:
        shop = replace(opened, engines={engine_id: prepared})
        conversation = _Conversation(shop, engine_id, prepared, witness, report)
        try:
            if conversation.describe() and chosen is not None:
                conversation.go_through(chosen)
            elif chosen is None:
                report.not_reached = "it claims no route whose both ends can be started here"
        except EngineError as error:
            report.not_reached = f"not reached: {error}"
        finally:
            conversation.close()
        conversation.sum_up()
    return report


def choose(catalog: Catalog, engine_id: str) -> CellKey | None:
    """A route and a strategy that it claims and that can be had here; PostgreSQL and full refresh first."""
    engine = catalog.engine(engine_id)
    answers: dict[str, Availability] = {}
    order = list(Strategy)
    for route in sorted(engine.routes, key=lambda route: route.source != "postgres"):
        claimed = [s for s, claim in route.strategies.items() if claim.support in _CLAIMED]
        if not claimed:
            continue
        for system in {route.source, route.sink} - set(answers):
            answers |= probe_all((system,))
        if answers[route.source].ok and answers[route.sink].ok:
            return CellKey(
                engine=engine_id,
                source=route.source,
                sink=route.sink,
                strategy=min(claimed, key=order.index),
                scenario="engine.check",
            )
    return None


class _Conversation:
    """See the module docstring."""

    def __init__(
        self, shop: Workshop, engine: str, prepared: PreparedEngine, witness: Witness, report: Report
    ) -> None:
        self._shop, self._engine, self._prepared = shop, engine, prepared
        self._witness, self._report = witness, report
        self._folder = shop.work_dir / "driver"
        self._folder.mkdir()
        self._sessions: list[ProbedSession] = []
        self._broken: list[str] = []
        self._leaks = 0

    # --- processes ----------------------------------------------------------------------------------

    def describe(self) -> bool:
        """The first process, and who it says it is; whether there is any sense in going on."""
        try:
            described = self._start().describe(DESCRIBE_SECONDS)
        except EngineError as error:
            self._note(error.ended, str(error))
            self._report.add("describe.answers", False, str(error))
            return False
        self._report.version = described.version
        check_described(self._report, self._shop.catalog.engine(self._engine), described, self._prepared)
        return True

    def session(self) -> ProbedSession:
        """The process in hand; another one when it died."""
        if not self._sessions or not self._sessions[-1].alive:
            self._start().describe(DESCRIBE_SECONDS)
        return self._sessions[-1]

    def close(self) -> None:
        """End them all."""
        for session in self._sessions:
            session.close()

    def _start(self) -> ProbedSession:
        session = ProbedSession(
            self._prepared.command,
            env=self._prepared.env,
            cwd=self._folder,
            log_path=self._folder / "engine.log",
            redactor=self._witness,
            guardian=self._shop.guardian,
        )
        self._sessions.append(session)
        return session

    # --- the course ---------------------------------------------------------------------------------

    def go_through(self, key: CellKey) -> None:
        """Everything that needs a source and a sink."""
        self._report.route, self._report.strategy = key.route_id, key.strategy.value
        with self._bench(key) as bench:
            # Changes that an engine with a cursor can see: certification judges which ones it misses.
            bench.seed("punctual", rows=ROWS)
            self._loads(bench)
            self._refusals(bench)
            self._failures(bench)
            self._oddities(bench)
            self._right(bench, "load.after_failures")
            ended = self.session().ends_when_asked(STOP_SECONDS)
            seen = "it ended" if ended else f"it was still there after {STOP_SECONDS:g} s"
            self._report.add("stop.ends", ended, seen)
            self._sessions[-1].close()
            self._killed(bench)
            bench.lose_state()
            self._right(bench, "state.lost", FailureCategory.STATE)

    @contextmanager
    def _bench(self, key: CellKey) -> Iterator[Bench]:
        planned = PlannedCell(
            key=key, scenario_version=1, rows=ROWS, seed=1, required=True, disposition="run"
        )
        bench = Bench(self._shop.station(planned, self._shop.work_dir / "cell", self.session))
        try:
            yield bench
        finally:
            self.close()
            with suppress(Exception):  # what is left goes with the services that were started for it
                bench.close()
                self._shop.clean(key)

    def _loads(self, bench: Bench) -> None:
        outcome = bench.load(halt=False)
        self._hear(outcome)
        ended = outcome.ended == "result"
        self._report.add("load.result", ended, said(outcome))
        wrong_id = "names run" in (outcome.message or "")
        if ended or wrong_id:
            seen = outcome.message if wrong_id else f"run {bench.loads[-1].run_id}"
            self._report.add("load.run_id", not wrong_id, str(seen))
        if not ended:
            return
        judgement = bench.judge()
        self._report.add("load.rows", rows_are_right(judgement), told(judgement))
        self._counts(outcome.record, judgement)
        process = self._sessions[-1]
        bench.change()
        self._right(bench, "load.again")
        if self._sessions[-1] is not process or not process.alive:
            self._report.add("load.again", False, "it did not live through two loads")

    def _counts(self, record: RunRecord | None, judgement: RowJudgement) -> None:
        rows = judgement.actual.rows
        claims = {
            name: value
            for name in ("extracted_rows", "loaded_rows", "final_rows")
            if (value := getattr(record, name)) is not None
        }
        wrong = {name: value for name, value in claims.items() if value != rows}
        seen = ", ".join(f"{name} {value}" for name, value in claims.items()) or "no count was reported"
        self._report.add("load.counts", not wrong, f"{seen}; the sink holds {rows}")

    def _right(self, bench: Bench, check: str, *excused: FailureCategory) -> None:
        """A load now has to end in `result` with the right rows (or say why it cannot)."""
        outcome = bench.load(halt=False)
        self._hear(outcome)
        if outcome.category in excused:
            self._report.add(check, True, said(outcome))
        elif outcome.ended != "result":
            self._report.add(check, False, said(outcome))
        else:
            judgement = bench.judge()
            self._report.add(check, rows_are_right(judgement), told(judgement))

    def _refusals(self, bench: Bench) -> None:
        good = bench.request()
        self._fails("refuses.strategy", odd(good, strategy="teleport"), _UNSUPPORTED)
        replay = {"kind": "teleport", "run_id": good.run_id}
        options = {**good.options.model_dump(mode="json"), "replay": replay}
        self._fails("refuses.option", odd(good, options=options), _UNSUPPORTED)

    def _failures(self, bench: Bench) -> None:
        good = bench.request()
        self._fails("fails.not_found", bench.with_source(good, name="no_such_table"), ("not_found",))
        if good.source.system != "postgres":
            for check in ("fails.connectivity", "fails.authentication"):
                self._report.add(check, Outcome.INAPPLICABLE, f"{good.source.system} is no server")
            return
        nobody = elsewhere(bench, good, dsn_with(good.source.dsn, port=closed_port()))
        self._fails("fails.connectivity", nobody, ("connectivity",))
        self._witness.register(_WRONG_PASSWORD)
        locked_out = elsewhere(bench, good, dsn_with(good.source.dsn, password=_WRONG_PASSWORD))
        self._fails("fails.authentication", locked_out, ("authentication",))

    def _oddities(self, bench: Bench) -> None:
        outcome = self._ask(odd(bench.request(), field_of_tomorrow={"x": 1}))
        self._report.add("survives.unknown_field", outcome.ended in ("result", "error"), said(outcome))
        try:
            errors = self.session().provoke(b"no request at all", b'{"type": "dance"}', b"[]")
        except EngineError as error:
            self._note(error.ended, str(error))
            self._report.add("survives.garbage", False, f"{error}; {self._how()}")
            self._sessions[-1].kill()
        else:
            self._report.add("survives.garbage", True, f"it answered {len(errors)} of 3 with `error`")

    def _killed(self, bench: Bench) -> None:
        session = self.session()
        request = bench.request()
        timer = threading.Timer(KILL_AFTER_SECONDS, session.kill)
        timer.start()
        try:
            outcome = session.load(request, timeout=LOAD_SECONDS, on_event=lambda _: session.kill())
        finally:
            timer.cancel()
            session.kill()
        deadline = monotonic() + GONE_SECONDS
        while (left := session.left_behind(self._folder)) and monotonic() < deadline:
            sleep(0.05)
        when = "in the midst of a load" if outcome.ended == "killed" else "right after a load"
        seen = f"killed {when}: " + (f"{len(left)} processes were left" if left else "nothing was left")
        self._report.add("kill.leaves_nothing", not left, seen)

    def _fails(self, check: str, request: Load, categories: tuple[str, ...]) -> None:
        outcome = self._ask(request)
        self._report.add(check, outcome.category in categories, said(outcome))

    def _ask(self, request: Load | OddLoad) -> LoadOutcome:
        outcome = self.session().load(request, timeout=LOAD_SECONDS)
        self._hear(outcome)
        return outcome

    # --- what was heard on the way ------------------------------------------------------------------

    def sum_up(self) -> None:
        """What all conversations together say; after the processes have ended, so that all was heard."""
        self._report.add(
            "stdout.protocol", not self._broken, self._broken[0] if self._broken else "nothing else was heard"
        )
        told = self._witness.seen + self._leaks
        seen = f"{told} times" if told else "never seen"
        if self._report.route:
            self._report.add("secrets.kept", not told, f"passwords of the DSNs: {seen}")

    def _hear(self, outcome: LoadOutcome) -> None:
        self._leaks += outcome.leaked
        self._note(outcome.ended, outcome.message or "")

    def _note(self, ended: str, message: str) -> None:
        if ended == "protocol_error":
            self._broken.append(message)

    def _how(self) -> str:
        tail = [line for line in self._sessions[-1].log_tail().splitlines() if line.strip()]
        return f"last on stderr: {tail[-1][:200]}" if tail else "nothing on stderr"


def elsewhere(bench: Bench, request: Load, dsn: str) -> Load:
    """With another source; where an engine works inside one database, its sink is there, too."""
    changed = bench.with_source(request, dsn=dsn)
    if request.sink.dsn != request.source.dsn:
        return changed
    return changed.model_copy(update={"sink": request.sink.model_copy(update={"dsn": dsn})})


def said(outcome: LoadOutcome) -> str:
    """How a load ended, in a line."""
    how = f"error: {outcome.category}" if outcome.ended == "error" else outcome.ended
    return f"{how} — {outcome.message}" if outcome.message else how


def rows_are_right(judgement: RowJudgement) -> bool:
    """None lost, none twice, none invented. Values are for certification to judge."""
    counted = {Anomaly.LOST, Anomaly.DUPLICATE, Anomaly.PHANTOM}
    return judgement.remark is None and not counted & set(judgement.anomalies)


def told(judgement: RowJudgement) -> str:
    """What the oracle saw, in a line."""
    found = ", ".join(f"{count} {anomaly}" for anomaly, count in judgement.anomalies.items())
    seen = f"{judgement.actual.rows} rows, expected {judgement.expected.rows}"
    return "; ".join(part for part in (seen, found, judgement.remark) if part)
