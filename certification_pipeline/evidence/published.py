"""``docs/published/<engine>.json``: what is said in public about one release, small enough to lie in git.

Made from verified evidence, and the only thing that badges and pages are drawn from: whoever edits a page by
hand disagrees with the record, and whoever edits the record disagrees with its digest and with itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from pydantic import AwareDatetime, Field, model_validator

from certification_pipeline.catalog.vocabulary import Fidelity, Guarantee, Outcome, ReasonCode, Strategy
from certification_pipeline.evidence.artifact import DIGEST_PATTERN, Digest, Model
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.plan import Selection
from certification_pipeline.evidence.summary import ChainLink


class PublishedCell(Model):
    """One planned cell: what became of it, and the digest of the file that shows it."""

    source: str
    sink: str
    strategy: Strategy
    scenario: str
    outcome: Outcome
    required: bool
    flaky: bool = False
    reason: ReasonCode | None = None
    sha256: Digest | None = None
    seen: str | None = Field(None, description="of what did not pass: what was seen, in words")
    findings: tuple[str, ...] = Field((), description="ids of findings that explain a failure")

    @property
    def route(self) -> str:
        """``postgres_to_duckdb``."""
        return f"{self.source}_to_{self.sink}"

    @model_validator(mode="after")
    def _rests_on_a_file(self) -> Self:
        if self.outcome in (Outcome.PASSED, Outcome.FAILED) and self.sha256 is None:
            raise ValueError(f"{self.outcome.value}, but names no evidence")
        return self


class PublishedGap(Model):
    """Cells of one route and strategy of which there is no evidence, for one reason."""

    source: str
    sink: str
    strategy: Strategy
    outcome: Outcome
    reason: ReasonCode | None
    scenarios: tuple[str, ...]

    @model_validator(mode="after")
    def _proves_nothing(self) -> Self:
        if self.outcome not in (Outcome.UNTESTED, Outcome.INAPPLICABLE):
            raise ValueError(f"{self.outcome.value} is said of cells without evidence")
        return self


class PublishedService(Model):
    """A real thing that rows were moved from or to."""

    system: str
    provider: str
    fidelity: Fidelity
    version: str


class PublishedFamily(Model):
    """One evidence family beside the cells, as its gate decided."""

    name: str
    title: str
    outcome: Outcome
    says: str = Field(description="its figures in one line")


class PublishedGuarantee(Model):
    """What broken loads showed on one route under one strategy."""

    route: str
    strategy: Strategy
    declared: Guarantee | None
    observed: Guarantee = Field(description="the strongest that nothing observed speaks against")
    verdict: str
    outcome: Outcome
    kills: int = Field(ge=0)
    lost: int = Field(ge=0)
    repeated: int = Field(ge=0)
    at_most: float | None = Field(None, description="share of broken loads that harm rows, at most, at 95 %")

    @property
    def nothing_seen(self) -> bool:
        """No load was broken: that nothing speaks against the strongest guarantee shows nothing."""
        return self.kills == 0 and self.observed is Guarantee.EXACTLY_ONCE


class PublishedCalibration(Model):
    """What the bench of this release made of engines that are wrong on purpose."""

    outcome: Outcome
    killed: int
    planted: int
    false_alarms: int
    clean_runs: int
    made_at: AwareDatetime


class PublishedLevel(Model):
    """The level a policy grants to one connector."""

    connector: str = Field(description="a system, or a route, as the policy counts them")
    roles: tuple[str, ...]
    policy: str
    level: str | None = Field(description="None: not even the lowest")
    highest: bool = Field(description="the policy has none above it")
    why: str
    next_step: str | None
    expires_at: AwareDatetime | None = Field(None, description="when it is lost unless proven again")


class PublishedRecord(Decision):
    """One engine's release in public. Its outcome is the release gate's, verified when this was made."""

    KIND: ClassVar[str] = "published_record"

    summary_sha256: Digest = Field(pattern=DIGEST_PATTERN, description="of release_summary.json")
    plan_digest: Digest = Field(pattern=DIGEST_PATTERN)
    chain: ChainLink | None
    signed_by: str | None = Field(
        None, description="id of the key that signed the release's statements; None: unsigned, no author"
    )
    statement: str | None = Field(
        None,
        description="the SLSA verification summary this was drawn from, as it was signed: the DSSE envelope "
        "out of the release's decisions.intoto.jsonl",
    )
    selection: Selection = Field(description="what the plan was narrowed to; empty means everything")
    rows: int
    seed: int
    made_by: str = Field(
        description="version of certification_pipeline that moved the rows, with its revision"
    )
    evidence_from: AwareDatetime | None = Field(description="when the oldest cell that counts was finished")
    evidence_until: AwareDatetime | None
    fresh_days: int = Field(ge=1, description="how long evidence counts")
    services: tuple[PublishedService, ...]
    families: tuple[PublishedFamily, ...]
    calibration: PublishedCalibration | None
    levels: tuple[PublishedLevel, ...]
    guarantees: tuple[PublishedGuarantee, ...]
    cells: tuple[PublishedCell, ...] = Field(description="of which there is evidence, or must be")
    gaps: tuple[PublishedGap, ...] = Field(description="all other cells of the plan")

    def tried(self) -> Iterator[PublishedCell]:
        """Cells that ran, whatever came of it."""
        nothing = (Outcome.UNTESTED, Outcome.INAPPLICABLE)
        return (cell for cell in self.cells if cell.outcome not in nothing)

    def planned(self) -> Iterator[PublishedCell]:
        """Every cell of the plan."""
        yield from self.cells
        for gap in self.gaps:
            for scenario in gap.scenarios:
                yield PublishedCell(
                    source=gap.source,
                    sink=gap.sink,
                    strategy=gap.strategy,
                    scenario=scenario,
                    outcome=gap.outcome,
                    required=False,
                    reason=gap.reason,
                )

    def by_route(self) -> dict[str, tuple[PublishedCell, ...]]:
        """What the engine claims, route by route."""
        routes: dict[str, list[PublishedCell]] = {}
        for cell in self.planned():
            if cell.outcome is not Outcome.INAPPLICABLE:
                routes.setdefault(cell.route, []).append(cell)
        return {route: tuple(routes[route]) for route in sorted(routes)}

    @model_validator(mode="after")
    def _says_no_more_than_its_cells(self) -> Self:
        """Green needs cells, all required ones passed, and evidence with a date and a link of the chain."""
        if self.passed:
            required = [cell.outcome for cell in self.cells if cell.required]
            if not required or any(outcome is not Outcome.PASSED for outcome in required):
                raise ValueError("passed, but not every required cell is")
            if self.evidence_from is None or self.chain is None or not self.subject.artifact_digest:
                raise ValueError("passed, but does not name what it rests on")
        seen: set[tuple[str, str, str]] = set()
        for cell in self.planned():
            name = (cell.route, cell.strategy.value, cell.scenario)
            if name in seen:
                raise ValueError(f"holds {'/'.join(name)} twice")
            seen.add(name)
        return self


def claimed_outcome(cells: Iterable[PublishedCell]) -> Outcome:
    """The worst of all of them, required or not: a badge over a gap is no green."""
    return Outcome.worst(cell.outcome for cell in cells)
