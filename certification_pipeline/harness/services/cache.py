"""Where things that are dear to make are kept, and how they are made exactly once.

Used for copies of service binaries and for the engines' environments. Knows nothing of either.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

APP = "certification_pipeline"


class CacheError(Exception):
    """No directory can hold the cache; the message names what was tried and the remedy."""


def cache_root(environ: Mapping[str, str] | None = None, *, shared: bool = False) -> Path:
    """The cache directory, made when absent.

    ``CERTIFY_CACHE``, else ``$XDG_CACHE_HOME/certification_pipeline``, else ``~/.cache/…``, else
    ``/var/cache/…``, else one in the temporary directory. ``shared``: it must be reachable by *other* users,
    which ``/root`` (0700) is not; the first candidate that is, is taken. Raises :class:`CacheError`.
    """
    env = os.environ if environ is None else environ
    tried: list[str] = []
    for candidate in _candidates(env):
        problem = _unusable(candidate)
        if problem is None and shared and not reachable_by_all(candidate):
            problem = "is not reachable by other users"
        elif problem is not None and env.get("CERTIFY_CACHE"):
            # Asked for by name: quietly writing somewhere else would be a surprise.
            raise CacheError(
                f"CERTIFY_CACHE={candidate} {problem}. Set it to a directory of yours, or unset it"
            )
        if problem is None:
            return candidate
        tried.append(f"{candidate} {problem}")
    raise CacheError(
        "no directory can hold the cache ("
        + "; ".join(tried)
        + "). Set CERTIFY_CACHE to a directory of yours"
    )


def _candidates(env: Mapping[str, str]) -> Iterator[Path]:
    if explicit := env.get("CERTIFY_CACHE"):
        yield Path(explicit).expanduser().absolute()
    if (xdg := env.get("XDG_CACHE_HOME")) and Path(xdg).is_absolute():
        yield Path(xdg) / APP
    if home := env.get("HOME"):
        yield Path(home).absolute() / ".cache" / APP
    if os.geteuid() == 0:
        yield Path("/var/cache") / APP
    yield Path(tempfile.gettempdir()).absolute() / f"{APP}-{os.geteuid()}"


def _unusable(path: Path) -> str | None:
    """Why ``path`` cannot be the cache, or ``None``.

    It must be ours alone to write: whoever can write there can make us run their binaries, and names in
    ``/tmp`` can be taken by anybody beforehand.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o755)
        info = path.stat()
    except OSError as error:
        return f"cannot be made ({error.strerror or error})"
    if info.st_uid != os.geteuid():
        return "belongs to another user"
    if info.st_mode & stat.S_IWOTH:
        return "is writable by everybody"
    if not os.access(path, os.W_OK | os.X_OK):
        return "is not writable"
    return None


def reachable_by_all(path: Path) -> bool:
    """Whether every directory down to ``path`` may be entered by anybody."""
    resolved = path.resolve()
    return all(p.stat().st_mode & stat.S_IXOTH for p in (resolved, *resolved.parents))


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold an exclusive lock on the file ``path``; the kernel lets go of it when we die."""
    with path.open("ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if on_wait:
                on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def built_once(
    target: Path, build: Callable[[Path], None], on_wait: Callable[[], None] | None = None
) -> Path:
    """The directory ``target``, made by ``build(empty_directory)`` when it is not there yet.

    Built aside and renamed, so that a half-made one is never seen; under a lock, so that two runs do not
    build at once. What a killed builder left behind is swept by the next one. Errors of ``build`` pass.
    """
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.with_name(target.name + ".lock"), on_wait):
        if target.is_dir():
            return target
        aside = target.with_name(target.name + ".building")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=0o755)
        aside.chmod(0o755)  # whatever the umask says: see ``shared``
        try:
            build(aside)
            aside.rename(target)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    return target
