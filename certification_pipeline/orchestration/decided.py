"""A gate's or a family's artifact as a materialization with its one check."""

from collections.abc import Sequence
from typing import NamedTuple

import dagster as dg

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.orchestration.render import Metadata, blockers, file_paths, plainly


class Recomputed(NamedTuple):
    """What a verifier made of an artifact: it need not be what the artifact says."""

    outcome: Outcome
    blockers: Sequence[Blocker]


def decided(
    directory: SubjectDir,
    decision: Decision,
    check: str,
    more: Metadata,
    *,
    recomputed: Recomputed | None = None,
    blocking: bool = False,
    key: dg.AssetKey,
) -> dg.MaterializeResult:
    """Verdict, blockers with what to do about them, ``more``, and paths.

    Red is ERROR, no verdict either way is WARN; a blocking check is always ERROR, or it would not block.
    """
    outcome, found = recomputed or Recomputed(decision.outcome, decision.blockers)
    red = blocking or outcome is Outcome.FAILED
    blocking_now = blockers(found, decision.subject.engine)
    metadata: Metadata = {
        "0_verdict": dg.MetadataValue.text(outcome.value),
        **blocking_now,
        "blockers": dg.MetadataValue.int(len(found)),
        "release": dg.MetadataValue.text(decision.release_id),
        "subject": dg.MetadataValue.text(f"{decision.subject.engine} {decision.subject.version}"),
        **more,
        **file_paths(directory.path, f"{decision.KIND}.json", f"{decision.KIND}.md"),
    }
    return dg.MaterializeResult(
        asset_key=key,
        data_version=dg.DataVersion(decision.content_digest),
        metadata=dict(sorted(metadata.items())),
        check_results=[
            dg.AssetCheckResult(
                asset_key=key,
                check_name=check,
                passed=outcome is Outcome.PASSED,
                severity=dg.AssetCheckSeverity.ERROR if red else dg.AssetCheckSeverity.WARN,
                description=_headline(outcome, found),
                metadata={**blocking_now, "blockers": dg.MetadataValue.int(len(found))},
            )
        ],
    )


def _headline(outcome: Outcome, found: Sequence[Blocker]) -> str:
    """``benchmark_baseline.rows.regressed: …`` — what the list of checks shows."""
    if not found:
        return outcome.value
    first, more = found[0], len(found) - 1
    return f"{first.code}: {plainly(first.message)}" + (f" (and {more} more)" if more else "")
