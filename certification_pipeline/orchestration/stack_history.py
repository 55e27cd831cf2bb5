"""Dagster's history in PostgreSQL over a kept connection: what `docker/dagster.yaml` names as its storage.

Dagster's own storage connects for every statement, three times an event, and each time the server starts a
process and checks a password: most of what an event costs (docs/adr/0024). Tables are Dagster's own: either
storage goes on with the other's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.storage import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine, get_token_provider_from_config, pg_url_from_config

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData
    from dagster_postgres.auth import PgTokenProvider

KEPT_SECONDS = 1800
"""A connection that is older is closed: firewalls forget those that say nothing for long."""

VANISHED = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""For libpq, in seconds and milliseconds: a server that is gone without a word is noticed within a minute,
not after the quarter of an hour or the two hours that systems wait for an answer.
<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES>"""


class StackHistory(DagsterPostgresStorage):
    """As `storage: postgres`, but for its event log; the same database and configuration."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: PgTokenProvider | None = None,
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data, token_provider)
        # Dagster's own, made above, has seen to the tables.
        self._event_log_storage = KeptPostgresEventLog(
            postgres_url, should_autocreate_tables=False, token_provider=token_provider
        )

    @classmethod
    def from_config_value(  # Dagster's own would make Dagster's own.
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """From what stands in `dagster.yaml`, as Dagster reads it."""
        return cls(
            inst_data=inst_data,
            postgres_url=pg_url_from_config(config_value),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            token_provider=get_token_provider_from_config(config_value),
        )


class KeptPostgresEventLog(PostgresEventLogStorage):
    """Dagster's event log. A statement takes a connection that is there, and looks first whether it still is.

    One is kept a process; who needs more at once gets more, which are closed when they are given back. The
    webserver has a pool of its own by Dagster itself.
    """

    def __init__(
        self, postgres_url: str, *, token_provider: PgTokenProvider | None = None, **others: Any
    ) -> None:
        super().__init__(postgres_url, token_provider=token_provider, **others)
        self._engine = create_pg_engine(
            postgres_url,
            token_provider,
            isolation_level="AUTOCOMMIT",
            pool_size=1,
            max_overflow=-1,
            pool_pre_ping=True,
            pool_recycle=KEPT_SECONDS,
            connect_args=VANISHED,
        )

    def dispose(self) -> None:
        """Close everything."""
        super().dispose()
        self._engine.dispose()
