#!/usr/bin/env python3
"""Health checks that mean something: exits 0 only when the role does its work, else says why and exits 1.

``code``: the code location has loaded; Dagster's own ``grpc-health-check`` passes while it failed to import.
``webserver``: it answers a question that its database must answer.
``daemon``: each loop that runs depend on has written its heartbeat lately. Dagster's own ``liveness-check``
imports all of Dagster, three seconds of a core every time, and is content with one of half an hour ago.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request

PATIENCE = 10.0
"""Seconds for one answer."""


def code(port: int = 4000) -> str | None:
    """Why the code location on this port is of no use, or ``None``."""
    from dagster._grpc.client import DagsterGrpcClient  # noqa: PLC0415 - only one role pays for it
    from dagster._grpc.types import ListRepositoriesResponse  # noqa: PLC0415
    from dagster._serdes import deserialize_value  # noqa: PLC0415

    try:
        found = deserialize_value(DagsterGrpcClient(host="localhost", port=port).list_repositories())
    except Exception as error:  # whatever it is, the location is not healthy
        return f"the code location does not answer: {error}"
    # What did not import is told in an answer as good as any other.
    if not isinstance(found, ListRepositoriesResponse):
        return f"the code location did not load: {getattr(found, 'message', found)}"
    return None if found.repository_symbols else "the code location holds no repository"


def webserver(port: int = 3000) -> str | None:
    """Why the webserver on this port is of no use, or ``None``."""
    query = json.dumps({"query": "{ runsOrError(limit: 1) { __typename ... on PythonError { message } } }"})
    request = urllib.request.Request(
        f"http://localhost:{port}/graphql", query.encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310 - http, above
            answer = json.load(response)
    except (OSError, ValueError) as error:
        return f"the webserver does not answer: {error}"
    runs = (answer.get("data") or {}).get("runsOrError") or {}
    if runs.get("__typename") != "Runs":
        return f"the webserver cannot read its runs: {runs.get('message') or answer.get('errors')}"
    return None


LOOPS = ("SCHEDULER", "SENSOR", "QUEUED_RUN_COORDINATOR", "MONITORING")
"""What begins, queues and watches runs; each writes a heartbeat every half minute."""
LATE = 300.0
"""Seconds: a sensor that takes long, or a busy machine, is no dead daemon."""


def daemon(late: float = LATE) -> str | None:
    """Which of the daemon's loops is not alive, or ``None``."""
    import psycopg  # noqa: PLC0415 - only one role pays for it

    about = {"host": "HOST", "user": "USER", "password": "PASSWORD", "dbname": "DB"}
    try:
        with psycopg.connect(
            **{key: os.environ[f"DAGSTER_POSTGRES_{name}"] for key, name in about.items()},
            connect_timeout=int(PATIENCE),
            client_encoding="utf8",
        ) as connection:
            ages: dict[str, float] = dict(
                connection.execute(
                    "SELECT daemon_type, extract(epoch FROM (now() AT TIME ZONE 'utc') - timestamp)::float8 "
                    "FROM daemon_heartbeats"
                ).fetchall()
            )
    except (psycopg.Error, KeyError) as error:
        return f"the daemon's heartbeats cannot be read: {error}"
    silent = [
        f"{loop} ({ages[loop]:.0f} s)" if loop in ages else loop
        for loop in LOOPS
        if ages.get(loop, late) >= late
    ]
    return f"no heartbeat within {late:.0f} s: {', '.join(silent)}" if silent else None


ROLES = {"code": code, "webserver": webserver, "daemon": daemon}


def main(arguments: list[str]) -> int:
    """``healthy.py code|webserver [PORT]``, ``healthy.py daemon [SECONDS]``."""
    if not arguments or arguments[0] not in ROLES or not all(a.isdecimal() for a in arguments[1:]):
        sys.stderr.write(f"usage: healthy.py {'|'.join(ROLES)} [PORT or SECONDS]\n")
        return 2
    problem = ROLES[arguments[0]](*map(int, arguments[1:2]))
    sys.stdout.write((problem or "ok") + "\n")
    return int(problem is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
