"""``certify ui``: Dagster in the browser, with the evidence to read and download on the same port."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from certification_pipeline.cli import options

SERVER = "certification_pipeline.orchestration.web"
"""A process of its own: this room knows no Dagster, and importing it takes a second."""


def ui(
    *,
    host: Annotated[
        str, typer.Option("--host", help="Where to listen. Dagster has no login: leave it at this machine.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Which port.")] = 3000,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", "-w", metavar="FILE", help="[workspace.yaml here, else this package]"),
    ] = None,
    daemon: Annotated[
        bool, typer.Option("--daemon/--no-daemon", help="Also what starts schedules and queued runs.")
    ] = True,
    evidence_dir: options.EvidenceDir = None,
) -> None:
    """Open the pipeline in Dagster, with every release to read and download under /evidence/.

    Ends with Ctrl-C. Anybody who reaches the port may start runs; nobody can change evidence through it.
    """
    import os  # noqa: PLC0415 - lazy on purpose
    import sys  # noqa: PLC0415

    from certification_pipeline.settings import load_settings  # noqa: PLC0415

    settings = load_settings(evidence_dir=evidence_dir)
    os.environ["CERTIFY_EVIDENCE_DIR"] = str(settings.evidence_dir)
    words = ["--host", host, "--port", str(port)]
    words += ["--workspace", str(workspace)] if workspace else []
    words += [] if daemon else ["--no-daemon"]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", SERVER, *words])  # noqa: S606 - our own interpreter
