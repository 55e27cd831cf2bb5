from __future__ import annotations

import threading
from pathlib import Path

import pytest

from certification_pipeline.harness.services.cache import CacheError, built_once, cache_root


def test_the_order_of_places(tmp_path: Path) -> None:
    home, xdg, own = (tmp_path / name for name in ("home", "xdg", "own"))
    everything = {"CERTIFY_CACHE": str(own), "XDG_CACHE_HOME": str(xdg), "HOME": str(home)}
    assert cache_root(everything) == own
    del everything["CERTIFY_CACHE"]
    assert cache_root(everything) == xdg / "certification_pipeline"
    del everything["XDG_CACHE_HOME"]
    assert cache_root(everything) == home / ".cache" / "certification_pipeline"


def test_a_home_that_is_no_directory_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    root = cache_root({"HOME": str(tmp_path / "file")})
    assert root.is_dir()
    assert tmp_path not in root.parents


def test_an_explicit_cache_that_cannot_be_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"CERTIFY_CACHE=.*file.*Set it to a directory"):
        cache_root({"CERTIFY_CACHE": str(tmp_path / "file")})


def test_a_directory_that_everybody_can_write_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with pytest.raises(CacheError, match="writable by everybody"):
        cache_root({"CERTIFY_CACHE": str(shared)})


def test_a_cache_for_other_users_is_not_below_a_private_directory(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    root = cache_root({"CERTIFY_CACHE": str(private)}, shared=True)
    assert root != private
    assert all(parent.stat().st_mode & 0o001 for parent in (root, *root.parents))


def test_built_once_even_when_many_want_it_at_once(tmp_path: Path) -> None:
    target = tmp_path / "thing"
    built: list[int] = []
    barrier = threading.Barrier(6)
    waiting = threading.Semaphore(0)

    def build(aside: Path) -> None:
        built.append(1)
        for _ in range(5):
            assert waiting.acquire(timeout=30)
        assert not target.exists()
        (aside / "content").write_text("whole")

    def want() -> None:
        barrier.wait()
        assert (built_once(target, build, waiting.release) / "content").read_text() == "whole"

    threads = [threading.Thread(target=want) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [1]


def test_a_failed_build_leaves_nothing_and_the_next_one_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "thing"

    def fail(aside: Path) -> None:
        (aside / "half").write_text("")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        built_once(target, fail)
    assert not target.exists()
    built_once(target, lambda aside: (aside / "whole").touch())
    assert [path.name for path in target.iterdir()] == ["whole"]


def test_what_a_killed_builder_left_is_not_taken_for_the_thing(tmp_path: Path) -> None:
    target = tmp_path / "thing"
    (tmp_path / "thing.building").mkdir()
    (tmp_path / "thing.building" / "half").write_text("")
    built_once(target, lambda aside: (aside / "whole").touch())
    assert [path.name for path in target.iterdir()] == ["whole"]
