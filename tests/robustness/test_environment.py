"""Full disks, dead servers, wrong paths, two runs at once: a clear message, and the next run works."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from certification_pipeline.catalog import loading
from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.cli.errors import run_app
from certification_pipeline.evidence.exclusive import writing
from certification_pipeline.harness.services import postgres_wheel
from tests.robustness.conftest import CELLS, SCENARIOS, Bed

pytestmark = pytest.mark.integration


def mounted(path: Path, size: str) -> None:
    path.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "certify-test", str(path)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root and CAP_SYS_ADMIN")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for the plan, the 106 kB of the catalogue beside it, and a few cells."""
    path = tmp_path / "small"
    mounted(path, "172k")
    yield path
    subprocess.run(["umount", str(path)], check=True)


@pytest.mark.nightly
def test_a_full_disk_is_told_and_leaves_no_half_file(bed: Bed, small: Path) -> None:
    bed.evidence = small
    command = bed.run()
    assert command.end() == 3, "nothing was proved either way: that is inconclusive, not red"
    assert "No space left on device" in command.err
    assert "free some space" in command.err
    assert str(small) in command.err
    kept = bed.cells()  # nothing half-written
    command.leaves_nothing()
    subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
    rest = bed.run("--resume")
    assert rest.end() == 0, rest.err
    assert not set(kept) & {cell_id for _, cell_id in rest.finished}
    assert bed.green()


@pytest.fixture
def small_temporary() -> Iterator[Path]:
    """A temporary directory with no room for a database."""
    path = Path("/tmp") / f"certify-robustness-small-{os.getpid()}"
    mounted(path, "4m")
    path.chmod(0o755)
    yield path
    subprocess.run(["umount", str(path)], check=True)
    path.rmdir()


@pytest.mark.nightly
def test_no_room_for_a_database_is_told(bed: Bed, small_temporary: Path) -> None:
    command = bed.run(temporary=small_temporary)
    assert command.end() == 3
    assert "→" in command.err
    command.leaves_nothing()


@pytest.mark.nightly
def test_a_server_that_dies_makes_its_cells_inconclusive(bed: Bed) -> None:
    command = bed.run()
    command.wait_until(lambda: len(command.finished) >= 2)
    os.kill(command.postmaster(), signal.SIGKILL)
    assert command.end() == 3, command.err
    cells = bed.cells()
    assert len(cells) == CELLS
    died = [cell for cell in cells.values() if cell.reason is ReasonCode.SERVICE_DIED]
    assert died
    assert {cell.outcome for cell in died} == {Outcome.CANT_TELL}
    assert not [cell for cell in cells.values() if cell.outcome is Outcome.FAILED], "no engine is blamed"
    assert all("postgres stopped answering" in str(cell.detail) for cell in died)
    assert "postgres stopped answering" in "".join(command.out)
    command.leaves_nothing()


@pytest.mark.nightly
def test_two_releases_at_once_are_fine(bed: Bed) -> None:
    one, other = bed.run(release="one"), bed.run(release="other")
    assert (one.end(), other.end()) == (0, 0), one.err + other.err
    assert bed.green("one")
    assert bed.green("other")
    assert {cell.attempts for cell in bed.cells("one").values()} == {()}


@pytest.mark.nightly
def test_one_release_twice_is_refused_at_once(bed: Bed) -> None:
    with writing(bed.evidence / "releases" / "one"):
        intruder = bed.run(release="one")
        assert intruder.end() == 2
    assert f"another run is writing release one (pid {os.getpid()})" in intruder.err
    assert "--release-id" in intruder.err
    assert bed.run(release="one").end() == 0


def test_an_evidence_directory_that_is_a_file(bed: Bed, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    command = bed.run(evidence=file)
    assert command.end() not in (0, 130)
    assert str(file) in command.err
    assert "A file stands where a directory is needed" in command.err
    assert file.read_text() == "mine"


@pytest.mark.nightly
def test_a_home_that_is_no_directory_does_no_harm(bed: Bed, tmp_path: Path) -> None:
    nowhere = tmp_path / "home"
    nowhere.write_text("")
    command = bed.certify("doctor", environ={"HOME": str(nowhere)})
    assert command.end() == 0, command.err + "".join(command.out)


@pytest.mark.nightly
def test_a_run_without_a_home_works(bed: Bed, tmp_path: Path) -> None:
    nowhere = tmp_path / "home"
    nowhere.write_text("")
    command = bed.run(environ={"HOME": str(nowhere)})
    assert command.end() == 0, command.err
    assert bed.green()


@pytest.mark.nightly
def test_a_cache_that_cannot_be_written_is_named(bed: Bed) -> None:
    command = bed.run(environ={"CERTIFY_CACHE": "/proc/no/cache"})
    assert command.end() in (2, 3)
    assert "CERTIFY_CACHE=/proc/no/cache" in command.err
    command.leaves_nothing()


def test_a_broken_catalogue_names_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "data"
    shutil.copytree(Path(loading.__file__).parent / "data", copy)
    file = copy / "scenarios" / "batch.yaml"
    file.write_text(file.read_text() + "\nbatch.broken: [not, closed\n")
    assert run_app(["catalog", "check", str(copy)]) == 2
    said = capsys.readouterr().err
    assert "batch.yaml" in said
    assert "line" in said
    assert "Traceback" not in said


CANARY = "canary-Pa55/word+of the.cluster"


@pytest.mark.parametrize("defect", [pytest.param("", marks=pytest.mark.nightly), "truncate_before_stage"])
def test_the_clusters_password_is_nowhere(
    bed: Bed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    defect: str,
) -> None:
    """Loads that fail with the DSN in hand included (``obs.taxonomy``), in a green run and in a red one."""
    seen: list[str] = []

    def canary(_: int) -> str:
        seen.append(CANARY)
        return CANARY

    monkeypatch.setattr(postgres_wheel.secrets, "token_urlsafe", canary)
    if defect:
        monkeypatch.setenv("CERTIFY_PLANTED_DEFECT", defect)
    code = run_app(
        [
            *("run", "--engine", "reference", "--route", "postgres_to_postgres", "--rows", "120"),
            *("--scenario", "obs.taxonomy", "--scenario", "batch.empty", "--workers", "1"),
            *("--evidence-dir", str(bed.evidence), "--release-id", "r1"),
        ]
    )
    assert code == (1 if defect else 0)
    assert seen, "the hook was used, else this test would prove nothing"
    answer = capfd.readouterr()
    texts = {"stdout": answer.out, "stderr": answer.err}
    texts |= {str(path): path.read_text() for path in bed.evidence.rglob("*") if path.is_file()}
    assert len(texts) > 10
    for name, text in texts.items():
        for spelling in (CANARY, "canary-Pa55%2Fword%2Bof%20the.cluster", "canary-Pa55", "wrong-on-purpose"):
            assert spelling not in text, name


def test_the_scenarios_chosen_here_exist() -> None:
    assert set(SCENARIOS) <= set(loading.load_catalog().scenarios)
