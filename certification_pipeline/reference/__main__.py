"""The process: protocol lines in on stdin, events out on stdout, structured logs on stderr."""

from __future__ import annotations

import logging
import os
import sys

import structlog

from certification_pipeline.reference.server import EXIT_USAGE, retire, serve


def main(arguments: list[str]) -> int:
    """Serve until ``stop`` or end of input; 0 then, 130 on Ctrl-C, 2 on a wrong environment or argument.

    With the argument ``two_phase``: as the engine that commits by a coordinator. With ``forget``: retire the
    pipelines whose ``load`` requests are on stdin.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    if arguments not in ([], ["two_phase"], ["forget"]):
        structlog.get_logger().error(
            "usage", reason="no argument, two_phase, or: forget < load-requests.jsonl"
        )
        return EXIT_USAGE
    try:
        if arguments == ["forget"]:
            return retire(sys.stdin.buffer)
        # Protocol output goes to a descriptor of its own: a stray print of a library must not corrupt it.
        with os.fdopen(os.dup(1), "wb") as out:
            os.dup2(2, 1)
            return serve(sys.stdin.buffer, out, two_phase=bool(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
