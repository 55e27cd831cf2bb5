"""Under which rules levels were granted, where those installed here are other ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pydantic import ValidationError

from certification_pipeline.catalog.parts import differing_policies
from certification_pipeline.catalog.policies import LevelPolicy
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.carried import carried_parts
from certification_pipeline.evidence.levels import ConnectorLevels
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.subject_dir import SubjectDir


class Rules(NamedTuple):
    """The policies to grant levels again by."""

    policies: Mapping[str, LevelPolicy]
    other: tuple[str, ...] = ()
    """Fields in which they are not those installed here."""
    unknown: tuple[str, ...] = ()
    """Levels under rules that neither this version nor the evidence has."""


def rules_of(
    directory: SubjectDir, plan: CertificationPlan, found: ConnectorLevels, here: Mapping[str, LevelPolicy]
) -> Rules:
    """Those that ``found`` says it was granted under: the installed ones, or those that lie beside its plan.

    Raises ``EvidenceError`` when what lies there is not what the plan was sealed from.
    """
    if found.policies == {name: policy.digest() for name, policy in here.items()}:
        return Rules(here)
    then = _policies((carried_parts(directory, plan) or {}).get("policies"))
    known = [*here.items(), *then.items()]
    chosen: dict[str, LevelPolicy] = {}
    for name, digest in found.policies.items():
        chosen |= {id_: policy for id_, policy in known if id_ == name and policy.digest() == digest}
    unknown = [name for name in found.policies if name not in chosen]
    unknown += [name for name in here if name not in found.policies and name in (then or here)]
    if unknown:
        told = "granted under other rules than this version of certify has"
        return Rules(here, unknown=tuple(f"policies.{name}: {told}" for name in unknown))
    return Rules(chosen, tuple(map(str, differing_policies(chosen, here))))


def more_than_here(then: ConnectorLevels, here: ConnectorLevels, rules: Rules) -> Iterator[Blocker]:
    """Levels that those rules grant and the installed ones do not."""
    granted = {(one.policy, one.name): one.level for one in here.connectors}
    for one in then.connectors:
        level = granted.get((one.policy, one.name))
        if one.level is not None and not _covered(one.level, level, rules.policies[one.policy]):
            yield Blocker(
                code=f"connector_levels.other_rules:{one.policy}:{one.name}",
                message=f"{one.level} by other rules than those of here, which grant {level or 'no level'}: "
                + "; ".join(rules.other[:3]),
                next_step="Believe what the rules of here grant: certify levels",
            )


def _covered(level: str, here: str | None, policy: LevelPolicy) -> bool:
    order = [each.id for each in policy.levels]
    return level == here or (here in order and order.index(level) < order.index(here))


def _policies(carried: object) -> dict[str, LevelPolicy]:
    """Those that this version can read; of the others nobody knows what they ask."""
    found = {}
    for name, fields in carried.items() if isinstance(carried, dict) else ():
        try:
            found[name] = LevelPolicy.model_validate(fields)
        except ValidationError:
            continue
    return found
