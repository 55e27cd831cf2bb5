# ruff: noqa: PLC0414 - named twice, as type checkers take it for an export
"""The rooms underneath, imported when a step first needs them and not when the code location loads.

Data frames, databases and cryptography take seconds to import, and every process that looks at the code
location loads it. Steps say ``late.run_cells``; for a type checker it is the real one. In an annotation it is
quoted, or it would be needed at once.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame as DataFrame

    from certification_pipeline.evidence.calibration import Trial as Trial
    from certification_pipeline.evidence.calibration_basis import basis_of as basis_of
    from certification_pipeline.evidence.calibration_basis import kept_in as kept_in
    from certification_pipeline.evidence.chain_dir import chained_engines as chained_engines
    from certification_pipeline.evidence.levels import ConnectorLevel as ConnectorLevel
    from certification_pipeline.evidence.levels import ConnectorLevels as ConnectorLevels
    from certification_pipeline.evidence.markdown import markdown as markdown
    from certification_pipeline.evidence.schema import ARTIFACTS as ARTIFACTS
    from certification_pipeline.evidence.stores.opening import open_store as open_store
    from certification_pipeline.evidence.stores.remote import measure as measure
    from certification_pipeline.evidence.summary import ReleaseSummary as ReleaseSummary
    from certification_pipeline.families.plan import PlanError as PlanError
    from certification_pipeline.gates.decide import write_evidence_bundle as write_evidence_bundle
    from certification_pipeline.gates.decide import write_report as write_report
    from certification_pipeline.gates.decide import write_strategy_bundle as write_strategy_bundle
    from certification_pipeline.gates.decide import write_suite as write_suite
    from certification_pipeline.gates.decide import write_summary as write_summary
    from certification_pipeline.gates.families import verification_of as verification_of
    from certification_pipeline.gates.publish import WHOLE as WHOLE
    from certification_pipeline.gates.publish import of_a_part as of_a_part
    from certification_pipeline.gates.publish import publish as publish
    from certification_pipeline.gates.transfer.push import push as push
    from certification_pipeline.gates.transfer.remote_chain import refuse_evidence as refuse_evidence
    from certification_pipeline.gates.verification import read_plan as read_plan
    from certification_pipeline.harness.engines.environment import EngineUnavailable as EngineUnavailable
    from certification_pipeline.harness.events import FamilyFinished as FamilyFinished
    from certification_pipeline.harness.events import OnEvent as OnEvent
    from certification_pipeline.harness.events import RunEvent as RunEvent
    from certification_pipeline.harness.services.provider import ServiceError as ServiceError
    from certification_pipeline.harness.worker import HARNESS_LOG as HARNESS_LOG
    from certification_pipeline.harness.workshop import MissingEngine as MissingEngine
    from certification_pipeline.harness.workshop import ReadyEngine as ReadyEngine
    from certification_pipeline.orchestration.chained import chained as chained
    from certification_pipeline.orchestration.columns import rate as rate
    from certification_pipeline.orchestration.columns import route_columns as route_columns
    from certification_pipeline.orchestration.decided import Recomputed as Recomputed
    from certification_pipeline.orchestration.decided import decided as decided
    from certification_pipeline.orchestration.dossier import check_of as check_of
    from certification_pipeline.orchestration.dossier import dossier as dossier
    from certification_pipeline.orchestration.events import log_to as log_to
    from certification_pipeline.orchestration.kept import Judged as Judged
    from certification_pipeline.orchestration.kept import hour_of as hour_of
    from certification_pipeline.orchestration.kept import judge as judge
    from certification_pipeline.orchestration.kept import judge_if_any as judge_if_any
    from certification_pipeline.orchestration.pruning import prune as prune
    from certification_pipeline.orchestration.render import Metadata as Metadata
    from certification_pipeline.orchestration.render import cells_metadata as cells_metadata
    from certification_pipeline.orchestration.render import evidence_link as evidence_link
    from certification_pipeline.orchestration.render import figures as figures
    from certification_pipeline.orchestration.render import file_paths as file_paths
    from certification_pipeline.orchestration.render import matrix as matrix
    from certification_pipeline.orchestration.render import page as page
    from certification_pipeline.orchestration.render import table as table
    from certification_pipeline.orchestration.render import what_to_do as what_to_do
    from certification_pipeline.orchestration.shown import shown as shown
    from certification_pipeline.pipeline.calibrate import Asked as Asked
    from certification_pipeline.pipeline.calibrate import calibrate as calibrate
    from certification_pipeline.pipeline.cells import run_cells as run_cells
    from certification_pipeline.pipeline.families import make_families as make_families
    from certification_pipeline.pipeline.notices import Passed as Passed
    from certification_pipeline.pipeline.notices import notify_once as notify_once
    from certification_pipeline.pipeline.notices import tell as tell
    from certification_pipeline.pipeline.releases import SealedRelease as SealedRelease
    from certification_pipeline.pipeline.releases import alone as alone
    from certification_pipeline.pipeline.releases import reopen_release as reopen_release
    from certification_pipeline.pipeline.releases import seal_plans as seal_plans
    from certification_pipeline.pipeline.upgrades.certify import certify_upgrade as certify_upgrade
    from certification_pipeline.pipeline.upgrades.configured import configured_index as configured_index
    from certification_pipeline.pipeline.upgrades.watch import Verdict as Verdict
    from certification_pipeline.pipeline.upgrades.watch import Watched as Watched
    from certification_pipeline.pipeline.upgrades.watch import watch as watch
    from certification_pipeline.report.loading import load_release as load_release
    from certification_pipeline.report.loading import load_subject as load_subject
    from certification_pipeline.report.pages import write_pages as write_pages
    from certification_pipeline.report.release import Selection as Selection
    from certification_pipeline.report.release import SubjectView as SubjectView
    from certification_pipeline.report.tables import why as why
    from certification_pipeline.report.tally import WORD as WORD
    from certification_pipeline.report.upgrade import UPGRADE_PAGE as UPGRADE_PAGE
    from certification_pipeline.report.upgrade import Upgrade as Upgrade
    from certification_pipeline.report.upgrade import regressions_table as regressions_table
    from certification_pipeline.report.upgrade import state_table as state_table
    from certification_pipeline.report.upgrade import upgrade_markdown as upgrade_markdown


@cache
def _room_of() -> Mapping[str, str]:
    """Name -> room, read from the one list there is: the imports above, as the type checker reads them."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = (node for node in block.body if isinstance(node, ast.ImportFrom))
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def __getattr__(name: str) -> object:
    """What a room offers. Raises ``AttributeError`` for what is not named above."""
    if name not in _room_of():
        raise AttributeError(name)
    return getattr(import_module(_room_of()[name]), name)
