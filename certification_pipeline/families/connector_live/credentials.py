"""Which variable names a live server of a system: the constant that its provider reads."""

from __future__ import annotations

from certification_pipeline.harness.services import embedded, postgres_dsn

_VARIABLES = {postgres_dsn.SYSTEM: postgres_dsn.SOURCE_VARIABLE}
LIVE_PROVIDER = postgres_dsn.NAME
"""A service that was started here is not live; one that a person named is."""


def credential_variable(system: str) -> str | None:
    """``None``: a library and a path, or a system that no provider serves yet."""
    return _VARIABLES.get(system)


def needs_no_credential(system: str) -> bool:
    """Whether the system is embedded: there is no server to log in to."""
    return system in embedded.SYSTEMS
