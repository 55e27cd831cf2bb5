"""What a target's dbt run is worth: everything that follows from its files, loads and judgements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import CheckJudgement, RowJudgement
from certification_pipeline.evidence.dbt import results as of_results
from certification_pipeline.evidence.dbt.artifacts import Catalog, Manifest, Result, RunResults, read_dbt
from certification_pipeline.evidence.dbt.findings import AS_WRITTEN, LOAD, MEND, Finding
from certification_pipeline.evidence.dbt.graph import Graph, Loaded, build_graph
from certification_pipeline.evidence.dbt_lineage import DbtTarget, DbtTest, FileRole
from certification_pipeline.evidence.errors import EvidenceError

ROUNDS = 2
"""Loads and builds of an executed target: an incremental model and a snapshot show nothing in the first."""

CHECKS = (
    "stg_orders.rows",
    "orders_by_day.rows",
    "orders_by_day.differing",
    "orders_current.rows",
    "orders_current.differing",
    "orders_current.merged",
    "orders_history.versions",
    "orders_history.open",
    "orders_history.closed",
)
"""What is counted beside dbt, on the landed tables and on what dbt made of them; in the last round."""

_ROLES: Mapping[str, tuple[FileRole, ...]] = {
    "executed": ("manifest", "run_results", "catalog", "first_run_results"),
    "given": ("manifest", "run_results", "catalog"),
}
START = "start"
"""The command that stands for making dbt's environment and starting it."""

P = TypeVar("P", Manifest, RunResults, Catalog)


@dataclass
class Assessed:
    """The target with all that follows from it, and what is wrong."""

    target: DbtTarget
    findings: list[Finding] = field(default_factory=list)


def assess(seen: DbtTarget, source: Literal["executed", "given"], content: Mapping[str, bytes]) -> Assessed:
    """Work out nodes, edges, tests, findings and the outcome of one target.

    ``content`` has the bytes of ``seen.files`` by path, as far as they are there. What ``seen`` itself says
    in nodes, edges, tests and outcome is not looked at.
    """
    return _Assessment(seen, source, content).run()


