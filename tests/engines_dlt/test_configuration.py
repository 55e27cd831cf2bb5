"""The configurations of one driver: each is an engine of its own, and no key of a catalogue goes unheard."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.harness.engines import environment

ENGINES = {name: one for name, one in load_catalog().engines.items() if name.split("_")[0] == "dlt"}


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(environment.KIT))
    monkeypatch.setenv("DLT_USE_JSON", "")
    path = Path(environment.__file__).parent / "dlt" / "configuration.py"
    spec = importlib.util.spec_from_file_location("dlt_configuration", path)
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "dlt_configuration", made)
    spec.loader.exec_module(made)
    yield made
    sys.modules.pop("certify_driver", None)


def test_every_configuration_is_told_who_it_is_and_shares_one_environment(module: ModuleType) -> None:
    assert len(ENGINES) == 6
    seen = set()
    for name, engine in ENGINES.items():
        configured = module.configured(dict(engine.driver.config))
        assert configured.engine == name
        seen.add(tuple(v for k, v in sorted(vars(configured).items()) if k != "engine"))
        assert engine.driver.lock == "driver.lock"
        assert (engine.driver.folder or name) == "dlt"
    assert len(seen) == len(ENGINES), "two engines that differ in name alone"


def test_a_key_that_means_nothing_is_refused(module: ModuleType) -> None:
    with pytest.raises(ValueError, match="replace_stratgy"):
        module.configured({"replace_stratgy": "truncate-and-insert"})


def test_table_formats_merge_by_upsert_and_load_parquet(module: ModuleType) -> None:
    plain = module.configured({})
    assert [plain.merge(sink) for sink in ("postgres", "delta", "iceberg")] == [
        "delete-insert",
        "upsert",
        "upsert",
    ]
    assert module.configured({"merge_strategy": "insert-only"}).merge("delta") == "insert-only"
    default = module.configured({"load_files": "default"})
    assert (default.file_format("postgres"), default.file_format("delta")) == (None, "parquet")


def test_only_what_differs_from_dlt_is_claimed_again() -> None:
    claimed = {
        name: {(r.source, r.sink, s) for r in engine.routes for s in r.strategies}
        for name, engine in ENGINES.items()
    }
    for name in set(claimed) - {"dlt"}:
        assert claimed[name] <= claimed["dlt"]
    (insert_only,) = {
        claim.propagates_updates
        for route in ENGINES["dlt_insert_only"].routes
        for claim in route.strategies.values()
    }
    assert insert_only is False
    assert all(
        claim.propagates_updates is None
        for route in ENGINES["dlt_upsert"].routes
        for strategy, claim in route.strategies.items()
        if strategy is Strategy.INCREMENTAL_MERGE
    )
