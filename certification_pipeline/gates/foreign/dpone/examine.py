"""A directory of dpone's artifacts, every claim of every file held against what lies underneath.

Reads only. Files that name each other in a ring are examined once: where a verdict would rest on itself, it
rests on nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.foreign.claims import ForeignArtifact, ForeignClaim, ForeignReport
from certification_pipeline.evidence.foreign.dpone import MEASURED
from certification_pipeline.evidence.foreign.dpone.decided import (
    ArtifactIndex,
    ChainEntry,
    ChainIndex,
    ConnectorMatrix,
    DataContract,
    OpsBundle,
    Plan,
    ReleaseSummary,
    StrategyBundle,
    Suite,
    SuiteIndex,
)
from certification_pipeline.evidence.foreign.dpone.kinds import (
    Kind,
    kind_of,
    may_be,
    modelled,
    named_like_one,
)
from certification_pipeline.evidence.foreign.dpone.models import (
    Behavior,
    Benchmark,
    DbtGraph,
    Dpone,
    LineageEvent,
    LineageEvents,
    MatrixReport,
    MockReport,
    Replay,
    ReplayDone,
    ReplayEvidence,
    RunEntry,
    RunIndex,
)
from certification_pipeline.evidence.foreign.folder import Folder
from certification_pipeline.evidence.foreign.loose_json import LooseJson, parse_loosely
from certification_pipeline.gates.foreign.claiming import contradicts
from certification_pipeline.gates.foreign.dpone import (
    benchmark,
    bundles,
    chain,
    lineage,
    matrix,
    runs,
)
from certification_pipeline.gates.foreign.dpone.look import Examined, surplus

Examiner = Callable[[Any, str, "Examination"], Iterator[ForeignClaim]]

EXAMINERS: dict[type[Dpone], Examiner] = {
    MockReport: matrix.mock_report,
    MatrixReport: matrix.matrix_report,
    Behavior: matrix.behavior,
    Benchmark: benchmark.benchmark,
    RunEntry: runs.run_entry,
    RunIndex: runs.run_index,
    ReplayDone: runs.replay,
    ReplayEvidence: runs.replay,
    LineageEvent: lineage.event,
    LineageEvents: lineage.events,
    DbtGraph: lineage.dbt_graph,
    ConnectorMatrix: bundles.connector_matrix,
    DataContract: bundles.data_contract,
    OpsBundle: bundles.ops_bundle,
    StrategyBundle: bundles.strategy_bundle,
    Suite: bundles.suite,
    SuiteIndex: bundles.suite_index,
    ArtifactIndex: chain.artifact_index,
    ChainEntry: chain.chain_entry,
    ChainIndex: chain.chain_index,
    Plan: chain.plan,
    ReleaseSummary: chain.release_summary,
}
_COUNTS: dict[type[Dpone], str] = {
    MockReport: "results",
    MatrixReport: "results",
    Benchmark: "items",
    RunEntry: "artifacts",
    RunIndex: "runs",
    LineageEvents: "events",
    DbtGraph: "nodes",
    ConnectorMatrix: "connectors",
    DataContract: "results",
    OpsBundle: "items",
    StrategyBundle: "evidence_items",
    Suite: "items",
    SuiteIndex: "suites",
    ArtifactIndex: "items",
    ChainIndex: "entries",
    Plan: "steps",
    ReleaseSummary: "items",
}
"""The list whose length is what such a file claims to hold."""
_INFINITE = frozenset({Benchmark})
"""Where dpone 0.88 was seen to write what is no JSON."""


LONGEST_CHAIN = 40
"""Files each of which names the next; dpone's own artifacts come to five."""


class Examination:
    """One directory; each file is read and examined at most once."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._done: dict[str, Examined | None] = {}
        self._open: set[str] = set()

    def examined(self, path: str) -> Examined | None:
        """What became of that file; ``None``: none of dpone's, or one that is being examined just now."""
        if path in self._open or len(self._open) > LONGEST_CHAIN or not may_be(path):
            return None
        if path not in self._done:
            self._open.add(path)
            try:
                self._done[path] = self._examine(path)
            except EvidenceError as error:
                self._done[path] = self._unreadable(path, error)
            finally:
                self._open.discard(path)
        return self._done[path]

    def _examine(self, path: str) -> Examined | None:
        found = parse_loosely(self.folder.read(path), path)
        kind = kind_of(path, found.value)
        if kind is None:
            return None
        model = modelled(kind, found.value, path)
        claims = (
            *_constants(found, kind),
            *EXAMINERS[kind.model](model, path, self),
            *surplus(model),
        )
        says = _says(model)
        artifact = ForeignArtifact(
            path=path,
            kind=kind.name,
            sha256=self.folder.digest(path),
            says=_word(getattr(model, "passed", None)),
            counts=_counts(model),
            outcome=Outcome.worst(claim.outcome for claim in claims),
            claims=claims,
        )
        kept = model.without_rows() if isinstance(model, Behavior) else model
        return Examined(artifact, kept, says)

    def _unreadable(self, path: str, error: EvidenceError) -> Examined | None:
        if not named_like_one(path):
            self.folder.left_out.setdefault(path, error.problem)
            return None
        kind = kind_of(path, {})
        assert kind is not None
        claim = contradicts(error.field or "the file", kind.name, None, f"{error.problem}. {error.remedy}")
        artifact = ForeignArtifact(
            path=path,
            kind=kind.name,
            sha256=self.folder.digest(path),
            says="nothing",
            outcome=Outcome.FAILED,
            claims=(claim,),
        )
        return Examined(artifact, None, False)


def dpone_claims(directory: Path) -> ForeignReport:
    """Every artifact of dpone's below ``directory``. Raises EvidenceError when there is none."""
    folder = Folder(directory)
    examination = Examination(folder)
    found = [one.artifact for path in folder.files if (one := examination.examined(path)) is not None]
    if not found:
        problem = f"holds none of dpone's artifacts ({len(folder.files)} files)"
        remedy = "Name the folder that `dpone ops …` wrote into, e.g. test_artifacts"
        raise EvidenceError(str(directory), None, problem, remedy, ProblemKind.MISSING)
    red = any(artifact.says == "not passed" for artifact in found)
    return ForeignReport(
        tool="dpone",
        measured=MEASURED,
        outcome=Outcome.FAILED if red else Outcome.worst(artifact.outcome for artifact in found),
        artifacts=tuple(found),
        other_files=len(folder.files) - len(found),
        left_out=dict(sorted(folder.left_out.items())),
    )


def _constants(found: LooseJson, kind: Kind) -> Iterator[ForeignClaim]:
    if found.constants and kind.model not in _INFINITE:
        why = f"holds {found.constants[0]}, which is no JSON and which dpone does not write here"
        yield contradicts("the file", found.constants[0], None, why)


def _says(model: Dpone) -> bool | None:
    says: bool | None = None
    match model:
        case LineageEvent():
            says = lineage.event_says(model)
        case DbtGraph():
            says = lineage.graph_says(model)
        case Replay():
            says = model.status == "executed" and model.state_committed
        case ChainEntry():
            says = model.verified
        case ChainIndex():
            says = bool(model.entries) and all(entry.verified for entry in model.entries)
        case Plan():
            pass
        case _:
            says = getattr(model, "passed", None)
    return says


def _word(passed: object) -> Literal["passed", "not passed", "nothing"]:
    return "passed" if passed is True else "not passed" if passed is False else "nothing"


def _counts(model: Dpone) -> dict[str, int]:
    name = _COUNTS.get(type(model))
    return {name: len(getattr(model, name))} if name else {}
