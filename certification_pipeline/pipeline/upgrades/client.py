"""The index that uv is configured with: it is asked which version it would install, host and all its own."""

from __future__ import annotations

import re
import subprocess
from tempfile import TemporaryDirectory

from certification_pipeline.harness.engines.venv import EngineUnavailable, run_environment, uv_binary
from certification_pipeline.harness.engines.versions import PYTHON
from certification_pipeline.pipeline.upgrades.choice import Newest
from certification_pipeline.pipeline.upgrades.index import PackageIndexError
from certification_pipeline.redaction import Redactor

SECONDS = 25.0
"""For one package; they are asked side by side, and Dagster gives a sensor a minute for all of them."""
_SILENT = (
    "uv names only the version it would install: set CERTIFY_INDEX_URL to see what is passed over, and why"
)
_LONGEST = 300


def ask_uv(package: str, seconds: float = SECONDS) -> Newest:
    """The newest version uv would take. Raises :class:`PackageIndexError`.

    It passes over what is yanked, what is a pre-release, and what needs another Python, as it does when it
    installs the version for a certification.
    """
    try:
        with TemporaryDirectory(prefix="certify-index-") as folder:
            done = subprocess.run(
                [
                    uv_binary(package),
                    "pip",
                    "compile",
                    "--quiet",
                    "--no-deps",
                    "--universal",
                    f"--python-version={PYTHON}",
                    "--prerelease=disallow",
                    f"--refresh-package={package}",
                    "--no-annotate",
                    "--no-header",
                    "--no-emit-index-url",
                    "-",
                ],
                input=f"{package}\n",
                env=run_environment({"UV_SYSTEM_CERTS": "true", "NO_COLOR": "1"}),
                cwd=folder,  # no project around us must change the answer
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
    except subprocess.TimeoutExpired:
        raise PackageIndexError(
            f"uv had no answer for {package} within {seconds:g} s", "try again later"
        ) from None
    except EngineUnavailable as error:
        raise PackageIndexError(str(error.args[0]), error.remedy) from None
    found = re.search(rf"(?m)^{re.escape(_normalised(package))}==(\S+)", done.stdout)
    if done.returncode != 0 or not found:
        said = " / ".join(line.strip() for line in done.stderr.strip().splitlines()[-4:]) or "nothing"
        raise PackageIndexError(
            f"uv finds no version of {package}: {Redactor().redact_text(said)[:_LONGEST]}",
            "check the index uv is configured with (UV_DEFAULT_INDEX, UV_INDEX), or set CERTIFY_INDEX_URL",
        )
    return Newest(found[1], silent=_SILENT)


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
