"""What an OCSP client asks for and takes, on played HTTP: how many responders, how long a nonce, how large an
answer, and how long it waits.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.net import http_client, ocsp_client
from iso15118.aio.net.http_client import HttpClient
from iso15118.aio.net.ocsp_client import OcspClient, fetch_response, refresh_responses
from iso15118.errors import LinkError
from iso15118.pki.status.ocsp import OcspVerdict

URLS = tuple(f"http://{number}.example/" for number in range(1, 7))


class Http:
    """Answers nothing that proves anything, and notes what is asked."""

    made: list[Http] = []  # noqa: RUF012 - of the class, and emptied by the fixture

    def __init__(self, **how: Any) -> None:
        self.how = how
        self.asked: list[tuple[str, int]] = []
        self.made.append(self)

    async def post(self, url: str, body: bytes, *, kind: str, accept: str, most: int) -> bytes:
        assert (kind, accept) == ("application/ocsp-request", "application/ocsp-response")
        self.asked.append((url, most))
        return b"answer"

    async def get(self, url: str, *, accept: str, most: int) -> bytes:
        assert accept == "application/pkix-crl"
        self.asked.append((url, most))
        return b"list"

    async def __aenter__(self) -> Http:
        return self

    async def __aexit__(self, *how: object) -> None: ...


@pytest.fixture
def nonces(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, int]]:
    """Each nonce that is sent, and the place that its answer is judged for."""
    sent: list[tuple[Any, int]] = []
    Http.made.clear()

    def verify(octets: bytes, *, nonce: bytes | None, place: int, **more: Any) -> OcspVerdict:
        sent.append((nonce, place))
        return OcspVerdict(status="invalid")

    monkeypatch.setattr(ocsp_client, "HttpClient", Http)
    monkeypatch.setattr(ocsp_client, "parse", lambda der: SimpleNamespace(ocsp_urls=URLS))
    monkeypatch.setattr(ocsp_client, "ocsp_request", lambda *what, **more: b"request")
    monkeypatch.setattr(ocsp_client, "verify_response", verify)
    monkeypatch.setattr(ocsp_client, "crl_der", lambda data: data)
    return sent


async def test_four_responders_are_asked_each_with_a_nonce_of_its_own(nonces: list[tuple[Any, int]]) -> None:
    """A certificate may name as many as it likes. An answer has 32 KiB at most, and is about the leaf unless
    another place is said."""
    http: Any = Http()
    answer = await OcspClient(http).ask(b"leaf", b"issuer")
    assert answer.verdict.status == "invalid"
    assert http.asked == [(url, 32 * 1024) for url in URLS[:4]]
    assert [(len(nonce), place) for nonce, place in nonces] == [(16, 0)] * 4
    assert len({nonce for nonce, _ in nonces}) == 4
    await OcspClient(http, nonce="none").ask(b"leaf", b"issuer", place=2)
    assert nonces[4:] == [(None, 2)] * 4


async def test_a_list_has_4_mib_at_most(nonces: list[tuple[Any, int]]) -> None:
    http: Any = Http()
    assert await OcspClient(http).fetch_list("http://lists.example/") == b"list"
    assert http.asked == [("http://lists.example/", 4 * 1024 * 1024)]


async def test_who_says_no_time_waits_five_seconds(
    nonces: list[tuple[Any, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = None
    assert await fetch_response(URLS[0], b"request") == b"answer"
    assert await refresh_responses(store, (), ()) == ()
    assert [one.how for one in Http.made] == [{"timeout_s": 5.0}] * 2
    made: list[tuple[float, bool]] = []

    def new_client(timeout_s: float, trust_env: bool) -> Any:
        made.append((timeout_s, trust_env))
        raise LinkError("there is none")

    monkeypatch.setattr(http_client, "_new_client", new_client)
    with pytest.raises(LinkError):
        await HttpClient().prepare()
    assert made == [(5.0, False)], "and uses no proxy of the environment"


def test_few_connections_are_kept_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight, for half a minute; the library follows no redirect by itself."""
    library = SimpleNamespace(
        Timeout=lambda seconds: ("timeout", seconds),
        Limits=lambda **limits: limits,
        AsyncClient=lambda **how: how,
    )
    monkeypatch.setattr(http_client, "_library", lambda: library)
    assert http_client._new_client(2.5, True) == {
        "timeout": ("timeout", 2.5),
        "limits": {"max_connections": 8, "max_keepalive_connections": 8, "keepalive_expiry": 30.0},
        "follow_redirects": False,
        "trust_env": True,
    }
