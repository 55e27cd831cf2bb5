"""A real dbt run, recorded: what every test here starts from, then damages."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.evidence.dbt.assess import Assessed, assess
from certification_pipeline.evidence.dbt.decision import dbt_lineage
from certification_pipeline.evidence.dbt_lineage import DbtLineage, DbtTarget
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.families.dbt_lineage.keeping import with_digests, write
from tests.evidence.builders import SMALL, key, planned, provenance, release

RECORDED = Path(__file__).with_name("recorded")
FOLDER = "dbt/duckdb"
ROLES = ("manifest", "run_results", "catalog", "first_run_results")
CELLS = (*SMALL, planned(key(Strategy.SNAPSHOT_DIFF, "strategy.snapshot_diff")))
ORDERS = "model.certified_orders.orders_current"
STAGED = "model.certified_orders.stg_orders"
HISTORY = "snapshot.certified_orders.orders_history"
LANDED = "source.certified_orders.landing.standard"
UNIQUE = "test.certified_orders.unique_stg_orders_order_id.e3b841c71a"


@dataclass
class Recorded:
    """The run's files and what was seen beside it, to be changed by a test."""

    files: dict[str, Any] = field(
        default_factory=lambda: {role: json.loads((RECORDED / f"{role}.json").read_text()) for role in ROLES}
    )
    seen: dict[str, Any] = field(default_factory=lambda: json.loads((RECORDED / "seen.json").read_text()))

    def result(self, unique_id: str, role: str = "run_results") -> dict[str, Any]:
        found: dict[str, Any] = next(
            each for each in self.files[role]["results"] if each["unique_id"] == unique_id
        )
        return found

    def node(self, unique_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.files["manifest"]["nodes"][unique_id]
        return found

    def sql(self, unique_id: str, code: str) -> None:
        """What dbt would have compiled and run."""
        self.node(unique_id)["compiled_code"] = code
        self.result(unique_id)["compiled_code"] = code

    def content(self) -> dict[str, bytes]:
        return {
            f"{FOLDER}/{role}.json": value if isinstance(value, bytes) else json.dumps(value).encode()
            for role, value in self.files.items()
        }

    def target(self) -> DbtTarget:
        return DbtTarget.model_validate_json(json.dumps(self.seen))

    def assess(self) -> Assessed:
        return assess(self.target(), "executed", self.content())

    def codes(self) -> list[str]:
        return [finding.code for finding in self.assess().findings]

    def on_disk(self, root: Path) -> tuple[SubjectDir, CertificationPlan, DbtLineage]:
        """A release with this run in it, made half an hour after its plan was sealed."""
        directory, plan = release(root, CELLS)
        content = self.content()
        made, events = dbt_lineage(
            plan,
            provenance(30),
            source="executed",
            seen=[with_digests(self.target(), content)],
            content=content,
            tool_digest="sha256:" + "ef" * 32,
        )
        return directory, plan, write(directory, made, content, events)


Damage = Callable[[Recorded], object]
