"""The five false greens of dpone 0.88: each is played here with dpone's own shapes, and none is believed."""

from __future__ import annotations

import hashlib
import json

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.foreign.dpone.decided import ChainEntry
from certification_pipeline.gates.foreign.dpone.chain import chain_hash
from tests.foreign.conftest import Spoilt

TYPED = {"passed": True, "evidence_status": "PASS", "release_id": "v1"}
BENCHMARK = "benchmark/benchmark_baseline.json"


def digest(folder: Spoilt, path: str) -> str:
    return hashlib.sha256((folder.root / path).read_bytes()).hexdigest()


# 1. Three fields typed by hand and used three times made the release summary green with 0 cases.


@pytest.mark.parametrize("name", ["certification_report", "certification_suite", "release_summary"])
def test_three_typed_fields_are_no_artifact(empty: Spoilt, name: str) -> None:
    empty.write(f"{name}.json", TYPED)
    artifact = empty.artifact(f"{name}.json")
    assert artifact.outcome is Outcome.FAILED
    assert "No command of dpone 0.88 writes it so" in artifact.claims[0].why


def test_a_summary_over_typed_suites_is_contradicted(real: Spoilt) -> None:
    typed = {**TYPED, "schema_version": "dpone.certification_suite.v1", "suite_id": "s"}
    real.write("suite/certification_suite.json", typed)

    def green(summary: dict) -> None:
        summary.update(passed=True, blockers=[])
        for item in summary["items"]:
            item["passed"] = True
            if item["kind"] == "certification_suite":
                item["sha256"] = digest(real, "suite/certification_suite.json")

    real.edit("summary/release_summary.json", green)
    contradicted = real.contradicted("summary/release_summary.json")
    assert "items[matrix_certification_suite].passed" in contradicted
    assert "items[connector_certification_suite].passed" in contradicted


# 2. The flag edited into a mock report, a FAIL event, a failed dbt run, an empty bundle: the suite was green.


def test_the_flag_in_a_mock_report(real: Spoilt) -> None:
    real.edit("matrix/certification_report.json", lambda report: report.update(evidence_status="PASS"))
    assert real.contradicted("matrix/certification_report.json") == {"evidence_status"}


def test_a_suite_that_passed_a_fail_event_and_a_failed_dbt_run(real: Spoilt) -> None:
    real.edit("lineage/run_01__openlineage.json", lambda event: event.update(eventType="FAIL"))
    real.edit(
        "dbt/dbt_lineage.json", lambda graph: graph["nodes"]["model.shop.orders"].update(status="error")
    )

    def green(suite: dict) -> None:
        suite.update(passed=True, evidence_status="PASS", blockers=[])
        for item in suite["items"]:
            item.update(
                passed=True, missing=False, sha256=digest(real, item["path"]), identity_status="MATCHED"
            )

    real.edit("suite/certification_suite.json", green)
    contradicted = real.contradicted("suite/certification_suite.json")
    assert {"items[lineage_report].passed", "items[dbt_lineage_report].passed"} <= contradicted


def test_an_empty_strategy_bundle(real: Spoilt) -> None:
    counts = dict.fromkeys(
        ("total_items", "present_items", "passed_items", "missing_items", "failed_items"), 0
    )
    green = {
        "passed": True,
        "evidence_status": "PASS",
        "blockers": [],
        "evidence_items": [],
        "summary": counts,
    }
    real.edit("strategy/strategy_certification_bundle.json", lambda bundle: bundle.update(green))
    claim = real.claims("strategy/strategy_certification_bundle.json")["passed"]
    assert claim.outcome is Outcome.FAILED
    assert "nothing is no pass" in claim.why


# 3. A missing metric, an empty baseline, a mistyped direction, a ratio of 5.


def test_a_missing_lower_is_better_metric(real: Spoilt) -> None:
    text = (real.root / BENCHMARK).read_text()
    text = text.replace('"higher"', '"lower"').replace('"actual": 95000.0', '"actual": -Infinity')
    real.write_text(BENCHMARK, text.replace("90000.0", str(100000.0 * 1.1)))
    contradicted = real.contradicted(BENCHMARK)
    assert "items[throughput_rows_per_second].actual" in contradicted
    assert "passed" in contradicted


def test_an_empty_baseline(real: Spoilt) -> None:
    real.edit(BENCHMARK, lambda report: report.update(items=[]))
    assert real.contradicted(BENCHMARK) == {"passed"}


