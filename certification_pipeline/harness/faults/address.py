"""Where a wire leads: the host and port in a DSN, and the same DSN with another address in it.

DSNs hold passwords: nothing in here prints one, not even to say that it is malformed.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from certification_pipeline.harness.services import postgres_probes

POSTGRES_SCHEMES = ("postgresql", "postgres")
POSTGRES_PORT = 5432
_TLS_MODES = ("require", "verify-ca", "verify-full")
_TLS_PARAMETERS = (
    "channel_binding",
    "gssencmode",
    "hostaddr",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "target_session_attrs",
)


@dataclass(frozen=True)
class Address:
    """A service's DSN, taken apart."""

    host: str
    """A name, an address, or the directory of a Unix socket."""
    port: int
    postgres: bool
    """Whether PostgreSQL's wire protocol is spoken there."""
    tls: ssl.SSLContext | None = field(repr=False)
    """How the DSN wants the service to be spoken to, when not in the clear."""
    _dsn: str = field(repr=False)

    @classmethod
    def of(cls, dsn: str) -> Address:
        """Take ``dsn`` apart: a libpq URL or key/value string, or any URL with host and port.

        Raises ``ValueError``, which does not quote it.
        """
        scheme = dsn.partition("://")[0].partition("+")[0]
        if scheme in POSTGRES_SCHEMES or "://" not in dsn:
            return cls._of_libpq(dsn)
        parts = urlsplit(dsn)
        if parts.hostname is None or parts.port is None:
            raise ValueError("a link needs a DSN with host and port; a path has nothing to lay a wire to")
        return cls(parts.hostname, parts.port, False, None, dsn)

    @classmethod
    def _of_libpq(cls, dsn: str) -> Address:
        _, separator, rest = dsn.partition("://")
        try:
            # SQLAlchemy's `postgresql+driver` is no scheme of libpq's.
            known = conninfo_to_dict(f"postgresql://{rest}" if separator else dsn)
        except psycopg.ProgrammingError:  # it quotes what it could not parse
            raise ValueError("a link needs a DSN that libpq can read") from None
        host, port = str(known.get("host") or ""), str(known.get("port") or POSTGRES_PORT)
        if not host:
            raise ValueError("a link needs a DSN with a host")
        if "," in host or "," in port:
            raise ValueError("a link leads to one server; the DSN names several")
        return cls(host, int(port), True, _tls(known), dsn)

    @property
    def socket_path(self) -> str | None:
        """For a Unix socket."""
        return f"{self.host}/.s.PGSQL.{self.port}" if self.host.startswith("/") else None

    def at(self, host: str, port: int) -> str:
        """The DSN with that address instead; in the clear, since a wire is there to be read."""
        if not self.postgres:
            parts = urlsplit(self._dsn)
            user = parts.netloc.rpartition("@")[0]
            place = f"{host}:{port}"
            return urlunsplit(parts._replace(netloc=f"{user}@{place}" if user else place))
        scheme, separator, rest = self._dsn.partition("://")
        known = conninfo_to_dict(f"postgresql://{rest}" if separator else self._dsn)
        kept = {name: value for name, value in known.items() if name not in _TLS_PARAMETERS}
        if "sslmode" in kept:
            kept["sslmode"] = "disable"
        made = postgres_probes.url({**kept, "host": host, "port": port})
        return made.replace("postgresql", scheme, 1) if separator else made


def _tls(known: dict[str, str | int | None]) -> ssl.SSLContext | None:
    """As ``sslmode`` says; ``prefer`` and below do without, as libpq may."""
    mode = known.get("sslmode")
    if mode not in _TLS_MODES:
        return None
    root = known.get("sslrootcert")
    context = ssl.create_default_context(cafile=str(root) if root and root != "system" else None)
    context.check_hostname = mode == "verify-full"
    if mode == "require" and not root:
        context.verify_mode = ssl.CERT_NONE
    if certificate := known.get("sslcert"):
        context.load_cert_chain(str(certificate), str(known.get("sslkey") or certificate))
    return context
