"""The sealed plan: every cell that must have an outcome, fixed by digest before anything runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from certification_pipeline.catalog.vocabulary import Family, Guarantee, ReasonCode, Support
from certification_pipeline.evidence.artifact import Artifact, Digest, Model
from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.evidence.suite import ItemName


class PlannedCell(Model):
    """One cell and what is to become of it."""

    key: CellKey
    scenario_version: int
    rows: int
    seed: int
    support: Support | None = None
    guarantee: Guarantee | None = None
    required: bool = Field(description="inside the profile's scope: anything but passed is a blocker")
    disposition: Literal["run", "inapplicable", "untested"]
    reason: ReasonCode | None = None
    detail: str | None = None
    remedy: str | None = None


class Selection(Model):
    """fnmatch patterns a plan was narrowed to; empty means everything. A narrowed plan is another plan."""

    routes: tuple[str, ...] = Field((), description="over route ids, e.g. postgres_to_*")
    strategies: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    families: tuple[str, ...] = Field((), description="over evidence families beside the matrix")


class Trigger(StrEnum):
    """Who began a release."""

    SCHEDULE = "schedule"
    """A timetable: only such releases count for a soak."""
    MANUAL = "manual"


class CertificationPlan(Artifact):
    """``certification_automation_plan.json``."""

    KIND: ClassVar[str] = "certification_automation_plan"
    LONG: ClassVar[str] = "cells"

    trigger: Trigger = Field(
        Trigger.MANUAL, description="who began the release; sealed with it, and no part of the work's digest"
    )

    catalog_digest: Digest
    catalog_parts: Digest | None = Field(
        None,
        description="sha256 of catalog.json beside the plan: the catalogue's parts that plan, gates and "
        "levels rest on; None: sealed by a version that kept none",
    )
    rows: int
    seed: int
    selection: Selection = Selection()
    families: tuple[Family, ...] = Field(
        (), description="evidence families beside the matrix that this release must not go without"
    )
    required: tuple[ItemName, ...] = Field(
        (),
        description="items of the suite that were asked for beside them when the release began; sealed with "
        "it, and no part of the work's digest",
    )
    cells: tuple[PlannedCell, ...]
    plan_digest: Digest

    @staticmethod
    def digest_of(
        catalog_digest: str,
        profile: str,
        engine: str,
        cells: Sequence[PlannedCell],
        selection: Selection = Selection(),  # noqa: B008 - frozen
        *,
        families: Sequence[Family] = (),
        parts: Digest | None = None,
    ) -> Digest:
        """Digest over everything that defines the work, in a canonical order."""
        ordered = sorted(cells, key=lambda cell: json.dumps(cell.key.model_dump(mode="json")))
        body = {
            "catalog": catalog_digest,
            "profile": profile,
            "engine": engine,
            "selection": selection.model_dump(mode="json"),
            "families": sorted(families),
            "cells": [],
            **({"parts": parts} if parts else {}),
        }
        # One cell at a time: all of them as JSON would take more memory than the plan.
        before, after = _compact(body).split(b'"cells":[]', 1)
        digest = hashlib.sha256(before + b'"cells":[')
        for number, cell in enumerate(ordered):
            digest.update((b"," if number else b"") + _compact(cell.model_dump(mode="json")))
        digest.update(b"]" + after)
        return "sha256:" + digest.hexdigest()

    def recompute_digest(self) -> Digest:
        """What ``plan_digest`` must be."""
        return self.digest_of(
            self.catalog_digest,
            self.profile,
            self.subject.engine,
            self.cells,
            self.selection,
            families=self.families,
            parts=self.catalog_parts,
        )


def _compact(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
