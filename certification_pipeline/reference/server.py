"""The request loop of the engine's process: one request at a time, warm between them."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import BinaryIO

import structlog
from pydantic import ValidationError

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import (
    PROTOCOL_VERSION,
    Describe,
    Described,
    Error,
    Load,
    Phase,
    Result,
    Stop,
    parse_request,
)
from certification_pipeline.reference.defects import Defect, planted
from certification_pipeline.reference.record import ENGINE, TWO_PHASE_ENGINE, version

EXIT_USAGE = 2


def serve(requests: BinaryIO, events: BinaryIO, *, two_phase: bool = False) -> int:
    """Answer request lines until ``stop`` or end of input; returns the exit code.

    ``two_phase``: as the engine that commits by a coordinator.
    """
    log = structlog.get_logger()
    try:
        defect = planted()
    except ValueError as error:
        log.error("cannot start", reason=str(error))
        return EXIT_USAGE

    def emit(event: Described | Phase | Result | Error) -> None:
        events.write(event.model_dump_json().encode() + b"\n")
        events.flush()

    for line in requests:
        if not line.strip():
            continue
        request = _parsed(line)
        match request:
            case Error():
                emit(request)
            case Describe():
                emit(describe(defect, two_phase=two_phase))
            case Load():
                from certification_pipeline.reference.engine import run_load  # noqa: PLC0415

                run_load(request, emit, defect, two_phase=two_phase)
            case Stop():
                return 0
    return 0


def _parsed(line: bytes) -> Describe | Load | Stop | Error:
    """The request, or what to answer to a line that is none."""
    try:
        return parse_request(line)
    except ValidationError as error:
        # The input may hold a DSN: name the fields, never the values.
        fields = sorted({".".join(map(str, item["loc"])) or "line" for item in error.errors()})
        structlog.get_logger().error("not a request of the protocol", fields=fields)
    asked = all(field.startswith(_ASKED) for field in fields)
    return Error(
        run_id=_run_id(line),
        category=FailureCategory.UNSUPPORTED if asked else FailureCategory.CONFIGURATION,
        message=f"not a request of the protocol: {', '.join(fields)}"[:500],
    )


_ASKED = ("load.strategy", "load.options")
"""Fields that say what to do: of a value that is not known here, the engine does not implement it."""


def _run_id(line: bytes) -> str:
    """The run a broken request names, if it does."""
    try:
        found = json.loads(line)["run_id"]
    except (ValueError, TypeError, KeyError):
        return ""
    return found if isinstance(found, str) else ""


def retire(requests: BinaryIO) -> int:
    """Forget the pipeline of each ``load`` line: its slot, publication and state. 1 when one failed."""
    from certification_pipeline.reference.engine import forget  # noqa: PLC0415
    from certification_pipeline.reference.failures import classify, redact  # noqa: PLC0415

    code = 0
    for line in filter(bytes.strip, requests):
        request = _parsed(line)
        if not isinstance(request, Load):
            return EXIT_USAGE
        try:
            forget(request)
        except Exception as error:
            failure = classify(error)
            reason = redact(failure.message, request.source.dsn, request.sink.dsn)
            structlog.get_logger().error("not forgotten", category=str(failure.category), reason=reason)
            code = 1
    return code


def describe(defect: Defect | None, *, two_phase: bool = False) -> Described:
    """Who this engine is; ``details.planted_defect`` is null for the engine as released."""
    return Described(
        protocol=PROTOCOL_VERSION,
        engine=TWO_PHASE_ENGINE if two_phase else ENGINE,
        version=version(),
        artifact_digest=f"sha256:{source_digest()}",
        details={"planted_defect": defect.value if defect else None},
    )


@cache
def source_digest() -> str:
    """SHA-256 over path and content of every module of the engine: what exactly was certified."""
    root, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
