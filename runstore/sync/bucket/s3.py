"""A bucket in object storage, over `obstore`: S3 and what speaks its protocol.

Endpoint, region and credentials are those that the client finds (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_ALLOW_HTTP, instance roles, …).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from runstore.errors import InvalidInput, Unavailable
from runstore.sync.bucket.files import Found, Listed, too_large

if TYPE_CHECKING:
    from obstore.store import S3Store

Answer = TypeVar("Answer")
_PATIENCE = timedelta(seconds=30)


class S3Files:
    """The objects below a prefix of a bucket."""

    def __init__(self, url: str) -> None:
        try:
            import obstore
            from obstore import exceptions
            from obstore.store import S3Store
        except ImportError as error:
            raise Unavailable("object storage needs the package obstore", hint="install runstore[s3]", kind="missing-package") from error
        self.url = url
        self._obstore = obstore
        self._known = exceptions
        try:
            self._store: S3Store = S3Store.from_url(url, retry_config={"max_retries": 3, "retry_timeout": _PATIENCE})
        except (exceptions.BaseError, ValueError) as error:
            raise InvalidInput(f"{url} cannot be used: {_first_line(error)}", kind="bad-url") from error
        self.place = f"{self._store.config.get('endpoint', '')} {url.rstrip('/')}"

    def read(self, name: str, most: int) -> Found | None:
        """Return a whole object, or None if there is none."""

        def read() -> Found | None:
            answer = self._obstore.get(self._store, name, options={"range": (0, most + 1)})
            meta = answer.meta
            data = bytes(answer.bytes())
            if meta["size"] > most or len(data) > most:
                raise too_large(self.url, name, most)
            return Found(data, meta["e_tag"] or "")

        return self._try(read, missing=None)

    def part(self, name: str, start: int, length: int) -> bytes | None:
        """Return bytes of an object."""
        return self._try(lambda: bytes(self._obstore.get_range(self._store, name, start=start, length=length)), missing=None)

    def put(self, name: str, data: bytes) -> None:
        """Write an object."""
        self._try(lambda: self._obstore.put(self._store, name, data, use_multipart=False))

    def create(self, name: str, data: bytes) -> str | None:
        """Write an object if there is none of the name."""
        return self._try(lambda: self._obstore.put(self._store, name, data, mode="create")["e_tag"] or "", unmet=None)

    def replace(self, name: str, data: bytes, version: str) -> str | None:
        """Write an object if it stands at this version."""
        return self._try(lambda: self._obstore.put(self._store, name, data, mode={"e_tag": version})["e_tag"] or "", unmet=None)

    def delete(self, name: str) -> None:
        """Remove an object."""
        self._try(lambda: self._obstore.delete(self._store, name), missing=None)

    def list(self, prefix: str) -> Iterator[Listed]:
        """Yield the objects below a prefix."""
        for page in self._try(lambda: list(self._obstore.list(self._store, prefix=prefix))):
            for meta in page:
                yield Listed(meta["path"], meta["size"], int(meta["last_modified"].timestamp() * 1_000_000))

    def _try(self, action: Callable[[], Answer], **instead: Answer) -> Answer:
        """Do it. What is missing, or a condition that is not met, gives what stands for it; all else becomes Unavailable."""
        try:
            return action()
        except FileNotFoundError as error:
            if "missing" in instead:
                return instead["missing"]
            raise self._failed(error) from error
        except (self._known.AlreadyExistsError, self._known.PreconditionError) as error:
            if "unmet" in instead:
                return instead["unmet"]
            raise self._failed(error) from error
        except (self._known.PermissionDeniedError, self._known.UnauthenticatedError) as error:
            raise Unavailable(
                f"{self.url} allows no access: {_first_line(error)}",
                hint="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role, give the credentials",
                kind="forbidden",
            ) from error
        except (self._known.BaseError, OSError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> Unavailable:
        return Unavailable(f"{self.url}: {_first_line(error)}", hint="AWS_ENDPOINT_URL names a server other than Amazon's")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
