"""``connector_levels.json`` beside a release's summary: written after the chain, and verified by replay."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.policies import LevelPolicy
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker, Subject
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.levels import ConnectorLevels
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.next_step import decide_release_again
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import Provenance, stamp
from certification_pipeline.evidence.seal.keys import PublicKey
from certification_pipeline.evidence.seal.statement import ResourceDescriptor
from certification_pipeline.evidence.seal.vsa import Decided
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.levels.attestations import read_attestations
from certification_pipeline.gates.levels.decision import decide_levels
from certification_pipeline.gates.levels.reading import Ledger, read_ledger
from certification_pipeline.gates.levels.rules import more_than_here, rules_of
from certification_pipeline.gates.verification import Verification, differences, provenance_of, read_plan

MARKDOWN = layout.CONNECTOR_LEVELS.replace(".json", ".md")


def write_levels(
    directory: SubjectDir, provenance: Provenance, *, trusted: Collection[PublicKey] = ()
) -> ConnectorLevels:
    """Grant levels on the ledger as it is now, and write them with their Markdown.

    ``trusted``: whose attestations count. Raises ``EvidenceError`` when there is no readable plan.
    """
    sealed = read_plan(directory)
    store = EvidenceStore.holding(directory)
    signed = read_attestations(store.root, directory.engine, trusted)
    ledger = read_ledger(store, directory.engine, attested=signed.trusted)
    made = _levels(ledger, sealed.plan, provenance, load_catalog().policies)
    return directory.write(made, markdown(made))


def levels_of(
    store: EvidenceStore,
    engine: str,
    as_of: datetime,
    *,
    trusted: Collection[PublicKey] = (),
    policies: Mapping[str, LevelPolicy] | None = None,
    subject: Subject | None = None,
    keep: bool = True,
) -> tuple[ConnectorLevels, Ledger]:
    """Levels of an engine at a moment, of its newest subject by then unless another is named; reads only.

    ``keep``: but for what was worked out of the ledger, which is kept beside it. Who verifies keeps nothing.
    Raises ``EvidenceError`` when its chain holds no release sealed by then.
    """
    signed = read_attestations(store.root, engine, trusted)
    ledger = read_ledger(store, engine, attested=signed.trusted, keep=keep)
    sealed = [said for said in ledger.history.in_order() if said.at <= as_of]
    if not sealed:
        told = ledger.problems[0].message if ledger.problems else "holds no release that was sealed by then"
        remedy = "Certify it: certify run --engine " + engine
        raise EvidenceError(f"{layout.CHAIN}/{engine}", None, told, remedy, ProblemKind.MISSING)
    newest = next((said for said in reversed(sealed) if subject in (None, said.subject)), sealed[-1])
    now = stamp("levels").model_copy(update={"created_at": as_of})
    made = decide_levels(
        ledger.history,
        load_catalog().policies if policies is None else policies,
        subject or newest.subject,
        now,
        release_id=newest.release_id,
        profile=newest.profile or "unknown",
        chain=ledger.link,
        problems=ledger.problems,
    )
    return made, ledger


def verify_levels(
    store: EvidenceStore, directory: SubjectDir, *, trusted: Collection[PublicKey] = ()
) -> Verification:
    """Grant the same levels again, as of their own time, from the raw cells of every release they rest on.

    By the rules they were granted under, as far as the evidence carries them; what these grant beyond those
    of here cannot be told, and the levels of here are what pages are held to.
    Nothing that was kept is used. ``problems`` say where file and recomputation disagree; levels that rest on
    a release which was decided again since cannot be told any more. Raises ``EvidenceError`` when the file
    cannot be read.
    """
    found = directory.read(layout.CONNECTOR_LEVELS, ConnectorLevels)
    plan = read_plan(directory).plan
    signed = read_attestations(store.root, directory.engine, trusted)
    counted = [one for one in signed.trusted if one.path in found.attestations]
    upto = found.chain.sequence if found.chain else None
    ledger = read_ledger(store, directory.engine, attested=counted, upto=upto, keep=False)
    unsigned = sorted(set(found.attestations) - {one.path for one in counted})
    if untold := [*_untold(directory, ledger), *_unknown(unsigned)]:
        return Verification(Outcome.CANT_TELL, found.release_id, because=tuple(untold))
    policies = load_catalog().policies
    rules = rules_of(directory, plan, found, policies)
    then = _levels(ledger, plan, provenance_of(found), rules.policies)
    problems = [*rules.unknown, *differences(found, then)]
    if sha256(directory.read_bytes(MARKDOWN)) != sha256(markdown(found).encode("utf-8", "replace")):
        problems.append(f"{MARKDOWN} is not what was written with it")
    if ledger.superseded and directory.release_id in ledger.superseded:
        problems.append("the release was chained again since, and its levels were not granted again")
    if rules.other and not problems:
        here = _levels(ledger, plan, provenance_of(found), policies)
        if more := tuple(more_than_here(then, here, rules)):
            return Verification(Outcome.CANT_TELL, found.release_id, because=more)
        then = here
    return Verification(
        outcome=then.outcome,
        release_id=found.release_id,
        problems=tuple(problems),
        because=then.blockers,
        summary={
            "connectors": len(then.connectors),
            "releases": then.releases,
            "other_rules": list(rules.other),
        },
    )


def _untold(directory: SubjectDir, ledger: Ledger) -> Iterator[Blocker]:
    """Earlier releases that were decided again: what they said then is gone."""
    for release in sorted(ledger.superseded - {directory.release_id}):
        yield Blocker(
            code=f"connector_levels.superseded:{release}",
            message=f"release {release}, which they rest on, was chained again: what it said is gone",
            next_step=decide_release_again(directory.engine, directory.release_id),
        )


def _unknown(unsigned: Iterable[str]) -> Iterator[Blocker]:
    for path in unsigned:
        yield Blocker(
            code=f"connector_levels.attestation.not_verified:{path}",
            message=f"{path} is not there, or signed by no key that was given",
            next_step="Give the public key of the deployment's owner: --key FILE",
        )


def level_decisions(directory: SubjectDir) -> Iterator[Decided]:
    """Each connector's and route's level, to be attested; none when no levels were written."""
    try:
        levels, digest = directory.read_with_digest(layout.CONNECTOR_LEVELS, ConnectorLevels)
    except EvidenceError:
        return
    plan = ResourceDescriptor.of_file(layout.PLAN, read_plan(directory).sha256)
    itself = ResourceDescriptor.of_file(layout.CONNECTOR_LEVELS, digest)
    signed = tuple(
        ResourceDescriptor.of_file(f"../../../{path}", sha) for path, sha in levels.attestations.items()
    )
    for one in levels.connectors:
        yield Decided(
            subject=levels.subject,
            resource=f"{one.unit.value}:{one.name.partition('/')[2]}",
            policy=_policy(one.policy, levels),
            inputs=(itself, *signed),
            plan=plan,
            passed=one.level is not None and not levels_refused(levels),
            levels=(f"{one.policy}:{one.level}",) if one.level else (),
            decided_at=levels.created_at,
            producer=levels.producer,
        )


def levels_refused(levels: ConnectorLevels) -> bool:
    """Whether the ledger itself does not verify: then nothing of it is attested."""
    return any(blocker.code.startswith(("evidence_chain.", "ledger.")) for blocker in levels.blockers)


def _policy(name: str, levels: ConnectorLevels) -> ResourceDescriptor:
    uri = f"urn:certification-pipeline:policy:{name}"
    return ResourceDescriptor.of_file(uri, levels.policies[name])


def _levels(
    ledger: Ledger, plan: CertificationPlan, provenance: Provenance, policies: Mapping[str, LevelPolicy]
) -> ConnectorLevels:
    return decide_levels(
        ledger.history,
        policies,
        plan.subject,
        provenance,
        release_id=plan.release_id,
        profile=plan.profile,
        chain=ledger.link,
        problems=ledger.problems,
    )