def test_a_mistyped_direction_shows_nothing_and_passes_nothing(real: Spoilt) -> None:
    """dpone writes `higher` for whatever it does not know: the file cannot tell, and so proves nothing."""
    assert real.artifact(BENCHMARK).outcome is Outcome.UNTESTED
    real.edit(BENCHMARK, lambda report: report["items"][0].update(direction="lowr"))
    assert "items[throughput_rows_per_second].direction" in real.contradicted(BENCHMARK)


def test_a_ratio_that_lets_everything_pass(real: Spoilt) -> None:
    def generous(report: dict) -> None:
        report["allowed_regression_ratio"] = 5.0
        report["items"][0].update(allowed_regression_ratio=5.0, allowed_threshold=-400000.0)

    real.edit(BENCHMARK, generous)
    claim = real.claims(BENCHMARK)["items[throughput_rows_per_second].allowed_threshold"]
    assert claim.outcome is Outcome.FAILED
    assert "cannot fail" in claim.why


# 4. A replay that did nothing, of a strategy there is not, and a bundle that took it.


def test_a_replay_that_was_written_down_and_not_done(real: Spoilt) -> None:
    assert {"strategy_mode", "executed, state_committed", "commands"} == real.contradicted(
        "replay/resync_run_01_evidence.json"
    )
    assert "evidence_items[replay:resync_run_01_evidence.json].passed" in real.contradicted(
        "strategy/strategy_certification_bundle.json"
    )


def test_a_live_replay_is_not_believed_either(real: Spoilt) -> None:
    def live(replay: dict) -> None:
        replay.update(strategy_mode="incremental_merge", commands=[])
        for step in replay["diagnostics"]["diagnostics"]:
            step["message"] = "reconciled 12 rows"

    for path in ("replay/resync_run_01.json", "replay/resync_run_01_evidence.json"):
        real.edit(path, live)
        assert real.artifact(path).outcome is Outcome.UNTESTED


# 5. The chain missed an edited artifact, and anybody can write one that holds.


def test_an_edited_artifact_shows_though_dpones_chain_holds(real: Spoilt) -> None:
    real.edit("benchmark/benchmark_baseline.json", lambda report: report["items"][0].update(actual=99000.0))
    assert real.contradicted("index/artifact_index.json") == {
        "items[benchmark/benchmark_baseline.json].sha256"
    }
    claim = real.claims("chain/v1__evidence_chain.json")["artifacts under the index"]
    assert claim.outcome is Outcome.FAILED
    assert "benchmark/benchmark_baseline.json" in claim.why


def test_a_chain_made_by_hand_holds_and_is_not_passed(real: Spoilt) -> None:
    real.edit(
        "index/artifact_index.json", lambda index: index.update(passed=True, items=[], total_artifacts=0)
    )
    real.edit("index/artifact_index.json", lambda index: index.update(total_bytes=0))

    def again(entry: dict) -> None:
        entry["artifact_index_hash"] = digest(real, "index/artifact_index.json")
        entry["chain_hash"] = chain_hash(ChainEntry.model_validate(entry))

    real.edit("chain/v1__evidence_chain.json", again)
    entry = json.loads((real.root / "chain/v1__evidence_chain.json").read_text())
    real.edit(
        "chain/evidence_chain_index.json",
        lambda index: index.update(entries=[entry], latest_chain_hash=entry["chain_hash"]),
    )
    for path in ("chain/v1__evidence_chain.json", "chain/evidence_chain_index.json"):
        artifact = real.artifact(path)
        assert artifact.outcome is Outcome.UNTESTED, artifact
        assert any("no key and no anchor" in claim.why for claim in artifact.claims)


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        (lambda entry: entry.update(release="v2"), "chain_hash"),
        (lambda entry: entry.update(created_at="2030-01-01T00:00:00+00:00"), "chain_hash"),
        (lambda entry: entry.update(artifact_index_hash="1" * 64), "artifact_index.sha256"),
    ],
)
def test_an_edited_link(real: Spoilt, change: object, claim: str) -> None:
    real.edit("chain/v1__evidence_chain.json", change)  # type: ignore[arg-type]
    assert claim in real.contradicted("chain/v1__evidence_chain.json")
    assert "entries[0].entry_path" in real.contradicted("chain/evidence_chain_index.json")


def test_links_out_of_order_or_left_out(real: Spoilt) -> None:
    def one_more(index: dict) -> None:
        index["entries"].append(dict(index["entries"][0], release="v2"))
        index["entry_count"] = 2

    real.edit("chain/evidence_chain_index.json", one_more)
    contradicted = real.contradicted("chain/evidence_chain_index.json")
    assert {"entries[1].previous_chain_hash", "entries[1].chain_hash"} <= contradicted
