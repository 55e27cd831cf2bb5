"""PostgreSQL as a participant: PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED.

The server needs ``max_prepared_transactions`` above 0. What is prepared keeps its locks until it is ended:
https://www.postgresql.org/docs/current/sql-prepare-transaction.html
"""

from __future__ import annotations

from psycopg import errors

from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.sinks.base import short_hash
from certification_pipeline.reference.sinks.postgres import PostgresSink
from certification_pipeline.reference.two_phase.participant import Standing

DEAD_SESSION_WAIT = "10s"
"""How long the server may need to notice that the client of an earlier session was killed."""


class PreparedPostgres:
    """The transaction of an open sink; its target is held against other coordinators while this lives."""

    def __init__(self, sink: PostgresSink, defect: Defect | None = None) -> None:
        self._sink, self._defect = sink, defect
        self._only_said = ""
        self.address = f"{sink.identity()}/{sink.target}"
        self._hold()

    def _hold(self) -> None:
        """Wait for a killed process's session to end, or what it still does would escape :meth:`prepared`.

        Of the session, not the transaction: that one's lock stays with what is prepared.
        """
        key = int(short_hash("coordinator", self._sink.target), 16) >> 1
        self._sink.run(f"SET lock_timeout = '{DEAD_SESSION_WAIT}'")
        self._sink.query(f"SELECT pg_advisory_lock({key})")
        self._sink.run("RESET lock_timeout")

    def prepare(self, gid: str) -> str:
        """PREPARE TRANSACTION; the token is the transaction's 64-bit id."""
        [(token,)] = self._sink.query("SELECT pg_current_xact_id()::text")
        if self._defect is Defect.PREPARE_IN_NAME_ONLY:
            self._only_said = gid
        else:
            self._sink.run(f"PREPARE TRANSACTION {self._sink.dialect.literal(gid)}")
        return str(token)

    def standing(self, gid: str, token: str) -> Standing:
        """By ``pg_prepared_xacts``, and by the commit log for what is over."""
        if gid in self.prepared():
            return Standing.PREPARED
        if not token:
            return Standing.GONE
        [(status,)] = self._sink.query(f"SELECT pg_xact_status({self._sink.dialect.literal(token)}::xid8)")
        return Standing.COMMITTED if status == "committed" else Standing.GONE

    def commit(self, gid: str) -> bool:
        """COMMIT PREPARED."""
        if self._only_said == gid:
            self._sink.commit()
            return True
        return self._end("COMMIT", gid)

    def abort(self, gid: str) -> None:
        """ROLLBACK PREPARED."""
        self._end("ROLLBACK", gid)

    def prepared(self) -> frozenset[str]:
        """From ``pg_prepared_xacts``, of this database: another one's cannot be ended from here."""
        found = self._sink.query("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
        return frozenset(str(gid) for (gid,) in found)

    def _end(self, how: str, gid: str) -> bool:
        try:
            self._sink.run(f"{how} PREPARED {self._sink.dialect.literal(gid)}")
        except errors.UndefinedObject:
            return False
        return True
