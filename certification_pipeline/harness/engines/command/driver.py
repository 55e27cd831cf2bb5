# /// script
# requires-python = ">=3.11"
# ///
"""Any command as an engine, by configuration alone: an argv a strategy, and patterns for what it says.

The catalogue's ``driver.config``: see docs/engine-protocol.md, "A command without code".
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import Any

from certify_driver import Failure, Job, config, serve  # type: ignore[import-not-found]

CONFIG = config()
_COUNTS = frozenset(
    f"{kind}_rows" for kind in ("extracted", "staged", "loaded", "final", "inserted", "updated", "deleted")
)


def describe() -> dict[str, Any]:
    """As the catalogue names it: the kit knows the engine's id."""
    return {"version": str(CONFIG.get("version", "1"))}


def load(job: Job) -> dict[str, Any]:
    """Run the strategy's command; its exit code decides, its words are told apart by patterns."""
    chosen = CONFIG.get("strategies", {}).get(job.strategy)
    if chosen is None:
        raise Failure("unsupported", f"no command for {job.strategy}")
    known = _words(job)
    argv = [_filled(part, known) for part in chosen["argv"]]
    env = {
        name: _filled(value, known)
        for name, value in {**CONFIG.get("env", {}), **chosen.get("env", {})}.items()
    }
    seconds = float(CONFIG.get("timeout", 3600))
    job.phase("command")
    try:
        started = subprocess.Popen(
            argv,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
    except OSError as error:
        raise Failure("configuration", f"cannot start {argv[0]}: {error.strerror}") from None
    with started:
        try:
            said = _said(*started.communicate(timeout=seconds))
        except subprocess.TimeoutExpired:
            # With all it started: what goes on writing would meet the next load.
            os.killpg(started.pid, signal.SIGKILL)
            raise Failure("resource", f"no end within {seconds:g} s", retryable=True) from None
    if started.returncode != 0:
        raise _failure(started.returncode, said["stdout"] + said["stderr"])
    return _counts(said)


def _said(stdout: bytes, stderr: bytes) -> dict[str, str]:
    return {"stdout": stdout.decode(errors="replace"), "stderr": stderr.decode(errors="replace")}


def _words(job: Job) -> dict[str, str]:
    ends = {
        f"{side}_{name}": str(getattr(end, field))
        for side, end in (("source", job.source), ("sink", job.sink))
        for name, field in (("dsn", "dsn"), ("schema", "namespace"), ("table", "name"), ("system", "system"))
    }
    return {
        **ends,
        "run_id": job.run_id,
        "strategy": job.strategy,
        "state_dir": str(job.state_dir),
        "primary_key": ",".join(job.primary_key),
        "cursor": job.cursor or "",
        "home": os.environ.get("CERTIFY_ENGINE_HOME", ""),
    }


def _filled(template: str, known: dict[str, str]) -> str:
    """Words in braces that are known; any other brace stays as it is."""
    return re.sub(r"\{(\w+)\}", lambda found: known.get(found[1], found[0]), str(template))


def _failure(code: int, said: str) -> Failure:
    for rule in CONFIG.get("failure", []):
        if re.search(rule["pattern"], said, re.MULTILINE):
            message = f"exit code {code}: {rule['category']}"
            return Failure(rule["category"], message, retryable=bool(rule.get("retryable")))
    # Without its words, which may quote a connection string.
    return Failure("internal", f"exit code {code}, and no pattern under `failure` matches")


def _counts(said: dict[str, str]) -> dict[str, int]:
    result = CONFIG.get("result")
    if not result:
        return {}
    found = re.search(result["pattern"], said[result.get("stream", "stdout")], re.MULTILINE)
    if found is None:
        raise Failure("internal", "it ended well, but its words do not match `result.pattern`")
    return {name: int(value) for name, value in found.groupdict().items() if name in _COUNTS and value}


if __name__ == "__main__":
    serve(describe, load)
