"""The system ``api``: a vendor's REST API of our own, started in threads of this process.

An emulator: it behaves as many vendors' APIs do, and is none of them.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping

from certification_pipeline.catalog.vocabulary import Fidelity
from certification_pipeline.harness.services.provider import Availability, Endpoint, ServiceError
from certification_pipeline.harness.services.vendor_api import VERSION, VendorApi
from certification_pipeline.redaction import Redactor

SYSTEM = "api"
_ANSWER_SECONDS = 5.0


class ApiProvider:
    """Starts a :class:`VendorApi`."""

    system = SYSTEM
    name = "vendor-api"
    fidelity = Fidelity.EMULATOR

    def __init__(self, *, redactor: Redactor) -> None:
        self._redactor = redactor

    def probe(self) -> Availability:
        """It takes nothing but a free port."""
        return Availability(True, "api, a vendor's REST API of our own")

    def start(self, run_id: str) -> ApiInstance:
        """A server that answered as itself; raises ``ServiceError``."""
        try:
            api = VendorApi()
        except OSError as error:
            raise ServiceError(f"api: cannot listen on 127.0.0.1: {error}", "free a port") from error
        self._redactor.register(api.password)
        instance = ApiInstance(api)
        if not instance.alive():
            instance.stop()
            raise ServiceError("api: it does not answer on 127.0.0.1", "see what filters local connections")
        return instance


class ApiInstance:
    """One running API."""

    system = SYSTEM
    provider = ApiProvider.name
    fidelity = Fidelity.EMULATOR
    version = VERSION
    # It has no statements, so there are no transactions to measure.
    capabilities: Mapping[str, bool] = {"transactional_ddl": False}

    def __init__(self, api: VendorApi) -> None:
        self.api = api

    def source(self) -> Endpoint:
        """``http://user:password@127.0.0.1:port``."""
        return Endpoint(self.system, self.api.dsn)

    def sink(self) -> Endpoint:
        """Never: it only gives. Raises ``ServiceError``."""
        raise ServiceError("api: it takes no data", "plan it as a source")

    def alive(self) -> bool:
        """Whether who answers there is the server we started."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"{self.api.url}/identity", timeout=_ANSWER_SECONDS) as answer:
                return bool(json.load(answer).get("nonce") == self.api.nonce)
        except (OSError, ValueError):
            return False

    def log_tail(self) -> str:
        """Empty: it keeps no log."""
        return ""

    def stop(self) -> None:
        """Stop listening; idempotent."""
        self.api.stop()
