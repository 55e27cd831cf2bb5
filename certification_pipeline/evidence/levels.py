"""``connector_levels.json``: which level a policy grants each connector, why, and until when.

Computed from the ledger alone (``gates/levels``). No chain entry holds it: it rests on the newest one.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime, Field

from certification_pipeline.catalog.policies import Unit
from certification_pipeline.evidence.artifact import Digest, Model
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.summary import ChainLink


class Standing(StrEnum):
    """How a requirement stands, worst first."""

    REFUTED = "refuted"
    """Seen to fail, and not seen to hold since: the level is suspended at once."""
    UNPROVEN = "unproven"
    """Nothing green says so, or what said so is past its notice."""
    NOTICE = "notice"
    """Its proof has expired: a level it was granted for is kept until the notice ends."""
    PROVEN = "proven"
    INAPPLICABLE = "inapplicable"
    """No question of this connector."""


class ProofKind(StrEnum):
    """Where the proof of a requirement is looked for."""

    SCENARIO = "scenario"
    DOCUMENT = "document"
    ITEM = "item"
    FAMILY = "family"
    SOAK = "soak"
    ATTESTATION = "attestation"


class Rest(Model):
    """What of one release (or which signed statement) a proof rests on."""

    release_id: str = Field(description="empty for a statement, which belongs to no release")
    path: str = Field(description="relative to the subject's directory; of a statement, to the evidence root")
    sha256: Digest = Field(description="of the file; of several cells: of their `<sha256>  <path>` lines")
    cells: int = Field(0, ge=0)


class Proof(Model):
    """One of the things that a requirement names."""

    kind: ProofKind
    name: str
    standing: Standing
    since: AwareDatetime | None = Field(None, description="when the evidence it rests on was sealed")
    expires_at: AwareDatetime | None = None
    rests_on: tuple[Rest, ...] = ()
    missing: tuple[str, ...] = Field((), description="what is not proven, and why; the first few")
    more_missing: int = Field(0, ge=0)
    next_step: str | None = None


class RequirementState(Model):
    """One line of the policy for one connector."""

    id: str
    level: str
    text: str
    standing: Standing
    for_next: Standing = Field(description="as the next level asks it: on better services, perhaps")
    expires_at: AwareDatetime | None = None
    proofs: tuple[Proof, ...] = Field(description="as the next level asks for them")


class Seen(StrEnum):
    """What a day looked like for a connector, worst first."""

    RED = "red"
    FLAKY = "flaky"
    GREEN = "green"
    """A scheduled run, whole and green."""
    UNSCHEDULED = "unscheduled"
    """Green, but begun by hand or of a part: it counts for no soak."""
    INCONCLUSIVE = "inconclusive"


class SoakDay(Model):
    """One day (UTC) with at least one run; days without are not listed."""

    day: date
    seen: Seen


class Streak(Model):
    """Green scheduled runs in a row, up to now."""

    check: str
    runs: int = Field(ge=0, description="on so many different days (UTC)")
    needs_runs: int
    started_at: AwareDatetime | None = None
    last_at: AwareDatetime | None = None
    needs_days: float
    enough_at: AwareDatetime | None = Field(None, description="when it will do, if every run stays green")
    broken_at: AwareDatetime | None = Field(None, description="when the streak before it ended")
    broken_by: str | None = None
    days: tuple[SoakDay, ...] = Field((), description="the last weeks, oldest first")


REFUTED_BY = "refuted by "
"""How the reason of a loss begins when something that was granted was seen to fail."""


class LevelChange(Model):
    """A level that was gained or lost."""

    at: AwareDatetime
    before: str | None
    after: str | None
    why: str

    @property
    def refuted(self) -> bool:
        """Whether it was lost because something was seen to fail, and not for want of proof."""
        return self.why.startswith(REFUTED_BY)


class ConnectorLevel(Model):
    """One connector (or route) under one policy."""

    name: str = Field(description="<engine>/<system>, or <engine>/<source>_to_<sink>")
    unit: Unit
    roles: tuple[str, ...]
    policy: str
    level: str | None = Field(description="None: not even the lowest")
    next_level: str | None
    why: str = Field(description="in a sentence")
    suspended: bool = Field(description="something that was granted was seen to fail")
    expires_at: AwareDatetime | None = Field(None, description="when the first proof of the level expires")
    notice_until: AwareDatetime | None = Field(
        None, description="a proof of the level has expired: it is lost then, unless proven again"
    )
    next_step: str | None
    missing: tuple[str, ...] = Field(description="requirements of the next level that are not proven")
    requirements: tuple[RequirementState, ...]
    streaks: tuple[Streak, ...] = ()
    changes: tuple[LevelChange, ...] = Field((), description="oldest first")
    first_achieved: dict[str, AwareDatetime] = Field({}, description="level -> when it was first granted")
    lost: dict[str, AwareDatetime] = Field({}, description="level -> when it was last lost")
    stated: str | None = Field(None, description="what the connector's page says of itself")


class ConnectorLevels(Decision):
    """All connectors of one subject. Green: what their pages state is what is proven."""

    KIND: ClassVar[str] = "connector_levels"

    chain: ChainLink | None = Field(description="the newest entry that was read; None: no sound chain")
    releases: int = Field(description="of this very subject, that were read")
    policies: dict[str, Digest] = Field(description="policy -> digest of what it asks")
    attestations: dict[str, Digest] = Field({}, description="signed statements that were trusted, by path")
    connectors: tuple[ConnectorLevel, ...]
