"""Run registry and replay evidence: what is said to have been run."""

from __future__ import annotations

from collections.abc import Iterator

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.evidence.foreign.claims import ForeignClaim
from certification_pipeline.evidence.foreign.dpone.models import Replay, ReplayEvidence, RunEntry, RunIndex
from certification_pipeline.gates.foreign.claiming import (
    agrees,
    contradicts,
    held,
    not_here,
    nothing,
    unproven,
)
from certification_pipeline.gates.foreign.dpone.look import Item, Look

NOT_AN_OPTION = "--partitions"
"""In the rerun commands dpone prints; its parser knows ``--partition`` only."""
ARTIFACT_ONLY = "artifact-only"
"""How the diagnostics of its default backend begin, which writes down steps and does none of them."""


def run_entry(entry: RunEntry, path: str, look: Look) -> Iterator[ForeignClaim]:
    """One registered run."""
    artifacts = entry.artifacts
    yield held("artifact_count", entry.artifact_count, len(artifacts), "as listed", "others are listed")
    result = Item("run_result", entry.run_result_path, entry.run_result_sha256, path)
    yield from result.claims(look, None)
    for artifact in artifacts:
        item = Item(f"artifacts[{artifact.name}]", artifact.path, artifact.sha256, path)
        yield from item.claims(look, artifact.passed)
    if entry.passed and (entry.blockers or not all(artifact.passed for artifact in artifacts)):
        yield contradicts("passed", True, False, "it names blockers, or artifacts that did not pass")
    elif entry.passed:
        why = "the run's result is a file that anybody can write; no row of its sink was read"
        yield unproven("passed, status", f"{entry.passed}, {entry.status}", why)
    else:
        yield nothing("passed", entry.passed, "claims no pass")


def run_index(index: RunIndex, path: str, look: Look) -> Iterator[ForeignClaim]:
    """Its entries must be those beside it."""
    yield held("run_count", index.run_count, len(index.runs), "as listed", "others are listed")
    for run in index.runs:
        named = look.folder.named(run.entry_path, path)
        there = look.examined(named.path) if named else None
        if named is None or there is None:
            yield not_here(f"runs[{run.run_id}]", run.entry_path, "its entry is not in the folder")
        elif there.model == run:
            yield agrees(f"runs[{run.run_id}]", run.entry_path, "is the entry itself")
        else:
            yield contradicts(f"runs[{run.run_id}]", run.entry_path, named.path, "the entry says otherwise")
        if run.passed:
            yield unproven(f"runs[{run.run_id}].passed", True, "see its entry")


def replay(found: Replay, path: str, look: Look) -> Iterator[ForeignClaim]:
    """``dpone resync`` and ``dpone resume``: whether anything was done at all."""
    claims_work = found.executed or found.state_committed or found.status == "executed"
    if found.strategy_mode not in set(Strategy):
        why = "is no load strategy; dpone takes any word for one"
        yield contradicts("strategy_mode", found.strategy_mode, None, why)
    if not claims_work:
        yield nothing(
            "executed", found.executed, f"mode {found.mode}, status {found.status}: nothing was done"
        )
    elif any(message.startswith(ARTIFACT_ONLY) for message in _messages(found)):
        why = "its diagnostics say `artifact-only`: the steps were written down, and nothing was done"
        yield contradicts(
            "executed, state_committed", f"{found.executed}, {found.state_committed}", False, why
        )
    elif not _messages(found):
        yield unproven("executed, state_committed", found.state_committed, "no step says what it did")
    else:
        why = "dpone's live check is COUNT(*) >= 0, which every table passes; no row was judged"
        yield unproven("executed, state_committed", found.state_committed, why)
    if any(NOT_AN_OPTION in command.split() for command in found.commands):
        why = f"dpone 0.88 has no option {NOT_AN_OPTION}: the command it prints is refused"
        yield contradicts("commands", found.commands[0], None, why)
    if isinstance(found, ReplayEvidence):
        yield from _evidence(found, path, look, claims_work)


def _evidence(found: ReplayEvidence, path: str, look: Look, claims_work: bool) -> Iterator[ForeignClaim]:
    named = look.folder.named(found.artifact_path, path)
    there = look.examined(named.path) if named else None
    if named is None or there is None or not isinstance(done := there.model, Replay):
        yield not_here("artifact_path", found.artifact_path, "is not in the folder")
    else:
        fields = ("action", "run_id", "mode", "executed", "status", "state_committed", "strategy_mode")
        other = [name for name in fields if getattr(done, name) != getattr(found, name)]
        if other:
            why = f"{named.path} says otherwise of {', '.join(other)}"
            yield contradicts("artifact_path", found.artifact_path, named.path, why)
        else:
            yield agrees("artifact_path", found.artifact_path, f"{named.path} says the same")
    if claims_work and not found.row_count_checks:
        yield unproven("row_count_checks", 0, "not one row was counted")


def _messages(found: Replay) -> list[str]:
    steps = found.diagnostics.get("diagnostics")
    if not isinstance(steps, list):
        return []
    return [str(step.get("message", "")) for step in steps if isinstance(step, dict)]
