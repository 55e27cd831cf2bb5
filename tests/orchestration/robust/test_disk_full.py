"""The evidence's disk is full: the failure names file and remedy, nothing is half-written, a rerun works."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.files import is_temporary
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.orchestration.names import PLAN
from tests.orchestration.conftest import SIZE, House, failures

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

RELEASE = "full"


@pytest.fixture
def small_disk(house: House) -> Iterator[Path]:
    """The release's directory is a file system of its own, with room for little more than its plan."""
    place = house.store.release_path(RELEASE)
    place.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        shutil.rmtree(place)
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_told_plainly_and_a_rerun_works(house: House, small_disk: Path) -> None:
    assert house.only(PLAN, release=RELEASE).success
    ballast = small_disk / "ballast"
    free = shutil.disk_usage(small_disk).free
    ballast.write_bytes(b"\0" * max(0, free - 8 * 4096))
    full = house.job("full_certification", RELEASE, SIZE)
    assert not full.success
    said = "\n".join(failures(full).values())
    assert str(small_disk) in said
    assert "No space left on device" in said
    assert "free some space" in said
    assert "Traceback" not in said
    left = [path for path in small_disk.rglob("*") if is_temporary(path.name)]
    assert left == []
    house.cells(RELEASE)  # whatever there is can be read
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    again = house.job("full_certification", RELEASE, SIZE)
    assert again.success, [failures(again), house.blockers(RELEASE)]
    directory = house.directory(RELEASE)
    assert directory.read(directory.summary_path, ReleaseSummary).outcome is Outcome.PASSED
