"""A gate's or a family's artifact as a materialization with its one check."""

from collections.abc import Collection

import dagster as dg

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.orchestration.render import Metadata, blockers, file_paths


def decided(
    directory: SubjectDir,
    decision: Decision,
    check: str,
    more: Metadata,
    *,
    also: Collection[str] = (),
    blocking: bool = False,
) -> dg.MaterializeResult:
    """Verdict, blockers with what to do about them, ``more``, and paths; ``also`` names further files.

    Red is ERROR, no verdict either way is WARN; a blocking check is always ERROR, or it would not block.
    """
    red = blocking or decision.outcome is Outcome.FAILED
    metadata: Metadata = {
        "0_verdict": dg.MetadataValue.text(decision.outcome.value),
        "3_what_blocks": blockers(decision.blockers),
        "blockers": dg.MetadataValue.int(len(decision.blockers)),
        "release": dg.MetadataValue.text(decision.release_id),
        "subject": dg.MetadataValue.text(f"{decision.subject.engine} {decision.subject.version}"),
        **more,
        **file_paths(directory.path, f"{decision.KIND}.json", f"{decision.KIND}.md", *also),
    }
    return dg.MaterializeResult(
        data_version=dg.DataVersion(decision.content_digest),
        metadata=dict(sorted(metadata.items())),
        check_results=[
            dg.AssetCheckResult(
                check_name=check,
                passed=decision.outcome is Outcome.PASSED,
                severity=dg.AssetCheckSeverity.ERROR if red else dg.AssetCheckSeverity.WARN,
                description=_headline(decision),
                metadata={"3_what_blocks": blockers(decision.blockers)},
            )
        ],
    )


def _headline(decision: Decision) -> str:
    """``benchmark_baseline.rows.regressed: …`` — what the list of checks shows."""
    if not decision.blockers:
        return decision.outcome.value
    first, more = decision.blockers[0], len(decision.blockers) - 1
    return f"{first.code}: {first.message}" + (f" (and {more} more)" if more else "")
