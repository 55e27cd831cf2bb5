"""The job that pushes what is chained to the store that ``CERTIFY_PUSH_TO`` names."""

import dagster as dg

from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.failures import told_plainly
from certification_pipeline.orchestration.resources import CertificationResource


@dg.op(
    name="push_to_store",
    description="As `certify push`: files first, then the entry that vouches for them; a fork is refused.",
)
def _push_to_store(context: dg.OpExecutionContext, certification: CertificationResource) -> None:
    settings = certification.settings()
    if settings.push_to is None:
        raise dg.Failure(
            "No store is named. Set CERTIFY_PUSH_TO, e.g. s3://bucket/prefix", allow_retries=False
        )
    with told_plainly():
        store, remote = certification.store(), late.open_store(settings.push_to)
        late.refuse_evidence(remote, store.root)
        conditions = late.measure(remote)
        pushed = [late.push(store, remote, name, conditions) for name in late.chained_engines(store.root)]
    for done in pushed:
        for note in done.notes:
            context.log.warning(f"{done.engine}: {note}")
    context.add_output_metadata(
        {
            "store": remote.shown,
            **{f"{done.engine}_entries": done.size for done in pushed},
            "entries_new": sum(done.entries for done in pushed),
            "files_new": sum(done.files for done in pushed),
        }
    )


@dg.job(
    executor_def=dg.in_process_executor,
    description=(
        "Pushes every chain, with its releases, to the store that several machines share "
        "(CERTIFY_PUSH_TO). What a push that failed has left out, the next one sends."
    ),
)
def push_evidence() -> None:
    """One step: what is there already is not sent again."""
    _push_to_store()
