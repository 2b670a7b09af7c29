"""HTTP for small answers, without a network: which addresses may be asked, how much of an answer is taken,
and what every other end of a request comes to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.net import http_client as module
from iso15118.aio.net.http_client import HttpClient
from iso15118.errors import ConfigError, LinkError
from tests.aio.test_settling import now

URL = "http://ocsp.example/a"


class HTTPError(Exception):
    """Of the library."""


class Library:
    """Gives the answers of the test: status, headers, pieces; or raises."""

    HTTPError, InvalidURL, StreamError = HTTPError, HTTPError, HTTPError

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []
        self.takes_s = 0.0
        self.closed = 0

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, *, content: Any, headers: dict[str, str]
    ) -> AsyncIterator[Any]:
        self.asked.append((method, url, content))
        assert headers["Accept-Encoding"] == "identity"
        await asyncio.sleep(self.takes_s)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, head, pieces = answer

        async def raw() -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

        yield SimpleNamespace(status_code=status, headers=head, reason_phrase="why", aiter_raw=raw)

    async def aclose(self) -> None:
        self.closed += 1


def client(library: Library, monkeypatch: pytest.MonkeyPatch, **how: Any) -> HttpClient:
    monkeypatch.setattr(module, "_library", lambda: library)
    made = HttpClient(**how)
    made._client = library  # type: ignore[assignment]
    return made


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://a.example/x", "a.example"),
        ("https://a.example:8080/x?y", "a.example:8080"),
        ("http://a.example:0/", "a.example:0"),
        ("http://[2001:db8::1]/x", "2001:db8::1"),
        ("HTTP://A.example", "a.example"),
        ("http://a.example/!~", "a.example"),
        ("ftp://a.example/x", None),
        ("http:///x", None),
        ("a.example/x", None),
        ("http://user@a.example/", None),
        ("http://a.example:99999/", None),
        ("http://a.example/x y", None),
        ("http://a.example/x\x7f", None),
        ("http://a.example/\x1f", None),
        ("http://a.example/\u00e4", None),
    ],
)
def test_which_addresses_may_be_asked(url: str, host: str | None) -> None:
    if host is not None:
        assert module._host(url) == host
        return
    with pytest.raises(LinkError):
        module._host(url)


@pytest.mark.parametrize(
    ("sizes", "fits"), [((100,), True), ((60, 40), True), ((60, 41), False), ((101,), False), ((), True)]
)
async def test_an_answer_is_taken_up_to_the_most_that_it_may_have(
    sizes: tuple[int, ...], fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library((200, {}, [b"x" * size for size in sizes]))
    http = client(library, monkeypatch)
    if fits:
        assert await http.get(URL, accept="a", most=100) == b"x" * sum(sizes)
    else:
        with pytest.raises(LinkError, match=r"ocsp\.example: more than 100 octets"):
            await http.get(URL, accept="a", most=100)


@pytest.mark.parametrize(
    ("status", "then"), [(301, "POST"), (302, "POST"), (303, "GET"), (307, "POST"), (308, "POST")]
)
async def test_three_redirects_are_followed_and_a_fourth_is_not(
    status: int, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    again: Any = (status, {"Location": "/b"}, [])
    library = Library(again, again, again, (200, {}, [b"good"]))
    http = client(library, monkeypatch)
    assert await http.post(URL, b"body", kind="k", accept="a", most=100) == b"good"
    assert [method for method, _, _ in library.asked] == ["POST", then, then, then]
    assert [body for _, _, body in library.asked][1:] == [b"body" if then == "POST" else None] * 3
    assert library.asked[1][1] == "http://ocsp.example/b"
    library.answers = [again] * 4
    with pytest.raises(LinkError, match="more than 3 redirects"):
        await http.get(URL, accept="a", most=100)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, {}, []), "ocsp.example: it says 404 'why'"),
        ((301, {}, []), "more than 3 redirects"),
        ((301, {"Location": "http://127.0.0.1/"}, []), "is not followed"),
        ((301, {"Location": "ftp://b.example/"}, []), "is no http or https address"),
        (HTTPError("gone"), "ocsp.example: HTTPError gone"),
        (OSError("down"), "ocsp.example: OSError down"),
        (ValueError(), "ocsp.example: ValueError$"),
    ],
    ids=str,
)
async def test_what_a_request_that_fails_comes_to(
    answer: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = client(Library(*[answer] * 4), monkeypatch)
    with pytest.raises(LinkError, match=words):
        await http.get(URL, accept="a", most=100)


async def test_a_request_with_all_its_redirects_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    again: Any = (302, {"Location": "/b"}, [])
    library = Library(again, again, (200, {}, [b"good"]))
    library.takes_s = 1.0
    assert await client(library, monkeypatch, timeout_s=3.5).get(URL, accept="a", most=9) == b"good"
    library.answers = [again, again, (200, {}, [b"good"])]
    began = now()
    with pytest.raises(LinkError, match=r"ocsp\.example: no answer within 2\.5 s"):
        await client(library, monkeypatch, timeout_s=2.5).get(URL, accept="a", most=9)
    assert now() - began == pytest.approx(2.5, abs=0.1)


async def test_a_client_is_closed_once_and_may_be_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Library((200, {}, [b"one"])), Library((200, {}, [b"two"]))
    async with client(first, monkeypatch) as http:
        assert await http.get(URL, accept="a", most=9) == b"one"
        await http.close()
        await http.close()
        assert first.closed == 1
        monkeypatch.setattr(module, "_new_client", lambda timeout_s, trust_env: second)
        monkeypatch.setattr(module, "_library", lambda: second)
        await http.prepare()
        await http.prepare()
        assert await http.get(URL, accept="a", most=9) == b"two"
    assert second.closed == 1


@pytest.mark.parametrize("there", [False, True])
def test_the_library_is_looked_for_and_not_loaded(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: object() if there else None)
    if there:
        HttpClient.require()
        return
    with pytest.raises(ConfigError, match="the package httpx2 is not installed"):
        HttpClient.require()
