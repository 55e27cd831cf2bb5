"""Programs in Go that are built from their modules where they cannot be had otherwise, and kept."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from certification_pipeline.harness.services.cache import built_once, cache_root


def go_program(name: str, package: str, version: str, *, stamp: str = "") -> Path:
    """The program of that package, built once (compose takes minutes); skips without a compiler.

    ``stamp``: the variable that is to hold the version.
    """
    if (go := shutil.which("go")) is None:
        pytest.skip(f"{name} {version} is not here, and there is no go to build it from its module")

    def build(directory: Path) -> None:
        env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOWORK": "off"}
        flags = f"-s -w -X {stamp}={version}" if stamp else "-s -w"
        source = directory / "source"
        source.mkdir(parents=True)
        # Not `go install`, which refuses a module that excludes versions of others, as compose does.
        for command in (
            ["mod", "init", "standin"],
            ["get", f"{package}@{version}"],
            ["build", "-trimpath", f"-ldflags={flags}", "-o", str(directory / name), package],
        ):
            done = subprocess.run(
                [go, *command], cwd=source, env=env, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr[-3000:]

    return built_once(cache_root() / "tests" / f"{name}-{version}", build) / name
