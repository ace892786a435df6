"""Files in a store that is no file system, such as S3: copied from it and to it by fsspec as it is.

The one place besides ``core.download`` from which a connection is opened, and only for an address that the user gave.
Credentials are the store's own affair (environment, configuration files); what its libraries say of an error is not
repeated, since it may hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from faceshield.core.address import Address
from faceshield.core.errors import FaceshieldError, StoreError, UsageError
from faceshield.core.store import sha256

Task = TypeVar("Task")

_AT_ONCE = 8  # files on their way; a store answers many at a time as fast as one


class Store:
    """The files of one scheme; every method may be called from several threads.

    Each raises StoreError, in one line with the address, where the store refuses or cannot be reached.
    """

    def __init__(self, scheme: str) -> None:
        """Raises UsageError where fsspec or the scheme's package is not installed."""
        try:
            import fsspec

            # listings that were kept would hide what others have put there since
            self._files: Any = fsspec.filesystem(scheme, skip_instance_cache=True, use_listings_cache=False)
        except ImportError:
            raise UsageError(f"{scheme}:// needs fsspec and s3fs: pip install 'faceshield[cluster]'") from None

    def list_files(self, root: Address) -> dict[str, int]:
        """The sizes in bytes of the files below ``root`` by relative name; by "" that of ``root`` if it is a file.

        {} where there is nothing. Nothing is said of the names: see ``core.address.is_plain``.
        """
        with _telling(root, "listed"):
            try:
                info = self._files.info(root.path)
                found = {root.path: info} if info["type"] == "file" else self._files.find(root.path, detail=True)
            except FileNotFoundError:
                return {}
        below, sizes = f"{root.path}/", {}
        for key, info in found.items():
            key = key.removeprefix("/")  # with which some stores begin their names
            if info["type"] == "file" and not key.endswith("/") and f"{key}/".startswith(below):  # else a folder's mark
                sizes[key.removeprefix(below) if key != root.path else ""] = info["size"]
        return sizes

    def exists(self, address: Address) -> bool:
        """Whether a file has this address."""
        with _telling(address, "looked at"):
            return bool(self._files.exists(address.path))

    def fetch(self, address: Address, path: Path, size: int) -> None:
        """Copy the file of ``size`` bytes to the new file ``path``. Raises UsageError where ``path`` is there."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("xb").close()
        except (
            OSError
        ) as error:  # letter case that this file system does not tell apart, or a file that is a folder too
            raise UsageError(f"{address}: cannot have a copy here ({error.strerror}); rename it") from None
        with _telling(address, "fetched"):
            self._files.get_file(address.path, str(path))
        if path.stat().st_size != size:
            raise StoreError(f"{address}: was cut off or written to while it was fetched; try again")

    def put(self, path: Path, address: Address) -> None:
        """Copy the file ``path`` to ``address``, under a temporary name at first: it appears whole or not at all.

        The temporary name is the same each time, so that the next try removes what a killed one has left.
        """
        folder, _, name = address.path.rpartition("/")
        temporary = f"{folder}/.faceshield-{sha256(name.encode())[:8]}.part"
        with _telling(address, "written"):
            self._files.put_file(str(path), temporary)
            if self._files.info(temporary)["size"] != path.stat().st_size:
                raise StoreError(f"{address}: arrived cut off; try again")
            self._files.cp_file(temporary, address.path)
            self._files.rm_file(temporary)

    def remove(self, address: Address) -> None:
        """Delete the file."""
        with _telling(address, "deleted"):
            self._files.rm_file(address.path)


def do_at_once(work: Callable[[Task], object], tasks: Iterable[Task]) -> Iterator[Task]:
    """``work`` on ``tasks``, some at a time; yields each that is done, in order. What it raises is raised here."""
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        running = [(task, pool.submit(work, task)) for task in tasks]
        for task, future in running:
            future.result()
            yield task
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _telling(address: Address, what: str) -> Iterator[None]:
    try:
        yield
    except FaceshieldError:
        raise
    except Exception as error:  # each store's library has errors of its own
        raise StoreError(
            f"{address}: cannot be {what} ({type(error).__name__}); check the address, its permissions and the network"
        ) from None
