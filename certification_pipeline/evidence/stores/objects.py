"""Object storage (S3 and what speaks it, GCS, Azure) through ``obstore``, which is an extra: ``stores``.

Credentials come from where each vendor's own tools take them (``AWS_*``, ``GOOGLE_*``, ``AZURE_*``, an
instance's role), never from a URL, and are in no message: what the library says of an error is cut down to
its first line, without queries, and masked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.stores.remote import Fetched, Version, checked_key
from certification_pipeline.redaction import Redactor

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion
    from obstore.store import ObjectStore

T = TypeVar("T")

SCHEMES = ("s3", "gs", "az", "abfs", "abfss")
_QUERY = re.compile(r"\?\S*")
_MOST_RETRIES = 4
_RETRY_SECONDS = 60
_LONGEST_MESSAGE = 300


class ObjectsStore:
    """Objects below a URL such as ``s3://bucket/prefix``."""

    def __init__(self, url: str) -> None:
        """Raises ``EvidenceError`` without ``obstore``, and for a URL with credentials in it."""
        parts = urlsplit(url)
        self.shown = f"{parts.scheme}://{parts.hostname or ''}{parts.path}".rstrip("/")
        if parts.username or parts.password or parts.query or parts.fragment:
            problem = "holds more than a place: a user, a password or a query"
            remedy = (
                "Give credentials as the vendor's tools take them, e.g. AWS_ACCESS_KEY_ID in the environment"
            )
            raise EvidenceError(self.shown, None, problem, remedy, ProblemKind.MISSING)
        try:
            import obstore  # noqa: PLC0415 - an extra, and only who pushes needs it
            from obstore import exceptions  # noqa: PLC0415
            from obstore.store import from_url  # noqa: PLC0415
        except ImportError:
            remedy = "Install the extra: pip install 'certification_pipeline[stores]'"
            problem = "needs obstore, which is not installed"
            raise EvidenceError(self.shown, None, problem, remedy, ProblemKind.MISSING) from None
        self._api = obstore
        self._errors = exceptions
        retry = {"max_retries": _MOST_RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)}
        try:
            self._store: ObjectStore = from_url(url, retry_config=retry)  # type: ignore[call-overload]
        except (exceptions.BaseError, ValueError) as error:
            raise self._refused(error, "opened") from None

    def read(self, key: str, largest: int) -> Fetched | None:
        """See :class:`~certification_pipeline.evidence.stores.remote.RemoteStore`."""

        def get() -> Fetched:
            found = self._api.get(self._store, checked_key(key))
            size = found.meta["size"]
            if size > largest:
                remedy = "No evidence is that large: see who else writes there"
                problem = f"has {size} bytes, more than the {largest} allowed"
                raise EvidenceError(f"{self.shown}/{key}", None, problem, remedy)
            version = Version(found.meta["e_tag"], found.meta["version"])
            return Fetched(bytes(found.bytes()), version)

        return self._unless_missing(get, f"{key} cannot be read")

    def size(self, key: str) -> int | None:
        """See :class:`~certification_pipeline.evidence.stores.remote.RemoteStore`."""
        asked = checked_key(key)
        return self._unless_missing(
            lambda: self._api.head(self._store, asked)["size"], f"{key} cannot be looked up"
        )

    def create(self, key: str, data: bytes) -> bool:
        """See :class:`~certification_pipeline.evidence.stores.remote.RemoteStore`."""
        return self._put(key, data, "create")

    def replace(self, key: str, data: bytes, version: Version) -> bool:
        """See :class:`~certification_pipeline.evidence.stores.remote.RemoteStore`."""
        state: UpdateVersion = {}
        if version.e_tag is not None:
            state["e_tag"] = version.e_tag
        if version.number is not None:
            state["version"] = version.number
        return self._put(key, data, state)

    def overwrite(self, key: str, data: bytes) -> None:
        """See :class:`~certification_pipeline.evidence.stores.remote.RemoteStore`."""
        self._put(key, data, "overwrite")

    def delete(self, key: str) -> None:
        """See :class:`~certification_pipeline.evidence.stores.remote.RemoteStore`."""
        asked = checked_key(key)
        self._unless_missing(lambda: self._api.delete(self._store, asked), f"{key} cannot be deleted")

    def names(self, prefix: str) -> Iterator[str]:
        """See :class:`~certification_pipeline.evidence.stores.remote.RemoteStore`."""
        asked = checked_key(prefix.removesuffix("/"))
        try:
            for page in self._api.list(self._store, prefix=asked):
                for found in page:
                    yield found["path"]
        except self._errors.BaseError as error:
            raise self._refused(error, f"{prefix} cannot be listed") from None

    def _put(self, key: str, data: bytes, mode: PutMode) -> bool:
        try:
            self._api.put(self._store, checked_key(key), data, mode=mode, use_multipart=False)
        except (self._errors.AlreadyExistsError, self._errors.PreconditionError):
            return False
        except NotImplementedError:
            raise
        except (self._errors.BaseError, OSError) as error:
            raise self._refused(error, f"{key} cannot be written") from None
        return True

    def _unless_missing(self, ask: Callable[[], T], what: str) -> T | None:
        try:
            return ask()
        except FileNotFoundError:
            return None
        except (self._errors.BaseError, OSError) as error:
            raise self._refused(error, what) from None

    def _refused(self, error: Exception, what: str) -> EvidenceError:
        said = Redactor().redact_text(_QUERY.sub("", str(error).strip().partition("\n")[0]))[
            :_LONGEST_MESSAGE
        ]
        denied = (self._errors.PermissionDeniedError, self._errors.UnauthenticatedError)
        remedy = "Check the address, the bucket and the network, then try again: what was done is kept"
        if isinstance(error, denied):
            remedy = "Check the credentials in the environment, and that they may read, list and write there"
        return EvidenceError(self.shown, None, f"{what}: {said}", remedy, ProblemKind.REFUSED)
