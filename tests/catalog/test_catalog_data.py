"""The packaged catalogue: the seeds' figures and words, and whether each page reads well."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.checklist import ChecklistItem, TestMarker
from certification_pipeline.catalog.loading import catalog_digest, load_catalog
from certification_pipeline.catalog.vocabulary import DriftKind, Fidelity, Guarantee, Strategy, Support
from certification_pipeline.harness.engines.protocol import RunRecord
from certification_pipeline.harness.workload.spec import LogicalType

DPONE_REQUIREMENTS = {
    "experimental": [
        "Importable without optional dependency leakage.",
        "Public docs mention required extras.",
        "Basic configuration examples exist.",
        "Offline construction tests exist for requests, SQL, or client options.",
    ],
    # "All experimental requirements." is what the order of levels means.
    "beta": [
        "Credential loading tests with fake providers.",
        "Retry/rate-limit behavior documented.",
        "Data type mapping tests.",
        "Incremental or pagination tests where applicable.",
        "Local integration test when a disposable service is practical.",
    ],
    # "All beta requirements." likewise.
    "production-certified": [
        "Live integration test profile behind `integration_live`.",
        "Idempotent rerun behavior documented and tested.",
        "Checkpoint recovery tested.",
        "Schema drift behavior documented.",
        "Failure taxonomy documented.",
        "Observability fields verified.",
        "Backward compatibility policy documented.",
    ],
}

DPONE_CHECKLIST = [
    "Documentation page.",
    "Example manifest.",
    "Credential model.",
    "Offline unit tests.",
    "Optional dependency smoke test.",
    "Integration test profile.",
    "Live test instructions.",
    "Known limitations.",
    "Changelog entry when level changes.",
]

DPONE_MARKERS = [
    "`unit`: default tests that require no external services.",
    "`integration`: local disposable infrastructure.",
    "`integration_live`: real vendor services and real credentials.",
    "`nightly`: scheduled broad validation.",
]

DPONE_MEANINGS = [
    "Use for connectors that are useful for development but not guaranteed for production.",
    "Use for connectors that are suitable for controlled workloads.",
    "Use for connectors approved for unattended production pipelines.",
]

KRISHIV_LABELS = {
    "Certified": "Passes the full certification.rs suite. Has a confirmed production deployment. "
    "Documented in this guide.",
    "Preview": "Code works, certification suite has run, but no production deployment yet. "
    "The API may change.",
    "Experimental": "Early-stage. May be incomplete. The API will change.",
}

KRISHIV_SIX = [
    "Source reconnect after connection loss.",
    "Source offset commit before the batch is acked.",
    "Sink write-failure rollback and retry.",
    "Two-phase commit prepare → coordinator crash → restart → resolve.",
    "Schema-evolution compatibility (added, dropped, widened columns).",
    "Late-event handling for sources with event time.",
]

ISSUE_SCENARIOS = (
    {f"strategy.{strategy}" for strategy in Strategy}
    | {f"batch.{name}" for name in ("full_refresh", "empty", "wide", "large")}
    | {"types.matrix", "ident.funky", "idem.rerun", "idem.state_lost"}
    | {f"incr.{name}" for name in ("cursor_ties", "null_cursor", "noop")}
    | {f"schema.{kind}" for kind in DriftKind}
    | {f"obs.{name}" for name in ("fields", "counts", "taxonomy")}
    | {"rec.crash_points", "rec.partial_replace", "rec.two_phase_commit", "deliv.exactly_once"}
    | {
        f"cdc.{name}"
        for name in (
            "snapshot_handoff",
            "same_position_crash",
            "pk_update",
            "delete_reinsert",
            "truncate",
            "slot_lost",
            "resnapshot",
            "txn_abort",
            "ddl_mid_stream",
        )
    }
    | {"event.late", "event.out_of_order", "compat.upgrade"}
    | {f"rec.{name}" for name in ("kill", "pause", "concurrent", "schema_change_interrupted")}
    | {f"rec.{name}" for name in ("source_reconnect", "offset_commit", "sink_write_failure", "sink_reset")}
    | {f"rec.{name}" for name in ("sink_refused", "half_open", "slow_network")}
    | {f"rec.{name}" for name in ("source_restart", "sink_restart")}
    | {f"api.{name}" for name in ("429", "5xx", "reset", "slow", "malformed", "token_expiry")}
    | {f"api.pages.{name}" for name in ("shift", "short", "empty", "loop")}
    | {f"rec.{name}" for name in ("state_lost", "state_corrupt", "state_stale", "clock_skew", "disk_full")}
)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def test_the_packaged_catalogue_is_read_once(catalog: Catalog) -> None:
    assert load_catalog() is catalog
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", catalog_digest(catalog))


class TestMatrix:
    def test_has_30_pairs_and_237_cases(self, catalog: Catalog) -> None:
        cases = catalog.matrix.cases()
        assert len(cases) == len(set(cases)) == 237
        assert len({(source, sink) for source, sink, _ in cases}) == 30

    def test_cases_per_source(self, catalog: Catalog) -> None:
        assert Counter(source for source, _, _ in catalog.matrix.cases()) == {
            "postgres": 47,
            "mssql": 42,
            "mysql": 37,
            "clickhouse": 37,
            "api": 37,
            "kafka": 37,
        }

    def test_cases_per_strategy(self, catalog: Catalog) -> None:
        assert Counter(strategy for _, _, strategy in catalog.matrix.cases()) == (
            dict.fromkeys(
                ("full_refresh", "incremental_append", "incremental_merge", "replace", "snapshot_diff"), 30
            )
            | dict.fromkeys(("partition_replace", "scd2", "backfill"), 24)
            | {"cdc": 10, "xmin": 5}
        )

    def test_bigquery_has_51(self, catalog: Catalog) -> None:
        assert sum(sink == "bigquery" for _, sink, _ in catalog.matrix.cases()) == 51


class TestScenarios:
    def test_are_those_of_the_issue(self, catalog: Catalog) -> None:
        assert set(catalog.scenarios) == ISSUE_SCENARIOS

    def test_each_reads_as_a_page(self, catalog: Catalog) -> None:
        for scenario in catalog.scenarios.values():
            assert "MUST" in scenario.passes_when, scenario.id
            assert not scenario.title.endswith("."), scenario.id
            for text in (scenario.purpose, scenario.method, scenario.passes_when, scenario.remedy):
                assert text.endswith("."), scenario.id
                assert text[0].isupper() or text[0] == "`", scenario.id
                assert "\n" not in text, scenario.id
                assert 30 < len(text) < 420, (scenario.id, len(text))

    def test_no_two_say_the_same(self, catalog: Catalog) -> None:
        for part in ("title", "purpose", "passes_when", "remedy"):
            counts = Counter(getattr(scenario, part) for scenario in catalog.scenarios.values())
            assert [text for text, count in counts.items() if count > 1] == [], part

    def test_each_strategy_has_its_own(self, catalog: Catalog) -> None:
        for strategy in Strategy:
            assert catalog.scenarios[f"strategy.{strategy}"].strategies == (strategy,)

    def test_drift_scenarios_name_their_drift(self, catalog: Catalog) -> None:
        schema = [s for s in catalog.scenarios.values() if s.id.startswith("schema.")]
        drifts = {s.id: s.requires_drift for s in schema}
        assert drifts == {f"schema.{kind}": kind for kind in DriftKind}


class TestPolicies:
    def test_dpone_requirements_are_the_seeds_words(self, catalog: Catalog) -> None:
        levels = catalog.policies["dpone"].levels
        assert {level.id: [r.text for r in level.requirements] for level in levels} == DPONE_REQUIREMENTS
        assert [level.id for level in levels] == ["experimental", "beta", "production-certified"]

    def test_dpone_holds_every_other_line_of_its_document(self, catalog: Catalog) -> None:
        policy = catalog.policies["dpone"]
        assert [line.text for line in policy.checklist] == DPONE_CHECKLIST
        assert {line.item for line in policy.checklist} == set(ChecklistItem) - {ChecklistItem.LIVE_TESTS}
        assert [line.text for line in policy.markers] == DPONE_MARKERS
        assert [line.marker for line in policy.markers] == list(TestMarker)
        assert [level.includes for level in policy.levels] == [
            None,
            "All experimental requirements.",
            "All beta requirements.",
        ]
        assert [level.meaning for level in policy.levels] == DPONE_MEANINGS
        assert (
            catalog.policies["dpone"].levels[-1].also[0].text.startswith("Promote after recurring CDC/XMin")
        )

    def test_krishivs_labels_are_the_documents_words(self, catalog: Catalog) -> None:
        assert {level.title: level.meaning for level in catalog.policies["krishiv"].levels} == KRISHIV_LABELS

    def test_every_proof_is_of_something_that_exists(self, catalog: Catalog) -> None:
        """Scenarios and checks are held by the catalogue itself; documents lie in this checkout."""
        docs = Path(__file__).parents[2]
        for policy in catalog.policies.values():
            lines = [line for level in policy.levels for line in level.everything]
            for template in {document for line in lines for document in line.documents}:
                for connector in ("reference/postgres", "reference/duckdb", "dlt/sqlite"):
                    path, _, anchor = template.format(connector=connector).partition("#")
                    titles = re.findall(r"^## +(.+?)\s*$", (docs / path).read_text(), re.MULTILINE)
                    anchors = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in titles}
                    assert not anchor or anchor in anchors, template

    def test_the_highest_levels_need_real_services(self, catalog: Catalog) -> None:
        for policy in catalog.policies.values():
            assert set(policy.levels[-1].fidelity) == {Fidelity.VENDOR, Fidelity.REAL}

    def test_krishiv_has_the_canonical_six(self, catalog: Catalog) -> None:
        levels = catalog.policies["krishiv"].levels
        assert [level.id for level in levels] == ["experimental", "preview", "certified"]
        assert [r.text for r in levels[-1].requirements][:6] == KRISHIV_SIX

    def test_krishiv_certified_needs_28_days_and_a_dated_attestation(self, catalog: Catalog) -> None:
        policy = catalog.policies["krishiv"]
        needed = {check for requirement in policy.levels[-1].requirements for check in requirement.checks}
        assert {"soak.four_weeks", "attestation.production_deployment"} <= needed
        assert "28 days" in policy.checks["soak.four_weeks"].passes_when
        assert "dated" in policy.checks["attestation.production_deployment"].passes_when

    def test_nothing_is_proven_by_nothing(self, catalog: Catalog) -> None:
        for policy in catalog.policies.values():
            for level in policy.levels:
                assert level.requirements
                for requirement in level.requirements:
                    assert requirement.scenarios or requirement.checks or requirement.documents


class TestProfiles:
    def test_bear_the_seeds_names(self, catalog: Catalog) -> None:
        assert {p.id: p.seed_name for p in catalog.profiles.values()} == {
            "embedded": "mock_contract",
            "local": "mock_local",
            "live": "vendor_live",
        }

    def test_embedded_is_what_pip_installs(self, catalog: Catalog) -> None:
        embedded = catalog.profiles["embedded"]
        assert set(embedded.systems) == {
            "postgres",
            "api",
            "duckdb",
            "sqlite",
            "parquet",
            "delta",
            "iceberg",
            "hudi",
        }
        assert embedded.rows == 10_000
        assert embedded.engines == ("reference", "dlt")

    def test_each_includes_the_one_before(self, catalog: Catalog) -> None:
        embedded, local, live = (set(catalog.profiles[p].systems) for p in ("embedded", "local", "live"))
        assert embedded < local < live == set(catalog.systems)

    def test_the_matrix_is_reachable_live(self, catalog: Catalog) -> None:
        named = {*catalog.matrix.sources, *catalog.matrix.sinks}
        assert named <= set(catalog.profiles["live"].systems)


class TestReferenceEngine:
    SINKS = ("postgres", "duckdb", "sqlite", "parquet")

    def test_claims_all_ten_strategies_on_four_routes(self, catalog: Catalog) -> None:
        engine = catalog.engines["reference"]
        for sink in self.SINKS:
            route = engine.route("postgres", sink)
            assert route is not None
            assert set(route.strategies) == set(Strategy)
            for claim in route.strategies.values():
                assert claim.support is Support.FULL
                assert claim.guarantee is not None
                assert claim.guarantee.rank >= Guarantee.EFFECTIVELY_ONCE.rank

    FROM_AN_API = (
        Strategy.FULL_REFRESH,
        Strategy.INCREMENTAL_APPEND,
        Strategy.INCREMENTAL_MERGE,
        Strategy.SNAPSHOT_DIFF,
        Strategy.SCD2,
    )

    def test_says_something_about_each_case_of_the_matrix(self, catalog: Catalog) -> None:
        engine = catalog.engines["reference"]
        for source, sink, strategy in catalog.matrix.cases():
            route = engine.route(source, sink)
            assert route is not None
            expected = Support.FULL if (source, sink) == ("postgres", "postgres") else Support.NOT_IMPLEMENTED
            if (source, sink) == ("api", "postgres") and strategy in self.FROM_AN_API:
                expected = Support.FULL
            assert route.strategies[strategy].support is expected

    def test_declares_each_drift_where_drift_is_tested(self, catalog: Catalog) -> None:
        for sink in self.SINKS:
            route = catalog.engines["reference"].route("postgres", sink)
            assert route is not None
            for scenario in catalog.scenarios.values():
                if scenario.requires_drift:
                    for strategy in scenario.strategies:
                        assert route.drift_behaviour(strategy, scenario.requires_drift) is not None

    def test_no_claimed_field_is_unknown_to_the_run_record(self, catalog: Catalog) -> None:
        for engine in catalog.engines.values():
            assert set(engine.reports) <= set(RunRecord.model_fields), engine.id

    def test_reports_all_a_successful_run_has(self, catalog: Catalog) -> None:
        """A failure category is no field of a success: obs.taxonomy looks at it. Late rows are not seen."""
        expected = set(RunRecord.model_fields) - {"failure_category", "late_rows"}
        assert set(catalog.engines["reference"].reports) == expected


def test_type_rules_are_about_known_logical_types(catalog: Catalog) -> None:
    for system, rules in catalog.types.items():
        assert set(rules) <= {str(t) for t in LogicalType}, system
