"""Dossiers: red up to the level that is granted or claimed, amber above, and never green by absence."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.policies import Unit
from certification_pipeline.evidence.levels import (
    ConnectorLevel,
    Proof,
    ProofKind,
    RequirementState,
    Standing,
)
from certification_pipeline.orchestration.build import build_defs
from certification_pipeline.orchestration.dossier import check_of
from certification_pipeline.orchestration.names import RELEASE_TAG, connector_key, requirement_check
from certification_pipeline.orchestration.resources import CertificationResource
from tests.orchestration.conftest import every_family, failures
from tests.report.on_disk import write_release

KEY = connector_key("reference", "postgres")
POLICY = load_catalog().policies["dpone"]
STEP = "certify run --scenario rec.*"


def standing(
    how: Standing, *, granted: str | None, stated: str | None = None, level: str = "beta"
) -> ConnectorLevel:
    """One requirement of ``level`` as it stands, of a connector that was granted and claims something."""
    line = next(line for each in POLICY.levels if each.id == level for line in each.everything)
    proof = Proof(
        kind=ProofKind.SCENARIO, name="x", standing=how, missing=("it was seen to fail",), next_step=STEP
    )
    state = RequirementState(
        id=line.id, level=level, text=line.text, standing=how, for_next=how, proofs=(proof,)
    )
    return ConnectorLevel(
        name="reference/postgres",
        unit=Unit.CONNECTOR,
        roles=("source",),
        policy="dpone",
        level=granted,
        next_level="beta",
        why="said",
        suspended=False,
        next_step=None,
        missing=(),
        requirements=(state,),
        stated=stated,
    )


def judged(one: ConnectorLevel | None, level: str = "beta") -> dg.AssetCheckResult:
    place = [each.id for each in POLICY.levels].index(level) + 1
    line = next(line for each in POLICY.levels if each.id == level for line in each.everything)
    return check_of(KEY, POLICY, place, line, [one] if one else [])


@pytest.mark.parametrize(
    ("how", "granted", "stated", "passed", "severity"),
    [
        (Standing.PROVEN, "beta", None, True, "WARN"),
        (Standing.INAPPLICABLE, None, None, True, "WARN"),
        (Standing.UNPROVEN, "experimental", None, False, "WARN"),
        (Standing.UNPROVEN, "beta", None, False, "ERROR"),
        (Standing.REFUTED, "production-certified", None, False, "ERROR"),
        (Standing.REFUTED, "experimental", None, False, "WARN"),
        (Standing.REFUTED, None, "beta", False, "ERROR"),
        (Standing.NOTICE, "beta", None, False, "WARN"),
    ],
)
def test_red_up_to_what_is_granted_or_claimed(
    how: Standing, granted: str | None, stated: str | None, passed: bool, severity: str
) -> None:
    found = judged(standing(how, granted=granted, stated=stated))
    assert (found.passed, found.severity.value) == (passed, severity)
    assert found.check_name == "dpone_2_beta_credentials"


def test_what_is_missing_comes_with_its_command() -> None:
    told = judged(standing(Standing.UNPROVEN, granted=None)).description
    assert told == f"unproven: it was seen to fail. Next: {STEP}"


def test_a_connector_nobody_speaks_of_has_proven_nothing() -> None:
    found = judged(None)
    assert not found.passed
    assert "No release" in (found.description or "")


def test_every_requirement_is_a_check_sorted_by_level_and_there_are_not_too_many() -> None:
    catalog = every_family()
    graph = build_defs(CertificationResource(evidence_dir="unused"), catalog).resolve_asset_graph()
    names = sorted(check.name for check in graph.asset_check_keys if check.asset_key == KEY)
    policies = [one for one in catalog.policies.values() if Unit.CONNECTOR in one.units]
    assert names == sorted(
        requirement_check(one.id, place, line.id)
        for one in policies
        for place, level in enumerate(one.levels, start=1)
        for line in level.everything
    )
    assert len(names) < 50
    dpone = [name for name in names if name.startswith("dpone_")]
    assert [name.split("_")[1] for name in dpone] == sorted(name.split("_")[1] for name in dpone)
    assert not any(
        graph.get_check_spec(key).blocking for key in graph.asset_check_keys if key.asset_key == KEY
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.ExecuteInProcessResult]:
    """The dossiers of a release on disk: no engine is started for them."""
    root = tmp_path_factory.mktemp("dossiers")
    write_release(root, "reference", release_id="r1")
    defs = build_defs(CertificationResource(evidence_dir=str(root)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CERTIFY_LEVELS_CACHE", "")
        yield defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=dg.DagsterInstance.ephemeral(),
            tags={RELEASE_TAG: "r1"},
            asset_selection=[KEY, connector_key("reference", "parquet")],
            raise_on_error=False,
        )


@pytest.mark.nightly
def test_a_dossier_says_level_missing_and_how_to_rerun(made: dg.ExecuteInProcessResult) -> None:
    assert made.success, failures(made)
    shown = {e.asset_key: e.materialization.metadata for e in made.get_asset_materialization_events()}
    metadata = shown[KEY]
    assert {"0_levels", "1_missing", "2_next_step", "3_requirements"} <= set(metadata)
    levels = metadata["0_levels"]
    assert isinstance(levels, dg.TableMetadataValue)
    assert {row.data["policy"] for row in levels.records} == {"dpone", "krishiv"}
    page = metadata["3_requirements"]
    assert isinstance(page, dg.MarkdownMetadataValue)
    header, _, *lines = (
        [cell.strip() for cell in row.split(" | ")] for row in str(page.md_str).strip().splitlines()
    )
    at = header.index("standing")
    ranks = [list(Standing).index(Standing(line[at])) for line in lines]
    assert ranks == sorted(ranks)
    assert isinstance(metadata["1_missing"], dg.TableMetadataValue)
    assert "](/" in str(metadata["1_where_to_click"].value)
    assert isinstance(metadata["dpone_proven"], dg.IntMetadataValue)
    checks = [e for e in made.get_asset_check_evaluations() if e.asset_key == KEY]
    assert len(checks) == len(lines)
    assert not all(check.passed for check in checks)
