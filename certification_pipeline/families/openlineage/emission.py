"""Sends events to a receiver such as Marquez, over OpenLineage's own HTTP transport."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from openlineage.client.event_v2 import RunEvent
from openlineage.client.transport.http import ApiKeyTokenProvider, HttpConfig, HttpTransport, TokenProvider

from certification_pipeline.evidence.openlineage import Emission
from certification_pipeline.families.openlineage.errors import EmissionError

API_KEY_VARIABLE = "OPENLINEAGE_API_KEY"
TIMEOUT_SECONDS = 5.0
RETRIES = 3
_RETRY: dict[str, Any] = {
    "total": RETRIES,
    "backoff_factor": 0.2,
    "status_forcelist": [429, 500, 502, 503, 504],
    "allowed_methods": ["POST"],
}


class Receiver:
    """Where events go. The key comes from the environment alone, so that no shell history holds it."""

    def __init__(self, url: str) -> None:
        """Raises ``EmissionError`` for what is no plain ``http(s)://host[:port]``."""
        if "@" in url:
            raise EmissionError("--url holds credentials", f"put the key into {API_KEY_VARIABLE} instead")
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise EmissionError(f"--url {url!r} is no http:// or https:// address", _EXAMPLE)
        self.address = f"{parts.scheme}://{parts.netloc}"
        key = os.environ.get(API_KEY_VARIABLE)
        auth = ApiKeyTokenProvider({"api_key": key}) if key else TokenProvider({})
        self._transport = HttpTransport(HttpConfig(url=url, timeout=TIMEOUT_SECONDS, auth=auth, retry=_RETRY))

    def emit(self, events: Sequence[dict[str, object]]) -> Emission:
        """Send every event in order, each tried again while the receiver says it is busy or broken."""
        try:
            for sent, event in enumerate(events):
                self._send(event, sent, len(events))
        finally:
            self._transport.close()
        return Emission(emitted=len(events))

    def _send(self, event: dict[str, object], sent: int, total: int) -> None:
        taken = f"it took {sent} of {total} events"
        try:
            # The transport takes what is JSON already as it is.
            self._transport.emit(cast("RunEvent", event))
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else "nothing"
            remedy = _UNAUTHORIZED if status in _DENIED else "look into the receiver's log"
            raise EmissionError(f"{self.address} answered {status}; {taken}", remedy) from None
        except requests.RequestException as error:
            message = f"{self.address} does not answer as it should ({type(error).__name__}); {taken}"
            raise EmissionError(message, _START) from None


_EXAMPLE = "e.g. --url http://localhost:5000"
_DENIED = (401, 403)
_UNAUTHORIZED = f"set {API_KEY_VARIABLE} to a key it accepts"
_START = "start it, or look into its log; then export again: events that it has already are the same runs"
