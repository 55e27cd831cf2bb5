"""A ledger on disk read into its history, levels written beside a summary, every forgery of them found."""

from __future__ import annotations

import base64
import json
import shutil
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.levels import ConnectorLevels
from certification_pipeline.evidence.plan import Selection, Trigger
from certification_pipeline.evidence.seal.keys import Signer
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.decide import decide, write_summary
from certification_pipeline.gates.levels.attestations import Deployment, attest, read_attestations
from certification_pipeline.gates.levels.reading import read_ledger
from certification_pipeline.gates.levels.writing import levels_of, verify_levels
from tests.evidence.builders import ENGINE, SMALL, START, SUBJECT, cell, plan
from tests.gates.releases import write_json
from tests.levels.ledgers import released


def read(directory: SubjectDir) -> ConnectorLevels:
    return directory.read(layout.CONNECTOR_LEVELS, ConnectorLevels)


def said(root: Path, **options: Any) -> list[tuple[str, str | None]]:
    ledger = read_ledger(EvidenceStore(root), ENGINE, **options)
    return [(one.release_id, one.problem) for one in ledger.history.in_order()]


class TestReading:
    def test_a_release_is_as_old_as_its_plan(self, tmp_path: Path) -> None:
        released(tmp_path, 0, trigger=Trigger.SCHEDULE)
        released(tmp_path, 1, selection=Selection(scenarios=("batch.*",)))
        first, second = read_ledger(EvidenceStore(tmp_path), ENGINE).history.in_order()
        assert (first.at, first.trigger, first.whole) == (START, Trigger.SCHEDULE, True)
        assert (second.at, second.trigger, second.whole) == (START + timedelta(days=1), Trigger.MANUAL, False)
        assert [(one.at.scenario, one.outcome) for one in first.cells] == [
            ("batch.full_refresh", Outcome.PASSED),
            ("incr.cursor_ties", Outcome.PASSED),
            ("strategy.cdc", Outcome.INAPPLICABLE),
            ("batch.full_refresh", Outcome.UNTESTED),
        ]
        assert first.digests[0] is not None
        assert first.notes[first.cells[3].at].remedy == "set CERTIFY_CLICKHOUSE_DSN"

    def test_what_is_kept_says_the_same(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        cache = tmp_path / "cache"
        monkeypatch.setenv("CERTIFY_LEVELS_CACHE", str(cache))
        store = EvidenceStore(tmp_path / "evidence")
        directory = released(store.root, 0, red=True)
        kept = list((cache / "levels" / ENGINE).iterdir())
        assert len(kept) == 1
        fresh = read_ledger(store, ENGINE, keep=False).history.said[0]
        shutil.rmtree(directory.path)  # what was red then stays so, whatever became of its files
        assert vars(read_ledger(store, ENGINE).history.said[0]) == vars(fresh)
        for damaged in (b"", b"{}", zlib.compress(b"{}")):
            kept[0].write_bytes(damaged)
            assert read_ledger(store, ENGINE).history.said[0].problem is not None

    def test_nothing_is_kept_among_the_evidence(self, tmp_path: Path) -> None:
        released(tmp_path, 0)
        assert {path.name for path in tmp_path.iterdir()} == {"chain", "releases"}

    def test_a_report_typed_by_hand_says_nothing(self, tmp_path: Path) -> None:
        """Red cells under a report that calls them green, chained as they are: the cells are read."""
        directory = released(tmp_path, 0, red=True)
        report = json.loads(directory.report_path.read_bytes())
        for row in report["results"]:
            row |= {"outcome": "passed", "passed": True, "detail": None}
        report |= {"outcome": "passed", "passed": True, "blockers": [], "evidence_status": "PASS"}
        write_json(directory.report_path, report, resealed=True)
        write_summary(directory, "run-2")
        one = read_ledger(EvidenceStore(tmp_path), ENGINE).history.said[0]
        assert one.problem is None
        assert one.cells[0].outcome is Outcome.FAILED

    def test_a_release_whose_files_changed_cannot_be_read(self, tmp_path: Path) -> None:
        released(tmp_path, 0)
        directory = released(tmp_path, 1, red=True)
        shutil.rmtree(directory.path)
        assert [problem is None for _, problem in said(tmp_path)] == [True, False]
        found, _ = levels_of(EvidenceStore(tmp_path), ENGINE, START + timedelta(days=800))
        assert found.outcome is Outcome.FAILED
        assert [blocker.code for blocker in found.blockers] == ["ledger.not_verified:release-01"]

    def test_nothing_kept_hides_a_changed_cell_from_who_verifies(self, tmp_path: Path) -> None:
        directory = released(tmp_path, 0)
        path = directory.cell_path(SMALL[0].key.cell_id)
        path.write_bytes(path.read_bytes().replace(b'"seconds": 2.0', b'"seconds": 3.0'))
        assert said(tmp_path, keep=False)[0][1] is not None

    def test_a_chain_that_does_not_hold_tells_nothing(self, tmp_path: Path) -> None:
        released(tmp_path, 0)
        released(tmp_path, 1)
        next((tmp_path / "chain" / ENGINE).glob("000001__*")).unlink()
        ledger = read_ledger(EvidenceStore(tmp_path), ENGINE)
        assert ledger.history.said == ()
        assert [blocker.code for blocker in ledger.problems] == ["evidence_chain.not_verified"]

    def test_no_chain_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(EvidenceError) as caught:
            levels_of(EvidenceStore(tmp_path), ENGINE, START)
        assert caught.value.kind is ProblemKind.MISSING
        assert "certify run --engine reference" in str(caught.value)


class TestWritten:
    def test_beside_the_summary_and_outside_the_chain(self, tmp_path: Path) -> None:
        directory = released(tmp_path, 0)
        levels = read(directory)
        assert levels.chain is not None
        assert levels.chain.sequence == 1
        assert {(one.name, one.policy) for one in levels.connectors} == {
            ("reference/duckdb", "dpone"),
            ("reference/postgres", "dpone"),
            ("reference/clickhouse", "dpone"),
            ("reference/duckdb", "krishiv"),
            ("reference/postgres", "krishiv"),
            ("reference/clickhouse", "krishiv"),
            ("reference/postgres_to_duckdb", "krishiv"),
            ("reference/postgres_to_clickhouse", "krishiv"),
        }

    def test_verifies(self, tmp_path: Path) -> None:
        released(tmp_path, 0)
        directory = released(tmp_path, 1)
        found = verify_levels(EvidenceStore(tmp_path), directory)
        assert found.problems == ()
        assert found.summary["releases"] == 2

    def test_an_earlier_release_is_verified_as_it_was_then(self, tmp_path: Path) -> None:
        directory = released(tmp_path, 0)
        released(tmp_path, 1, red=True)
        assert verify_levels(EvidenceStore(tmp_path), directory).problems == ()

    def test_unless_it_rests_on_what_was_decided_again(self, tmp_path: Path) -> None:
        first = released(tmp_path, 0)
        second = released(tmp_path, 1)
        first.write(cell(plan(SMALL).model_copy(update={"release_id": "release-00"}), SMALL[0], minutes=11))
        decide(first, "run-2")
        found = verify_levels(EvidenceStore(tmp_path), second)
        assert (found.outcome, found.problems) == (Outcome.CANT_TELL, ())
        assert [blocker.code for blocker in found.because] == ["connector_levels.superseded:release-00"]

    @pytest.mark.parametrize(
        ("field", "value", "told"),
        [
            ("level", "certified", "level: says 'certified'"),
            ("missing", [], "missing"),
            ("suspended", True, "suspended"),
            ("next_step", None, "next_step"),
        ],
    )
    def test_a_forged_level_is_found(self, tmp_path: Path, field: str, value: Any, told: str) -> None:
        directory = released(tmp_path, 0)
        path = directory.path / layout.CONNECTOR_LEVELS
        levels = json.loads(path.read_bytes())
        levels["connectors"][0][field] = value
        write_json(path, levels, resealed=True)
        problems = verify_levels(EvidenceStore(tmp_path), directory).problems
        assert any(told in problem for problem in problems), problems

    def test_forged_rules_are_found(self, tmp_path: Path) -> None:
        directory = released(tmp_path, 0)
        path = directory.path / layout.CONNECTOR_LEVELS
        levels = json.loads(path.read_bytes())
        levels["policies"]["dpone"] = "sha256:" + "00" * 32
        write_json(path, levels, resealed=True)
        problems = verify_levels(EvidenceStore(tmp_path), directory).problems
        assert any("granted under other rules" in problem for problem in problems)

    def test_an_edited_page_is_found(self, tmp_path: Path) -> None:
        directory = released(tmp_path, 0)
        page = directory.path / "connector_levels.md"
        page.write_text(page.read_text() + "\nproduction-certified\n")
        assert verify_levels(EvidenceStore(tmp_path), directory).problems == (
            "connector_levels.md is not what was written with it",
        )


class TestAttestations:
    WHAT = Deployment(
        "postgres_to_duckdb", "warehouse, Berlin", "data platform", START, START + timedelta(90)
    )

    def test_is_believed_under_a_key_that_was_given(self, tmp_path: Path) -> None:
        signer = Signer.generate()
        path = attest(tmp_path, SUBJECT, self.WHAT, signer)
        assert path.name == "postgres_to_duckdb__warehouse-Berlin__20241119T034100.intoto.jsonl"
        found = read_attestations(tmp_path, ENGINE, [signer.public_key])
        assert found.others == ()
        assert [(one.subject, one.route, one.until) for one in found.trusted] == [
            (SUBJECT, "postgres_to_duckdb", START + timedelta(90))
        ]

    def test_is_not_believed_under_another_or_none(self, tmp_path: Path) -> None:
        attest(tmp_path, SUBJECT, self.WHAT, Signer.generate())
        for keys in ([], [Signer.generate().public_key]):
            found = read_attestations(tmp_path, ENGINE, keys)
            assert found.trusted == ()
            assert "by no key that is trusted" in found.others[0].why

    def test_an_edited_one_is_not_believed(self, tmp_path: Path) -> None:
        signer = Signer.generate()
        path = attest(tmp_path, SUBJECT, self.WHAT, signer)
        envelope = json.loads(path.read_bytes())
        payload = base64.b64decode(envelope["payload"]).replace(b"2025-02-17", b"2035-02-17")
        envelope["payload"] = base64.b64encode(payload).decode()
        path.write_text(json.dumps(envelope))
        assert read_attestations(tmp_path, ENGINE, [signer.public_key]).trusted == ()

    @pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"payload": 1}', b"null\n"])
    def test_rubbish_stands_in_nobodys_way(self, tmp_path: Path, data: bytes) -> None:
        signer = Signer.generate()
        path = attest(tmp_path, SUBJECT, self.WHAT, signer)
        (path.parent / "x.intoto.jsonl").write_bytes(data)
        found = read_attestations(tmp_path, ENGINE, [signer.public_key])
        assert (len(found.trusted), len(found.others)) == (1, 1)

    def test_one_for_another_engine_is_not_its(self, tmp_path: Path) -> None:
        signer = Signer.generate()
        path = attest(tmp_path, SUBJECT, self.WHAT, signer)
        other = tmp_path / "attestations" / "dlt"
        other.mkdir()
        shutil.copy(path, other)
        assert read_attestations(tmp_path, "dlt", [signer.public_key]).trusted == ()

    def test_levels_that_rest_on_it_cannot_be_told_without_the_key(self, tmp_path: Path) -> None:
        signer = Signer.generate()
        attest(tmp_path, SUBJECT, self.WHAT, signer)
        directory = released(tmp_path, 0)
        write_summary(directory, "run-2", trusted=[signer.public_key])
        store = EvidenceStore(tmp_path)
        assert verify_levels(store, directory, trusted=[signer.public_key]).problems == ()
        found = verify_levels(store, directory)
        assert (found.outcome, found.problems) == (Outcome.CANT_TELL, ())
