"""What docs/sealing.md tells a reader to do, done."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.subject_dir import SubjectDir
from tests.seal.canary import SIGNER

PAGE = (Path(__file__).parents[2] / "docs" / "sealing.md").read_text()


def block(language: str, holding: str) -> str:
    [found] = [text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if holding in text]
    return str(found)


@pytest.fixture
def place(sealed: SubjectDir, tmp_path: Path) -> Path:
    shutil.copy(sealed.path / layout.ATTESTATIONS, tmp_path)
    (tmp_path / "certify.pub").write_text(SIGNER.public_key.pem)
    return tmp_path


def done(command: list[str], place: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)


def break_one(place: Path) -> None:
    path = place / layout.ATTESTATIONS
    lines = path.read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace('"payload":"eyJ', '"payload":"eyK')
    path.write_text("".join(lines))


def test_python(place: Path) -> None:
    (place / "verify.py").write_text(block("python", "load_pem_public_key"))
    command = [sys.executable, "verify.py", layout.ATTESTATIONS, "certify.pub"]
    answer = done(command, place)
    assert answer.stdout.split() == ["-", "passed", "passed", "inapplicable", "untested", "passed"], (
        answer.stderr
    )
    break_one(place)
    answer = done(command, place)
    assert answer.returncode != 0
    assert "InvalidSignature" in answer.stderr


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl here")
def test_openssl(place: Path) -> None:
    command = ["sh", "-ec", block("sh", "openssl")]
    answer = done(command, place)
    if "rawin" in answer.stderr:
        pytest.skip("this openssl is older than 3")
    assert "Verified Successfully" in answer.stdout, answer.stderr
    break_one(place)
    assert done(command, place).returncode != 0
