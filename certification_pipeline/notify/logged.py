"""A receiver that only logs: for a first look, and for whoever collects logs anyway."""

from __future__ import annotations

import logging

from certification_pipeline.notify import words
from certification_pipeline.notify.notice import Notice, Severity

LOGGER = "certify.notify"
_LEVELS = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.ERROR,
}


class LogNotifier:
    """Writes each notice to the logger ``certify.notify``, one record a notice."""

    receiver = "log"

    def send(self, notice: Notice) -> None:
        """Cannot fail: `logging` swallows what its handlers raise."""
        log = logging.getLogger(LOGGER)
        log.log(_LEVELS[notice.severity], "%s: %s\n%s", notice.kind, words.title(notice), words.body(notice))
