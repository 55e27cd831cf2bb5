"""What verifying one artifact means: read it, recompute it, name every disagreement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from pydantic import JsonValue
from pydantic_core import to_json

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Artifact, Blocker, Digest, Model, Subject
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import SubjectDir

MOST_DIFFERENCES = 5


@dataclass(frozen=True)
class SealedPlan:
    """The plan as it lies on disk, with the digest of its file."""

    plan: CertificationPlan
    sha256: Digest


@dataclass(frozen=True)
class EvidenceFile:
    """An artifact's bytes as they were read once, under their relative path."""

    path: str
    data: bytes


@dataclass(frozen=True)
class Verification:
    """The recomputed outcome; ``problems`` say where file and recomputation disagree (none: verified)."""

    outcome: Outcome
    release_id: str
    problems: tuple[str, ...] = ()
    because: tuple[Blocker, ...] = ()
    """Blockers underneath: the reasons of a ``<item>.not_passed``."""
    summary: dict[str, JsonValue] = field(default_factory=dict)
    made_at: datetime | None = None
    """When the artifact says it was made."""


Recompute = Callable[[SubjectDir, EvidenceFile, SealedPlan], Verification]
"""Recomputes one family's verdict as of the artifact's own time. It is told of no other: what it finds
follows from the files alone, whoever decides and whenever.

Raises EvidenceError when the artifact cannot be read; the suite records that as ``not_verified``.
"""

Verifier = Callable[[SubjectDir, EvidenceFile, SealedPlan, Provenance], Verification]
"""The same for a decision of that provenance, which must not rest on what was made after it."""


def read_plan(directory: SubjectDir) -> SealedPlan:
    """The plan on disk; EvidenceError when it is missing or malformed. Its seal is checked elsewhere.

    Who asks again while somebody still holds it is given the same one, if its bytes are the same.
    """
    data = directory.read_bytes(layout.PLAN)
    digest = sha256(data)
    found = _held.get((directory.path, digest))
    if found is None:
        found = SealedPlan(directory.load(data, layout.PLAN, CertificationPlan), digest)
        _held[directory.path, digest] = found
    return found


_held: WeakValueDictionary[tuple[Path, Digest], SealedPlan] = WeakValueDictionary()
"""What a plan says follows from its bytes and place; of 100 000 cells, one is enough."""


def unknown_subject(directory: SubjectDir) -> Subject:
    """Whom a decision without a plan is about: an engine of that name, and nothing more is known."""
    return Subject(engine=directory.engine, version="unknown", artifact_digest="")


def provenance_of(artifact: Artifact) -> Provenance:
    """The provenance an artifact states, to recompute it as of then."""
    return Provenance(
        run_id=artifact.run_id,
        created_at=artifact.created_at,
        producer=artifact.producer,
        environment=artifact.environment,
    )


def before_the_plan(artifact: Artifact, plan: CertificationPlan) -> Iterator[str]:
    """Made before the plan it belongs to was sealed."""
    if artifact.created_at < plan.created_at:
        yield f"was made before the plan was sealed ({plan.created_at.isoformat()})"


def after_the_decision(made_at: datetime, decided: Provenance) -> Iterator[str]:
    """Made after the decision that rests on it."""
    if made_at > decided.created_at:
        yield f"claims to be made after this decision ({decided.created_at.isoformat()})"


def differences(found: Decision, expected: Decision) -> tuple[str, ...]:
    """Where a file disagrees with its recomputation, as ``field: says …, is …``; a few are enough.

    ``content_digest`` is left out: reading ``found`` proved it, and only writing gives it to ``expected``.
    A field the file leaves out is a difference even where the model has a default.
    """
    left_out = {"content_digest"}
    # Dumping two reports of 100 000 rows takes more memory than all they were made from.
    left_out |= {name for name in type(found).model_fields if _surely_same(found, expected, name)}
    says = found.model_dump(mode="json", exclude=left_out, exclude_unset=True)
    return disagreements(says, expected.model_dump(mode="json", exclude=left_out))


def disagreements(found: JsonValue, expected: JsonValue) -> tuple[str, ...]:
    """As :func:`differences`, of any two JSON values."""
    listed = list(_walk("", found, expected))
    more = len(listed) - MOST_DIFFERENCES
    return (*listed[:MOST_DIFFERENCES], *((f"and {more} more differences",) if more > 0 else ()))


def _surely_same(found: Decision, expected: Decision, name: str) -> bool:
    """Equal, with nothing left to a default; lists of models only, where it counts."""
    left, right = getattr(found, name), getattr(expected, name)
    if not isinstance(left, tuple) or name not in found.model_fields_set or len(left) != len(right):
        return False
    return all(surely_same(one, other) for one, other in zip(left, right, strict=True))


def surely_same(says: object, is_: object) -> bool:
    """Whether an item that was read is the recomputed one, with nothing left to a default."""
    return type(says) is type(is_) and isinstance(says, Model) and says == is_ and _spelt_out(says)


def _spelt_out(model: Model) -> bool:
    """Whether the file gave every field, and ``==`` took no ``1`` for ``true`` in any of them."""
    given = len(model.model_fields_set) == len(type(model).model_fields)
    return given and all(map(_plain, model.__dict__.values()))


def _plain(value: object) -> bool:
    if isinstance(value, Model):
        return _spelt_out(value)
    if isinstance(value, tuple):
        return all(isinstance(item, str) for item in value)
    return not isinstance(value, dict) or not value


def _walk(at: str, found: Any, expected: Any) -> Iterator[str]:
    if type(found) is type(expected) and _equal(found, expected):
        return
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted({*found, *expected}):
            yield from _walk(
                f"{at}.{key}" if at else key, found.get(key, _NOTHING), expected.get(key, _NOTHING)
            )
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for index, (left, right) in enumerate(zip(found, expected, strict=True)):
            yield from _walk(f"{at}[{index}]", left, right)
    else:
        yield f"{at}: says {_short(found)}, is {_short(expected)}"


def _equal(found: Any, expected: Any) -> bool:
    """As JSON: inside lists and objects ``==`` would take ``true`` for ``1``."""
    if isinstance(found, dict | list):
        return to_json(found) == to_json(expected)
    return bool(found == expected)


def _short(value: object) -> str:
    if value is _NOTHING:
        return "nothing"
    text = f"{len(value)} entries" if isinstance(value, list) else repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


_LONGEST = 80
_NOTHING = object()