@dataclass
class _Assessment:
    seen: DbtTarget
    source: Literal["executed", "given"]
    content: Mapping[str, bytes]
    findings: list[Finding] = field(default_factory=list)

    def run(self) -> Assessed:
        broken = [each for each in self.seen.commands if not each.ended]
        self.findings += (_not_ended(self.seen.target, each.command, each.message) for each in broken)
        # Without dbt nothing was tried: that, and not all that follows from it, is to be told.
        started = not any(each.command == START for each in broken)
        certified = started and (self.source == "given" or self._certified())
        manifest = results = None
        graph = Graph()
        tests: tuple[DbtTest, ...] = ()
        if certified or (started and self.seen.commands):
            manifest, results = self._read("manifest", Manifest), self._read("run_results", RunResults)
            catalog = self._read("catalog", Catalog)
            if manifest is not None:
                by_id = {result.unique_id: result for result in results.results} if results else {}
                graph = self._graph(manifest, catalog, by_id, certified=certified)
                tests = of_results.tests(manifest, by_id)
                self._judge(manifest, results, catalog)
            if self.source == "executed":
                self._first(manifest)
                self._checks()
        self.findings += graph.findings
        outcome = Outcome.worst(found.outcome for found in self.findings) if self.findings else Outcome.PASSED
        return Assessed(
            self.seen.model_copy(
                update={
                    "adapter": manifest.metadata.adapter_type if manifest else None,
                    "dbt_version": results.metadata.dbt_version if results else None,
                    "nodes": tuple(graph.nodes),
                    "edges": tuple(graph.edges),
                    "column_edges": tuple(graph.column_edges),
                    "tests": tests,
                    "outcome": outcome,
                }
            ),
            self.findings,
        )

    # --- the load -----------------------------------------------------------------------------------------

    def _certified(self) -> bool:
        """Every load came to its result, and the oracle judged the rows after each and found them right."""
        rows = [each for each in self.seen.judgements if isinstance(each, RowJudgement)]
        ends = [
            each
            for each in self.seen.judgements
            if isinstance(each, CheckJudgement) and each.name == "load_ended"
        ]
        problem = None
        judged: tuple[CheckJudgement | RowJudgement, ...] = (*ends, *rows)
        if bad := [each for each in judged if each.outcome is not Outcome.PASSED]:
            problem = _said(bad[0])
        elif len(self.seen.loads) < ROUNDS or len(rows) < ROUNDS or len(ends) < ROUNDS:
            problem = f"{len(self.seen.loads)} loads, {len(rows)} judged; {ROUNDS} of each are needed"
        elif any(load.ended != "result" for load in self.seen.loads):
            problem = "a load did not come to a result"
        if problem is None:
            return True
        sink = self.seen.loads[-1].sink if self.seen.loads else None
        table = f"{sink.system}.{sink.name}" if sink else self.seen.target
        message = f"on {self.seen.target}: what dbt was to build on is not certified: {problem}"
        self.findings.append(Finding(f"load_not_certified:{table}", message, LOAD))
        return False

    # --- the files ----------------------------------------------------------------------------------------

    def _read(self, role: FileRole, model: type[P]) -> P | None:
        path = next((file.path for file in self.seen.files if file.role == role), None)
        data = self.content.get(path) if path else None
        name = path or f"{role}.json"
        if data is None:
            message = f"on {self.seen.target}: there is no {name}: what was not reported did not pass"
            self.findings.append(Finding(f"missing:{name}", message, _HOW_TO_WRITE[role]))
            return None
        try:
            return read_dbt(data, model, name)
        except EvidenceError as error:
            self.findings.append(Finding(f"unreadable:{name}", str(error), AS_WRITTEN))
            return None

    def _graph(
        self, manifest: Manifest, catalog: Catalog | None, by_id: Mapping[str, Result], *, certified: bool
    ) -> Graph:
        loaded = Loaded(
            load=self.seen.loads[-1] if self.seen.loads else None,
            certified=certified and self.source == "executed",
            claimed=self.seen.claimed_tables,
        )
        where = f"on {self.seen.target}"
        executed = self.source == "executed"
        return build_graph(manifest, catalog, by_id, loaded, where, every_column=executed)

    def _judge(self, manifest: Manifest, results: RunResults | None, catalog: Catalog | None) -> None:
        where = f"on {self.seen.target}"
        if not any(True for _ in of_results.built(manifest)):
            self._find(f"empty:{self.seen.target}", f"{where}: the project builds nothing", MEND)
        elif not of_results.tests(manifest, {}):
            self._find(f"no_tests:{self.seen.target}", f"{where}: the project tests nothing it builds", MEND)
        if results is None:
            return
        self.findings += of_results.of_one_run(manifest, results, self._path("manifest"))
        self.findings += of_results.findings(manifest, results, where)
        if catalog is not None and catalog.metadata.generated_at < results.metadata.generated_at:
            message = f"{where}: the catalog is older than the run"
            first = "Run `dbt docs generate` after the build"
            self._find(f"stale_catalog:{self._path('catalog')}", message, first)

    def _first(self, manifest: Manifest | None) -> None:
        """The first build is held to the same: what failed then and passed later is not a green."""
        results = self._read("first_run_results", RunResults)
        if results is None or manifest is None:
            return
        if results.metadata.invocation_id == manifest.metadata.invocation_id:
            message = f"on {self.seen.target}: both run_results are of one build; there must be {ROUNDS}"
            self._find(f"one_build:{self.seen.target}", message, AS_WRITTEN)
        self.findings += of_results.findings(manifest, results, f"on {self.seen.target}, first build")

    # --- what was counted beside dbt ----------------------------------------------------------------------

    def _checks(self) -> None:
        checks = {
            each.name: each
            for each in self.seen.judgements
            if isinstance(each, CheckJudgement) and each.name in CHECKS
        }
        if missing := [name for name in CHECKS if name not in checks]:
            message = f"on {self.seen.target}: not counted beside dbt: {', '.join(missing)}"
            self._find(f"not_checked:{self.seen.target}", message, MEND)
        for name, check in checks.items():
            if check.outcome is not Outcome.PASSED:
                self._find(f"wrong:{name}", f"on {self.seen.target}: {_said(check)}", MEND)

    def _path(self, role: FileRole) -> str:
        return next((file.path for file in self.seen.files if file.role == role), f"{role}.json")

    def _find(self, code: str, message: str, first: str) -> None:
        self.findings.append(Finding(code, message, first))


_HOW_TO_WRITE: Mapping[FileRole, str] = {
    "manifest": "Run `dbt build`: it writes manifest.json into its target folder",
    "run_results": "Run `dbt build`: it writes run_results.json into its target folder",
    "first_run_results": "Run `dbt build` after each load",
    "catalog": "Run `dbt docs generate` after the build: it writes catalog.json into its target folder",
}


def required_roles(source: Literal["executed", "given"]) -> tuple[FileRole, ...]:
    """Files that there must be."""
    return _ROLES[source]


def distinct(findings: list[Finding]) -> Iterator[Finding]:
    """The first of each code: what failed in two builds is one blocker."""
    seen: set[str] = set()
    for finding in findings:
        if finding.code not in seen:
            seen.add(finding.code)
            yield finding


def _not_ended(target: str, command: str, message: str | None) -> Finding:
    said = " ".join((message or "it said nothing").split())[:400]
    if command == START:
        first = "Make dbt installable here (network, disk space), see `certify doctor`"
        return Finding("dbt_unavailable", f"dbt cannot be started: {said}", first, Outcome.CANT_TELL)
    what = f"command_failed:{target}.{command.replace(' ', '_')}"
    return Finding(what, f"on {target}: dbt {command} broke off: {said}", MEND)


def _said(judgement: CheckJudgement | RowJudgement) -> str:
    if isinstance(judgement, CheckJudgement):
        return (
            f"{judgement.step}: {judgement.name} is {judgement.observed!r}, must be "
            f"{judgement.comparison.replace('_', ' ')} {judgement.expected!r}"
        )
    found = ", ".join(f"{count} {name}" for name, count in judgement.anomalies.items())
    return f"{judgement.step}: {judgement.remark or found or 'the rows are not the expected ones'}"
