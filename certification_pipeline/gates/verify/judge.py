"""By which version evidence was judged, and whether the one installed here may contradict it.

Bytes, hashes and signatures mean the same to every version. Recomputed verdicts do not: a later version may
ask for more, or word a blocker in another way. So what disagrees with a recomputation is tampering only where
the same version judged; and what the catalogue demands can be checked only with that catalogue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from certification_pipeline.catalog.parts import Parts
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Producer
from certification_pipeline.evidence.carried import carried_parts
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.verify.finding import Finding, Kind, disagreeing, of_error


class Held(NamedTuple):
    """A plan held against the catalogue installed here."""

    problems: tuple[str, ...] = ()
    """It is not what that very catalogue gives for its engine, profile and selection."""
    other: tuple[str, ...] = ()
    """What that matters it was made by another way than here: whether it leaves anything out is not known."""
    notes: tuple[str, ...] = ()
    """Made by another catalogue, which differs in nothing that matters."""


Planned = Callable[[CertificationPlan, Parts | None], Held]
"""Holds a plan against the installed catalogue; with the parts of its own, as far as they are kept."""


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


def complete(
    directory: SubjectDir, plan: CertificationPlan, planned: Planned, place: str, note: Callable[[str], None]
) -> Iterator[Finding]:
    """Whether the sealed plan leaves nothing out that the catalogue asks for, and was judged by its rules.

    Those of here decide, never the ones that came with the evidence: where they differ, it is told.
    """
    where = f"{place}/{layout.PLAN}"
    try:
        then = carried_parts(directory, plan)
    except EvidenceError as error:
        yield of_error(error, f"{place}/{layout.CATALOG}")
        return
    held = planned(plan, then)
    yield from disagreeing(where, held.problems)
    for told in held.other:
        yield Finding(
            kind=Kind.OTHER_JUDGE,
            path=where,
            field="catalog_digest",
            message=told,
            remedy=install(plan.producer),
            outcome=Outcome.CANT_TELL,
        )
    for told in held.notes:
        note(f"{where}: {told}")


def named(producer: Producer) -> str:
    """``certification_pipeline 0.1.0 (c0ffee000000)``."""
    revision = f" ({producer.git_revision[:12]})" if producer.git_revision else ""
    return f"{producer.name} {producer.version}{revision}"
