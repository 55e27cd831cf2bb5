"""The driver as a process: with a sling of ours that plays its part, and with the real one."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.harness.engines.environment import EngineUnavailable, prepare
from certification_pipeline.harness.engines.protocol import Described, Error, Phase, Result, parse_event
from certification_pipeline.harness.engines.venv import locked_digest
from tests.engines.scripts import ENGINES
from tests.engines_sling.test_mapping import REQUEST

FOLDER = ENGINES / "sling"
SECRET = "geheim"

FAKE = """#!{python}
import json, os, sys
if sys.argv[1:] == ["--version"]:
    print("Version: 9.9.9")
    sys.exit(0)
say = lambda text: print(json.dumps({{"lvl": "info", "msg": text}}), flush=True)
for text in ("connecting to source database (postgres)", "reading from source database", "streaming data"):
    say(text)
with open(os.environ["SLING_HOME_DIR"] + "/seen.json", "w") as file:
    json.dump({{"argv": sys.argv, "env": dict(os.environ)}}, file)
{end}
"""


def fake(folder: Path, end: str) -> Path:
    program = folder / "sling"
    program.write_text(FAKE.format(python=sys.executable, end=end))
    program.chmod(0o755)
    return program


def talk(program: Path, *requests: dict[str, Any]) -> tuple[list[Any], str]:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "driver.py")],
        input="".join(json.dumps(one) + "\n" for one in (*requests, {"type": "stop"})).encode(),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ENGINES / "kit"), "SLING_BINARY": str(program)},
        capture_output=True,
        timeout=60,
        check=True,
    )
    return [parse_event(line) for line in done.stdout.splitlines()], done.stderr.decode()


def request(folder: Path, **changes: Any) -> dict[str, Any]:
    return {"type": "load", **REQUEST, "state_dir": str(folder), **changes}


class TestDriver:
    def test_the_named_binary_is_the_subject(self, tmp_path: Path) -> None:
        program = fake(tmp_path, "")
        (described,), _ = talk(program, {"type": "describe", "protocol": "1"})
        assert isinstance(described, Described)
        assert (described.engine, described.version) == ("sling", "9.9.9")
        assert described.artifact_digest == "sha256:" + hashlib.sha256(program.read_bytes()).hexdigest()

    def test_a_load_is_one_run_without_secrets_outside_its_environment(self, tmp_path: Path) -> None:
        program = fake(tmp_path, 'say("inserted 7 rows into d.t in 0 secs")')
        events, log = talk(program, request(tmp_path, strategy="incremental_append"))
        assert [e.phase for e in events if isinstance(e, Phase)] == ["start", "connect", "extract", "load"]
        end = events[-1]
        assert isinstance(end, Result)
        record = end.record
        assert (record.extracted_rows, record.inserted_rows, record.updated_rows) == (7, 7, 0)
        seen = json.loads((tmp_path / "home" / "seen.json").read_text())
        assert seen["argv"][1:] == ["run", "-r", str(tmp_path / "replication.json")]
        assert SECRET in seen["env"]["CERTIFY_SOURCE"]
        assert seen["env"]["SLING_DISABLE_TELEMETRY"] == "TRUE"
        for text in (log, (tmp_path / "replication.json").read_text(), str(events)):
            assert SECRET not in text

    def test_a_failed_run_is_an_error_with_its_cause_and_without_the_password(self, tmp_path: Path) -> None:
        end = f'print("fatal:\\n~ dial {SECRET}\\nconnection refused"); sys.exit(1)'
        events, log = talk(fake(tmp_path, end), request(tmp_path))
        told = events[-1]
        assert isinstance(told, Error)
        assert (told.category, told.retryable) == ("connectivity", True)
        assert SECRET not in told.message + log

    def test_exit_0_without_a_count_claims_no_count(self, tmp_path: Path) -> None:
        events, _ = talk(fake(tmp_path, ""), request(tmp_path))
        assert isinstance(events[-1], Result)
        assert events[-1].record.extracted_rows is None


class TestNamedProgram:
    """``SLING_BINARY`` through the preparation of engines, without making an environment."""

    spec = load_catalog().engines["sling"].driver.model_copy(update={"lock": None, "home": FOLDER})

    def test_it_is_passed_on_and_its_digest_is_the_subject(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program = fake(tmp_path, "")
        monkeypatch.setenv("SLING_BINARY", str(program))
        prepared = prepare("sling", self.spec)
        assert prepared.env["SLING_BINARY"] == str(program)
        assert prepared.artifact_digest == "sha256:" + hashlib.sha256(program.read_bytes()).hexdigest()

    def test_without_it_the_driver_gets_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SLING_BINARY", raising=False)
        assert "SLING_BINARY" not in prepare("sling", self.spec).env

    def test_what_cannot_be_run_is_said_before_the_run(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "text").write_text("no program")
        monkeypatch.setenv("SLING_BINARY", str(tmp_path / "text"))
        with pytest.raises(EngineUnavailable, match="SLING_BINARY names no executable file"):
            prepare("sling", self.spec)


class TestLock:
    lock = (FOLDER / "driver.lock").read_text(encoding="utf-8")

    def test_pins_the_binaries_by_hash_and_names_no_registry(self) -> None:
        assert re.findall(r"^(sling-linux-\w+)==([\d.]+)", self.lock, re.MULTILINE) == [
            ("sling-linux-amd64", "1.3.5"),
            ("sling-linux-arm64", "1.3.5"),
        ]
        assert self.lock.count("--hash=sha256:") == 2
        assert "://" not in self.lock
        assert locked_digest("sling-linux-amd64", self.lock) in self.lock.replace("--hash=", "")


@pytest.mark.integration
@pytest.mark.nightly
def test_the_packaged_sling_says_who_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLING_BINARY", raising=False)
    try:
        prepared = prepare("sling", load_catalog().engines["sling"].driver)
    except EngineUnavailable as error:
        pytest.skip(f"sling's environment cannot be made here: {error}")
    done = subprocess.run(
        prepared.command,
        input=b'{"type": "describe", "protocol": "1"}\n{"type": "stop"}\n',
        env=dict(prepared.env),
        capture_output=True,
        timeout=60,
        check=True,
    )
    described = parse_event(done.stdout.splitlines()[0])
    assert isinstance(described, Described)
    assert described.version == "1.3.5"
