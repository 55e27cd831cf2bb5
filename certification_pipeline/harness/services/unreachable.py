"""Systems of the catalogue that nothing here can start, each with the plain reason and what would help.

An entry goes when its provider comes. "Not built yet" is said where it is so: a remedy that does not work
would be worse than none.
"""

from __future__ import annotations

from certification_pipeline.harness.services.provider import Availability

_NOT_BUILT = "no setting helps yet: choose a profile without it, or write a provider (harness/services)"

_REASONS: dict[str, str] = {
    "mssql": (
        "no package registry carries a SQL Server, so it takes Docker or a DSN, and the provider for these "
        "is not built yet"
    ),
    "mysql": (
        "it takes Docker or a server installed by the operating system, and the provider for these is not "
        "built yet"
    ),
    "clickhouse": "it takes Docker, a DSN or the chDB engine, and the provider for these is not built yet",
    "kafka": "it takes a JVM and Kafka's jars, or Docker, and the provider for these is not built yet",
    "bigquery": "it takes vendor credentials or an emulator, and the provider for these is not built yet",
}

SYSTEMS = tuple(_REASONS)


def why_unreachable(system: str) -> Availability:
    """Why ``system`` cannot be had, and what to do about it; never ``ok``."""
    reason = _REASONS.get(system)
    if reason is None:
        return Availability(
            False,
            f"no provider knows a system called {system!r}",
            "check the spelling in the catalogue or profile",
        )
    return Availability(False, f"{system}: {reason}", _NOT_BUILT)
