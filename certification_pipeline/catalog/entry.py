"""What every entry of the catalogue is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Entry(BaseModel):
    """Frozen and closed: a misspelt key in the catalogue is an error with its line."""

    model_config = ConfigDict(extra="forbid", frozen=True)
