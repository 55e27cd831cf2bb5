"""By which version evidence was judged, and whether the one installed here may contradict it.

Bytes, hashes and signatures mean the same to every version. Recomputed verdicts do not: a later version may
ask for more, or word a blocker in another way. So what disagrees with a recomputation is tampering only where
the same version judged; and what the catalogue demands can be checked only with that catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Producer
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.gates.verify.finding import Finding, Kind, disagreeing

Planned = Callable[[CertificationPlan], Iterable[str]]
"""Where a plan is not what the installed catalogue gives for its engine, profile and selection.

Raises :class:`OtherCatalogue` when that cannot be asked.
"""


class OtherCatalogue(Exception):  # noqa: N818 - a state of affairs
    """The plan was made from another catalogue than the one installed here. ``str()`` says which."""


def same_judge(made: Producer, here: Producer) -> bool:
    """Whether both are the same version, as far as they say."""
    if made.version != here.version:
        return False
    return made.git_revision is None or here.git_revision is None or made.git_revision == here.git_revision


def install(made: Producer) -> str:
    """How to get the version that judged."""
    revision = f" (git revision {made.git_revision})" if made.git_revision else ""
    return f"Verify with the version that judged: pip install {made.name}=={made.version}{revision}"


def contradicted(
    findings: Sequence[Finding], where: str, made: Producer, here: Producer
) -> Sequence[Finding]:
    """What only a recomputation says; when another version judged, nobody here can tell who is right."""
    if same_judge(made, here) or not findings:
        return findings
    first, more = findings[0], len(findings) - 1
    place = f"{first.path.rpartition('/')[2]}: {first.field or 'the file'}"
    told = f"{place}: {first.message}" + (f" (and {more} more)" if more else "")
    return (
        Finding(
            kind=Kind.OTHER_JUDGE,
            path=where,
            field=first.field if first.path == where else None,
            message=f"judged by {named(made)}, recomputed by {named(here)}, which differs: {told}",
            remedy=install(made),
            outcome=Outcome.CANT_TELL,
        ),
    )


def complete(plan: CertificationPlan, planned: Planned, place: str) -> Iterator[Finding]:
    """Whether the sealed plan leaves nothing out that the catalogue asks for."""
    where = f"{place}/{layout.PLAN}"
    try:
        yield from disagreeing(where, planned(plan))
    except OtherCatalogue as error:
        yield Finding(
            kind=Kind.OTHER_JUDGE,
            path=where,
            field="catalog_digest",
            message=f"{error}: whether the plan leaves anything out cannot be seen here",
            remedy=install(plan.producer),
            outcome=Outcome.CANT_TELL,
        )


def named(producer: Producer) -> str:
    """``certification_pipeline 0.1.0 (c0ffee000000)``."""
    revision = f" ({producer.git_revision[:12]})" if producer.git_revision else ""
    return f"{producer.name} {producer.version}{revision}"
