"""Which index is watched: ``CERTIFY_INDEX_URL``, or whatever uv is configured with."""

from __future__ import annotations

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from certification_pipeline.pipeline.upgrades.client import ask_uv
from certification_pipeline.pipeline.upgrades.index import PackageIndexError, SimpleIndex
from certification_pipeline.pipeline.upgrades.watch import Index
from certification_pipeline.settings import ENV_PREFIX, SettingsError


class IndexSettings(BaseSettings):
    """The address may hold credentials, so it is a secret as a whole."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="ignore")

    index_url: SecretStr | None = None

    @field_validator("index_url", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value


def configured_index() -> Index:
    """Raises ``SettingsError`` for an address that is none."""
    url = IndexSettings().index_url
    if url is None:
        return ask_uv
    try:
        return SimpleIndex(url.get_secret_value())
    except PackageIndexError as problem:
        raise SettingsError(problem.message, problem.remedy) from None
