"""The one place where an exception becomes words and an exit code.

What can be expected to go wrong gets one message with a remedy; anything else a short message and a file
with the traceback, secrets masked.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

USAGE = 2
INCONCLUSIVE = 3
INTERRUPTED = 130

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def run_app(argv: Sequence[str] | None = None) -> int:
    """Run the application; returns its exit code and never raises anything but ``SystemExit``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        from certification_pipeline.cli.app import app  # noqa: PLC0415 - lazy on purpose

        app(args=arguments, prog_name="certify")
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1 if error.code else 0
    except KeyboardInterrupt:
        _say("Stopped.", "")
        return INTERRUPTED
    except Exception as error:
        if "--debug" in arguments:
            traceback.print_exc()
        return _explain(error, shown="--debug" in arguments)
    return 0


def _explain(error: Exception, *, shown: bool) -> int:
    """Say what went wrong; returns the exit code."""
    expected = expected_code(error)
    if expected is not None:
        _say(*_words(error))
        return expected
    _say(f"This should not have happened: {type(error).__name__}: {_masked(str(error))[:400]}", "")
    if not shown:
        _say("", f"the traceback is in {_crash_log(error)}; `certify --debug …` shows it here")
    return INCONCLUSIVE


def expected_code(error: Exception) -> int | None:
    """The exit code of an error a user can cause or mend; ``None`` for a defect of ours."""
    from certification_pipeline.catalog.problems import CatalogError  # noqa: PLC0415 - heavy
    from certification_pipeline.evidence.errors import EvidenceError, ProblemKind  # noqa: PLC0415
    from certification_pipeline.evidence.seal.keys import SigningKeyError  # noqa: PLC0415
    from certification_pipeline.families.benchmark.asked import AskedError  # noqa: PLC0415
    from certification_pipeline.families.openlineage.errors import EmissionError  # noqa: PLC0415
    from certification_pipeline.families.plan import PlanError  # noqa: PLC0415
    from certification_pipeline.gates.benchmark_request import RequestError  # noqa: PLC0415
    from certification_pipeline.harness.engines.environment import EngineUnavailable  # noqa: PLC0415
    from certification_pipeline.harness.engines.versions import UnknownVersion  # noqa: PLC0415
    from certification_pipeline.harness.services.provider import ServiceError  # noqa: PLC0415
    from certification_pipeline.settings import SettingsError  # noqa: PLC0415

    match error:
        case UnknownVersion() | SigningKeyError():
            return USAGE
        case SettingsError() | PlanError() | CatalogError() | RequestError() | AskedError():
            return USAGE
        case EvidenceError():
            codes = {ProblemKind.MISSING: USAGE, ProblemKind.REFUSED: INCONCLUSIVE}
            return codes.get(error.kind, 1)
        case ServiceError() | EngineUnavailable() | EmissionError():
            return INCONCLUSIVE
        case OSError() if error.errno in _FULL | _DENIED:
            return INCONCLUSIVE
    return None


def _words(error: Exception) -> tuple[str, str]:
    from certification_pipeline.evidence.errors import EvidenceError  # noqa: PLC0415 - heavy

    if isinstance(error, OSError):
        what = f"{error.filename or 'a file'}: {error.strerror}"
        if error.errno in _FULL:
            return what, "free some space, or choose another place with --evidence-dir or TMPDIR"
        return what, "give this user access to it, or choose another place with --evidence-dir"
    if isinstance(error, EvidenceError):
        where = f"{error.path}: {error.field}" if error.field else error.path
        return f"{where}: {error.problem}", error.remedy
    remedy = getattr(error, "remedy", "")
    message = str(error.args[0]) if remedy and error.args else str(error)
    return message, str(remedy)


def _say(message: str, remedy: str) -> None:
    lines = [f"error: {_masked(message)}"] if message else []
    lines += [f"  → {_masked(remedy)}"] if remedy else []
    sys.stderr.write("\n".join(lines) + "\n")


def _masked(text: str) -> str:
    from certification_pipeline.redaction import Redactor  # noqa: PLC0415 - only when something is wrong

    return Redactor().redact_text(text)


def _crash_log(error: Exception) -> Path:
    """Write the traceback beside the evidence, or where there is room; atomically."""
    from certification_pipeline.evidence.files import write_atomically  # noqa: PLC0415

    text = _masked("".join(traceback.format_exception(error)))
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    name = f"certify-crash-{stamp}-{os.getpid()}.log"
    places = (
        Path(os.environ.get("CERTIFY_EVIDENCE_DIR", ".certification")) / "crashes",
        Path(tempfile.gettempdir()),
    )
    for place in places:
        try:
            write_atomically(place / name, text.encode("utf-8", "replace"))
        except Exception:  # noqa: S112 - the next place may have room; the first error is the one that counts
            continue
        return place / name
    return Path(os.devnull)
