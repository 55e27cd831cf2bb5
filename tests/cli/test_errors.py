from __future__ import annotations

import errno
from pathlib import Path

import pytest

from certification_pipeline.harness.services.provider import ServiceError
from tests.cli.conftest import Certify

SECRET = "postgresql://certify:s3cret-canary@db/x"


def explode(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def load_catalog(directory: Path | None = None) -> None:
        raise error

    monkeypatch.setattr("certification_pipeline.catalog.loading.load_catalog", load_catalog)


def test_the_unexpected_is_short_and_leaves_a_file(certify: Certify, monkeypatch: pytest.MonkeyPatch) -> None:
    explode(monkeypatch, RuntimeError(f"boom {SECRET}"))
    answer = certify("scenario", "list")
    assert answer.code == 3
    assert "Traceback" not in answer.err
    assert "RuntimeError: boom" in answer.err
    (log,) = Path(".certification/crashes").iterdir()
    assert str(log) in answer.err
    assert "Traceback" in log.read_text()
    assert "s3cret-canary" not in log.read_text() + answer.err


def test_debug_shows_the_traceback(certify: Certify, monkeypatch: pytest.MonkeyPatch) -> None:
    explode(monkeypatch, RuntimeError("boom"))
    answer = certify("--debug", "scenario", "list")
    assert answer.code == 3
    assert "Traceback" in answer.err
    assert not Path(".certification").exists()


def test_a_crash_log_goes_elsewhere_when_there_is_no_room(
    certify: Certify, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CERTIFY_EVIDENCE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "t"))
    explode(monkeypatch, RuntimeError("boom"))
    assert certify("scenario", "list").code == 3
    assert [path.suffix for path in (tmp_path / "t").iterdir()] == [".log"]


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ServiceError("postgres did not start", "see its log"), 3, "→ see its log"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 3, "/x/y: No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), 3, "give this user access"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_can_go_wrong_has_a_message_and_a_code(
    certify: Certify, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, says: str
) -> None:
    explode(monkeypatch, error)
    answer = certify("scenario", "list")
    assert answer.code == code
    assert says in answer.err
    assert "Traceback" not in answer.err
    assert not Path(".certification").exists()
