"""Without an address of our own the real uv is asked, with whatever index it is configured with."""

from __future__ import annotations

from pathlib import Path

import pytest

from certification_pipeline.pipeline.upgrades.client import ask_uv
from certification_pipeline.pipeline.upgrades.configured import configured_index
from certification_pipeline.pipeline.upgrades.index import PackageIndexError
from tests.upgrades.serving import Served, file
from tests.upgrades.toy import publish


@pytest.fixture
def uv(index: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Served:
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.delenv("CERTIFY_INDEX_URL", raising=False)
    return index


def test_uv_names_the_newest_it_would_install(uv: Served, tmp_path: Path) -> None:
    publish(uv, tmp_path, v1_2_3="", v1_10_0="", v2_0rc1="")
    found = configured_index()("toy")
    assert found.version == "1.10.0"
    assert "CERTIFY_INDEX_URL" in str(found.silent)
    # Asked again it does not answer from its cache.
    publish(uv, tmp_path, v1_10_0="", v1_11_0="")
    assert ask_uv("toy").version == "1.11.0"


def test_what_uv_says_is_told_without_its_secrets(
    uv: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", uv.url.replace("//", "//reader:s3cretword@"))
    with pytest.raises(PackageIndexError, match="uv finds no version of nobody") as caught:
        ask_uv("nobody")
    assert "s3cretword" not in str(caught.value)
    uv.json("toy", file("1.0", yanked="bad"))
    with pytest.raises(PackageIndexError, match="uv finds no version of toy"):
        ask_uv("toy")


def test_uv_is_given_up(uv: Served) -> None:
    with pytest.raises(PackageIndexError, match="no answer for toy within"):
        ask_uv("toy", seconds=0.001)
