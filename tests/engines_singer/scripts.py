"""A Singer pair of our own: programs that do what a test says, run by the driver as it runs real ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from certification_pipeline.harness.engines.protocol import Error, Event, Result, parse_event
from tests.engines_singer.conftest import ENGINES

SECRET = "canary-7f1e"
TAP = """
    import json, os, sys
    if "--discover" in sys.argv:
        with open(os.environ["NOTES"], "a") as notes: notes.write("discover\\n")
        column = {"breadcrumb": ["properties", "id"], "metadata": {"inclusion": "automatic"}}
        root = {"breadcrumb": [], "metadata": {"schema-name": "ns"}}
        schema = {"type": "object", "properties": {"id": {"type": ["integer"]}, "raw": {"type": ["string"]}}}
        stream = {"tap_stream_id": "ns-t", "stream": "ns-t", "table_name": "t", "schema": schema,
                  "metadata": [root, column]}
        print(json.dumps({"streams": [stream]}))
        sys.exit()
    catalog = json.load(open(sys.argv[sys.argv.index("--catalog") + 1]))
    state = json.load(open(sys.argv[sys.argv.index("--state") + 1])) if "--state" in sys.argv else {"at": 0}
    def say(**message): print(json.dumps(message), flush=True)
    say(type="SCHEMA", stream="ns-t", schema={}, key_properties=["id"])
    for n in range(3): say(type="RECORD", stream="ns-t", record={"id": n})
    say(type="STATE", value={"at": state["at"] + 1})
"""
TARGET = """
    import json, os, sys
    rows, state = 0, None
    for line in sys.stdin:
        message = json.loads(line)
        rows += message["type"] == "RECORD"
        state = message["value"] if message["type"] == "STATE" else state
    with open(os.environ["NOTES"], "a") as notes: notes.write(f"wrote {rows}\\n")
    print(json.dumps({"early": True}))
    print(json.dumps(state), flush=True)
"""


class Pair:
    """Two environments that hold one program each, and the driver as the harness starts it."""

    def __init__(self, home: Path, tap: str = TAP, target: str = TARGET) -> None:
        self.home = home
        self.state = home / "state"
        self.notes = home / "notes"
        self.notes.touch()
        for role, body in (("tap", tap), ("target", target)):
            self._install(role, body)
        self.config: dict[str, Any] = {
            "engine": "toy",
            "routes": [["postgres", "postgres"]],
            "tap": {
                "program": "toy-tap",
                "distribution": "toy-tap",
                "settings": {"host": "{source.host}", "port": "{source.port}"},
                "secrets": {"TOY_PASSWORD": "{source.password}"},
            },
            "target": {
                "program": "toy-target",
                "distribution": "toy-target",
                "settings": {"load_method": "x"},
            },
            "schemas": {"bytes": {"contentEncoding": "base16"}},
            "strategies": {
                "full_refresh": {"replication_method": "FULL_TABLE", "target": {"load_method": "overwrite"}},
                "incremental_merge": {"replication_method": "INCREMENTAL"},
                "incremental_append": {"replication_method": "INCREMENTAL", "without_key": True},
            },
        }

    def _install(self, role: str, body: str) -> None:
        program = self.home / role / "bin" / f"toy-{role}"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!{sys.executable}\n{textwrap.dedent(body)}")
        program.chmod(0o755)
        record = self.home / role / "lib" / "python3.11" / "site-packages" / f"toy_{role}-1.{role}.dist-info"
        record.mkdir(parents=True)
        (record / "RECORD").write_text(f"toy_{role}.py,sha256=x,1\n")

    def request(self, strategy: str = "full_refresh", **options: Any) -> dict[str, Any]:
        dsn = f"postgresql://u:{SECRET}@db.example:5433/base"
        end = {"system": "postgres", "dsn": dsn, "namespace": "ns", "name": "t"}
        columns = [
            {"name": "id", "type": "int64", "nullable": False},
            {"name": "raw", "type": "bytes", "nullable": True},
        ]
        return {
            "type": "load",
            "run_id": "r1",
            "source": end,
            "sink": dict(end),
            "columns": columns,
            "primary_key": ["id"],
            "cursor": "id",
            "strategy": strategy,
            "options": {"cursor_nulls": "exclude", **options},
            "state_dir": str(self.state),
        }

    def ask(self, *requests: dict[str, Any]) -> list[Event]:
        """Every line the driver answers with; each must be an event of the protocol."""
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ENGINES / "kit"),
            "CERTIFY_ENGINE_CONFIG": json.dumps(self.config),
            "CERTIFY_ENV_TAP": str(self.home / "tap"),
            "CERTIFY_ENV_TARGET": str(self.home / "target"),
            "NOTES": str(self.notes),
        }
        ran = subprocess.run(
            [sys.executable, "-s", "-S", str(ENGINES / "singer" / "driver.py")],
            input="".join(json.dumps(one) + "\n" for one in requests).encode(),
            env=env,
            capture_output=True,
            timeout=60,
            check=True,
        )
        return [parse_event(line) for line in ran.stdout.splitlines()]

    def load(self, request: dict[str, Any] | None = None) -> Result | Error:
        """How one load ended."""
        last = self.ask(request or self.request())[-1]
        assert isinstance(last, Result | Error)
        return last

    def kept(self) -> Any:
        """The state file."""
        path = self.state / "state.json"
        return json.loads(path.read_bytes()) if path.exists() else None
