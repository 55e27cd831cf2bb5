"""Which index is watched: ``CERTIFY_INDEX_URL``, or whatever uv is configured with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from certification_pipeline.settings import ENV_PREFIX, SettingsError

if TYPE_CHECKING:
    from certification_pipeline.pipeline.upgrades.watch import Index


class IndexSettings(BaseSettings):
    """The address may hold credentials, so it is a secret as a whole."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="ignore")

    index_url: SecretStr | None = None

    @field_validator("index_url", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value


def check_index() -> None:
    """Raises ``SettingsError`` for an address that is none; where none is given there is nothing to check."""
    if IndexSettings().index_url is not None:
        configured_index()


def configured_index() -> Index:
    """Raises ``SettingsError`` for an address that is none."""
    # Clients of indexes: whoever only loads the code location needs none.
    from certification_pipeline.pipeline.upgrades.client import ask_uv  # noqa: PLC0415
    from certification_pipeline.pipeline.upgrades.index import PackageIndexError, SimpleIndex  # noqa: PLC0415

    url = IndexSettings().index_url
    if url is None:
        return ask_uv
    try:
        return SimpleIndex(url.get_secret_value())
    except PackageIndexError as problem:
        raise SettingsError(problem.message, problem.remedy) from None
