"""What a cell left goes with it, nothing of its neighbours does; a source outlives its sink's cleaning."""

from __future__ import annotations

from pathlib import Path

import pytest

from certification_pipeline.harness.cleaning import clean_namespace, clean_sink
from certification_pipeline.harness.services.embedded import EmbeddedProvider
from certification_pipeline.harness.services.guardian import Guardian


@pytest.mark.parametrize("system", ["parquet", "delta", "iceberg", "hudi"])
def test_directories_of_a_cell_are_removed_role_by_role(system: str, tmp_path: Path) -> None:
    with Guardian() as guardian:
        instance = EmbeddedProvider(system, work_dir=tmp_path, guardian=guardian).start("run")
        roots = {role: Path(getattr(instance, role)().dsn) for role in ("source", "sink")}
        for root in roots.values():
            for name in ("c_mine", ".c_mine_staging", "c_other"):
                (root / name / "t").mkdir(parents=True)

        def left(role: str) -> set[str]:
            return {path.name for path in roots[role].iterdir()}

        clean_sink(instance, "c_mine")
        assert left("sink") == {"c_other"}
        assert left("source") == {"c_mine", ".c_mine_staging", "c_other"}
        clean_namespace(instance, "c_mine")
        assert left("source") == {"c_other"}
        assert instance.alive()
        instance.stop()
