"""From the catalogue's ``driver.config`` and one request to the settings of the two programs.

Settings may hold ``{source.host}``, ``{sink.path}``, ``{slot}`` and the like; a string that is nothing but a
placeholder takes the value's own type. Secrets are settings of their own: they travel in the programs'
environment, never in a file or an argument.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from certify_driver import Failure, Job, program  # type: ignore[import-not-found]

_PLACEHOLDER = re.compile(r"\{([a-z]+(?:\.[a-z]+)?)\}")
_OURS = ("PYTHONPATH", "VIRTUAL_ENV", "CERTIFY_ENGINE_CONFIG")
_INCREMENTAL = ("incremental_append", "incremental_merge")


class Wiring:
    """One request in the terms of the configured pair."""

    def __init__(self, config: dict[str, Any], job: Job) -> None:
        self.job = job
        self._config = config
        self._values = values(job)

    @property
    def strategy(self) -> dict[str, Any]:
        """What the request's strategy means to this pair."""
        found: dict[str, Any] = self._config["strategies"].get(self.job.strategy, {})
        return found

    def refuse_unsupported(self) -> None:
        """What the pair has no setting for is refused, never ignored."""
        job, options = self.job, self.job.options
        route = [job.source.system, job.sink.system]
        if route not in self._config["routes"]:
            raise Failure("unsupported", f"this pair does not read {route[0]} and write {route[1]}")
        if not self.strategy:
            raise Failure("unsupported", f"this pair has no way to do {job.strategy}")
        if getattr(options, "replay", None):
            raise Failure("unsupported", "Singer knows no replay of an earlier run")
        if getattr(options, "lookback_seconds", 0):
            raise Failure("unsupported", "neither program has a setting for a lookback window")
        if getattr(options, "artifact", "auto") not in ("auto", "stream"):
            raise Failure("unsupported", f"a pipe is a stream, not {options.artifact}")
        if getattr(options, "cursor_nulls", "include") == "include" and job.strategy in _INCREMENTAL:
            raise Failure("unsupported", "after its first sync a tap asks for `cursor >= bookmark`: no NULLs")
        if job.strategy in _INCREMENTAL and not job.cursor:
            raise Failure("configuration", f"{job.strategy} needs a cursor column")

    def settings(self, role: str) -> dict[str, Any]:
        """The configuration file of the tap or the target, without secrets."""
        merged = {**self._config[role].get("settings", {}), **self.strategy.get(role, {})}
        rendered = {name: self._render(value) for name, value in merged.items()}
        return {name: value for name, value in rendered.items() if value is not None}

    def environment(self, role: str) -> dict[str, str]:
        """The environment of a program: ours but for what is the driver's own, and its secrets."""
        ours = {name: value for name, value in os.environ.items() if name not in _OURS}
        secrets = self._config[role].get("secrets", {})
        return {**ours, **{name: str(self._render(value)) for name, value in secrets.items()}}

    def command(self, role: str) -> list[str]:
        """The program of that role, told to read its secrets from its environment where it has any."""
        path = program(role, self._config[role]["program"])
        return [path, *(("--config", "ENV") if self._config[role].get("secrets") else ())]

    def before(self) -> tuple[list[str], dict[str, str]] | None:
        """What an operator has to do once before the first load, as command and environment."""
        step = self.strategy.get("before")
        if not step:
            return None
        script = Path(__file__).resolve().parent / step["script"]
        extra = {name: str(self._render(value)) for name, value in step.get("environment", {}).items()}
        return [program(step["runs_in"], "python"), str(script)], {**self.environment("tap"), **extra}

    @property
    def key_properties(self) -> list[str]:
        """The stream's key, or none where the strategy is to append whatever comes."""
        return [] if self.strategy.get("without_key") else list(self.job.primary_key)

    @property
    def column_schemas(self) -> dict[str, dict[str, Any]]:
        """What is added to the discovered JSON schema, by column."""
        by_type = self._config.get("schemas", {})
        return {column.name: by_type[column.type] for column in self.job.columns if column.type in by_type}

    def redact(self, text: str) -> str:
        """``text`` without the passwords of the two ends."""
        for name in ("source.password", "sink.password"):
            password = self._values.get(name)
            if password and password != NO_PASSWORD:
                text = text.replace(password, "***")
        return text

    def _render(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._render(item) for item in value]
        if isinstance(value, dict):
            return {str(self._render(name)): self._render(item) for name, item in value.items()}
        if not isinstance(value, str):
            return value
        whole = _PLACEHOLDER.fullmatch(value)
        if whole:
            return self._values.get(whole[1])
        return _PLACEHOLDER.sub(lambda match: str(self._values.get(match[1], "")), value)


NO_PASSWORD = "-"  # noqa: S105 - Singer's PostgreSQL programs insist on one; a server that trusts ignores it


def values(job: Job) -> dict[str, Any]:
    """Every placeholder and what it stands for."""
    found: dict[str, Any] = {}
    for role, end in (("source", job.source), ("sink", job.sink)):
        parts = _connection(end.dsn) if "://" in end.dsn else {"path": end.dsn}
        parts |= {"namespace": end.namespace or None, "name": end.name}
        found |= {f"{role}.{name}": value for name, value in parts.items()}
    return {
        **found,
        "slot": _slot(job),
        "stream": f"{job.source.namespace}-{job.source.name}",
        "cursor": '"' + (job.cursor or "").replace('"', '""') + '"',
    }


def _slot(job: Job) -> str:
    """A name of the table's own: slots belong to the server.

    It starts with the namespace, by which whoever cleans up finds it, and keeps to the tap's rule: letters,
    digits and underscores, at most 63.
    """
    marked = "\0".join((job.source.namespace, job.source.name, job.sink.system))
    stem = re.sub(r"[^a-z0-9_]", "_", job.source.namespace.lower())[:40] or "certify"
    return f"{stem}_{hashlib.sha256(marked.encode()).hexdigest()[:12]}"


def _connection(dsn: str) -> dict[str, Any]:
    url = urlsplit(dsn)
    query = dict(parse_qsl(url.query))
    return {
        "host": query.get("host") or url.hostname or "localhost",
        "port": int(query.get("port") or url.port or 5432),
        "user": unquote(url.username or query.get("user") or "postgres"),
        "password": unquote(url.password or query.get("password") or NO_PASSWORD),
        "database": unquote(url.path.lstrip("/")),
    }


def versions(role: str, half: dict[str, Any]) -> dict[str, str]:
    """Name, version and digest (over its RECORD) of an installed program."""
    home = Path(program(role, half["program"])).parent.parent
    normal = re.sub(r"[-_.]+", "_", half["distribution"])
    for record in home.glob(f"lib/python*/site-packages/{normal}-*.dist-info/RECORD"):
        lines = sorted(record.read_text(encoding="utf-8").splitlines())
        return {
            "name": half["distribution"],
            "version": record.parent.name.removesuffix(".dist-info").removeprefix(f"{normal}-"),
            "digest": "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest(),
        }
    raise FileNotFoundError(f"{half['distribution']} is not installed in {home}")


def digest_of(found: dict[str, dict[str, str]]) -> str:
    """Of both halves together."""
    lines = (f"{half['name']}=={half['version']} {half['digest']}" for half in found.values())
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()
