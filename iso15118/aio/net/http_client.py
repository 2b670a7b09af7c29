"""HTTP for small signed answers, OCSP responses and revocation lists: everything that the other side decides
is bounded.

Over the library ``httpx2`` (extra ``ocsp``), which is loaded with the first request and in a thread. It knows
chunks, kept connections and interim answers; redirects are followed here, a few of them, to http and https
only, and from elsewhere never to this machine or its own link.
"""

from __future__ import annotations

import asyncio
import socket
import urllib.parse
from importlib.util import find_spec
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, Final, Self

from iso15118.errors import ConfigError, LinkError

if TYPE_CHECKING:
    from types import ModuleType, TracebackType

    import httpx2

__all__ = ["HttpClient", "redirected"]

_REDIRECTS: Final = 3
_AGAIN: Final = frozenset({301, 302, 307, 308})
"""Redirects after which the same request is made; 303 asks with GET."""
_SEE_OTHER: Final = 303
_OK: Final = 200
_CONNECTIONS: Final = 8
_KEPT_S: Final = 30.0


class HttpClient:
    """A client whose connections are kept for the next request. Use it with ``async with``, or close it.

    ``timeout_s``: for a whole request, redirects included. Proxies of the environment are not used unless
    ``trust_env`` says so. One client belongs to one event loop.
    """

    def __init__(self, *, timeout_s: float = 5.0, trust_env: bool = False) -> None:
        self._timeout_s = timeout_s
        self._trust_env = trust_env
        self._client: httpx2.AsyncClient | None = None
        self._making: asyncio.Lock | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. The client can be used again, and opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    @staticmethod
    def require() -> None:
        """Raises ConfigError if the library is not installed; does not load it."""
        if find_spec("httpx2") is None:
            raise _missing()

    async def prepare(self) -> None:
        """Load the library now, which takes tens of milliseconds, in a thread.
        Raises ConfigError without it."""
        if self._making is None:
            self._making = asyncio.Lock()
        async with self._making:
            if self._client is None:
                self._client = await asyncio.to_thread(_new_client, self._timeout_s, self._trust_env)

    async def post(self, url: str, body: bytes, *, kind: str, accept: str, most: int) -> bytes:
        """What is answered to ``body`` of the media type ``kind``: ``most`` octets at most, uncompressed.

        Raises LinkError if there is no answer in time, none with status 200, or a longer one; ConfigError
        without the library.
        """
        return await self._ask("POST", url, body, {"Content-Type": kind, "Accept": accept}, most)

    async def get(self, url: str, *, accept: str, most: int) -> bytes:
        """What is there. Raises as :meth:`post`."""
        return await self._ask("GET", url, None, {"Accept": accept}, most)

    async def _ask(self, method: str, url: str, body: bytes | None, head: dict[str, str], most: int) -> bytes:
        await self.prepare()
        host = _host(url)
        try:
            async with asyncio.timeout(self._timeout_s):
                for _ in range(_REDIRECTS + 1):
                    status, data = await self._once(method, url, body, head, most)
                    if status == _OK:
                        return data
                    url = redirected(url, data.decode("latin-1"))
                    host = _host(url)
                    if status == _SEE_OTHER:
                        method, body = "GET", None
                raise LinkError(f"{host}: more than {_REDIRECTS} redirects")
        except TimeoutError as error:
            raise LinkError(f"{host}: no answer within {self._timeout_s:g} s") from error

    async def _once(
        self, method: str, url: str, body: bytes | None, head: dict[str, str], most: int
    ) -> tuple[int, bytes]:
        """The status and the body, or where a redirect leads to."""
        client = self._client
        if client is None:
            raise LinkError("the client was closed")
        library = _library()
        headers = {**head, "Accept-Encoding": "identity", "User-Agent": "iso15118"}
        host = _host(url)
        try:
            async with client.stream(method, url, content=body, headers=headers) as answer:
                if answer.status_code in (*_AGAIN, _SEE_OTHER):
                    return answer.status_code, answer.headers.get("Location", "").encode("latin-1")
                if answer.status_code != _OK:
                    raise LinkError(f"{host}: it says {answer.status_code} {answer.reason_phrase[:60]!r}")
                data = bytearray()
                async for piece in answer.aiter_raw():
                    data += piece
                    if len(data) > most:
                        raise LinkError(f"{host}: more than {most} octets")
                return _OK, bytes(data)
        except (library.HTTPError, library.InvalidURL, library.StreamError, OSError, ValueError) as error:
            raise LinkError(f"{host}: {type(error).__name__} {str(error)[:200]}".rstrip()) from error


def _host(url: str) -> str:
    """The host of an address that may be asked, human-readable. Raises LinkError for any other address."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise LinkError(f"{url[:200]!r}: {error}") from error
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise LinkError(f"{url[:200]!r} is no http or https address")
    if not url.isascii() or any(one <= " " or one == "\x7f" for one in url):
        raise LinkError(f"{url[:200]!r} is no http or https address")
    return host if port is None else f"{host}:{port}"


def redirected(url: str, location: str) -> str:
    """Where a redirect leads to. Raises LinkError if that may not be asked."""
    target = urllib.parse.urljoin(url, location)
    host = _host(target)
    if _is_near(target) and not _is_near(url):
        raise LinkError(f"{host}: a redirect to this machine or its own link is not followed")
    return target


def _is_near(url: str) -> bool:
    """The address is this machine's own, or one of its link, written out in any way that the
    system reads: what listens there trusts whoever can reach it, and an answer over plain http
    may have been changed on its way."""
    name = (urllib.parse.urlsplit(url).hostname or "").partition("%")[0].rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        # Also 127.1, 0x7f000001 and the like.
        address = ip_address(name if ":" in name else socket.inet_aton(name))
    except (ValueError, OSError):
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or address.is_link_local or address.is_unspecified


def _library() -> ModuleType:
    try:
        import httpx2
    except ImportError as error:
        raise _missing() from error
    return httpx2


def _missing() -> ConfigError:
    return ConfigError("ocsp", "the package httpx2 is not installed", "pip install 'iso15118-stack[ocsp]'")


def _new_client(timeout_s: float, trust_env: bool) -> Any:
    library = _library()
    return library.AsyncClient(
        timeout=library.Timeout(timeout_s),
        limits=library.Limits(
            max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=_KEPT_S
        ),
        follow_redirects=False,
        trust_env=trust_env,
    )
