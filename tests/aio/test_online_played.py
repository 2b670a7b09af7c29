"""Which certificates of a peer or a contract are asked about while it waits, by which edition they are
judged, and what becomes of a refusal; responders and judges are played."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from iso15118.aio.net import online as module
from iso15118.aio.net.ending import Ending, StreamEnd
from iso15118.aio.net.online import CheckedContracts, CheckedStream, PeerStatus, _Gate
from iso15118.pnc.contracts import Refusal

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEAF, SUB, TOP, ROOT = b"leaf", b"sub", b"top", b"root"


def verdict(
    path: tuple[int, ...] = (0, 1, 2), anchor: bytes | None = ROOT, ok: bool = True, code: str = "revoked"
) -> Any:
    bad = SimpleNamespace(alert="certificate_revoked", code=code)

    class Verdict(SimpleNamespace):
        def __str__(self) -> str:
            return "what is wrong"

    return Verdict(path=path, anchor=anchor, ok=ok, violations=[] if ok else [bad])


class Judge:
    """``verify_chain``: the first verdict is without evidence, the second with it."""

    def __init__(self, *verdicts: Any) -> None:
        self.verdicts = list(verdicts)
        self.asked: list[dict[str, Any]] = []

    def __call__(self, chain: Any, **how: Any) -> Any:
        self.asked.append({"chain": chain, **how})
        return self.verdicts.pop(0)


class Evidence:
    """What is there, with the demand that it is wanted for."""

    def policy(self, demand: str) -> Any:
        return SimpleNamespace(
            evidence=lambda chain, staples, leaf_only: ("evidence", demand, chain, staples, leaf_only)
        )


class Fetched:
    def __init__(self) -> None:
        self.asked: list[tuple[list[bytes], bytes]] = []
        self.takes_s = 0.0

    async def __call__(self, client: Any, evidence: Any, path: list[bytes], anchor: bytes) -> None:
        self.asked.append((path, anchor))
        await asyncio.sleep(self.takes_s)
        self.asked.append(([], b"done"))


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Fetched:
    played = Fetched()
    monkeypatch.setattr(module, "fetch_missing", played)
    return played


CLIENT: Any = SimpleNamespace(clock=lambda: NOW)


def info(chain: tuple[bytes, ...] = (LEAF, SUB, TOP), version: str = "TLSv1.3") -> Any:
    return SimpleNamespace(peer_chain=chain, staples=(b"staple",), version=version)


def status(judge: Judge, monkeypatch: pytest.MonkeyPatch, **how: Any) -> PeerStatus:
    monkeypatch.setattr(module, "verify_chain", judge)
    evidence: Any = Evidence()
    how = {"edition": "iso20", "older_edition": "iso2"} | how
    return PeerStatus(CLIENT, evidence, role="vehicle", anchors_der=dict, **how)


@pytest.mark.parametrize(
    ("demand", "path", "asked"),
    [
        ("all", (0, 1, 2), ([LEAF, SUB, TOP], ROOT)),
        ("all", (0,), ([LEAF], ROOT)),
        ("leaf", (0, 1, 2), ([LEAF], SUB)),
        ("leaf", (0, 2), ([LEAF], TOP)),
        ("leaf", (0,), ([LEAF], ROOT)),
    ],
)
async def test_what_is_demanded_is_asked_about_and_then_judged(
    demand: Any, path: tuple[int, ...], asked: Any, fetched: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Judge(verdict(path), verdict(path))
    assert await status(judge, monkeypatch, demand=demand)(info()) is None
    assert fetched.asked[0] == asked
    first, second = judge.asked
    assert "revocation" not in first
    assert second["revocation"] == ("evidence", demand, (LEAF, SUB, TOP), (b"staple",), False)
    for one in (first, second):
        assert (one["role"], one["edition"], one["environment"], one["at"]) == (
            "vehicle",
            "iso20",
            "public",
            NOW,
        )


@pytest.mark.parametrize(
    ("version", "older", "edition"),
    [
        ("TLSv1.3", "iso2", "iso20"),
        ("TLSv1.2", "iso2", "iso2"),
        ("TLSv1.2", None, "iso20"),
        ("TLSv1.3", None, "iso20"),
    ],
)
async def test_a_connection_of_tls_1_2_is_judged_by_the_older_edition(
    version: str, older: str | None, edition: str, fetched: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Judge(verdict(), verdict())
    await status(judge, monkeypatch, older_edition=older)(info(version=version))
    assert [one["edition"] for one in judge.asked] == [edition, edition]


@pytest.mark.parametrize(("path", "anchor"), [((), ROOT), ((0, 1), None), ((), None)])
async def test_about_a_chain_that_ends_nowhere_nobody_is_asked_but_it_is_judged(
    path: tuple[int, ...], anchor: bytes | None, fetched: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Judge(verdict(path, anchor, ok=False), verdict(path, anchor, ok=False))
    refusal = await status(judge, monkeypatch)(info())
    assert refusal == ("certificate_revoked", "vehicle certificates: what is wrong")
    assert fetched.asked == []


@pytest.mark.parametrize(("demand", "chain"), [("none", (LEAF,)), ("all", ()), ("none", ())])
async def test_where_nothing_is_demanded_or_nobody_is_proven_nothing_is_judged(
    demand: Any, chain: tuple[bytes, ...], fetched: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = Judge()
    assert await status(judge, monkeypatch, demand=demand)(info(chain)) is None
    assert (judge.asked, fetched.asked) == ([], [])


async def test_what_comes_too_late_for_this_connection_is_there_for_the_next(
    fetched: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched.takes_s = 5.0
    check = status(Judge(verdict(), verdict()), monkeypatch)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0):
            await check(info())
    assert len(fetched.asked) == 1
    await asyncio.sleep(5.0)
    assert fetched.asked[1:] == [([], b"done")]
    assert check._asking == set()


# -- a connection


async def test_a_connection_that_ends_meanwhile_is_judged_no_further() -> None:
    told: list[Any] = []
    owner: Any = SimpleNamespace(stream_ended=lambda stream, end: told.append((stream, end)))
    stream = object.__new__(CheckedStream)
    end = StreamEnd(Ending.RESET)
    stream._judging = None
    _Gate(owner).stream_ended(stream, end)
    stream._judging = asyncio.create_task(asyncio.sleep(100.0))
    other: Any = object()
    _Gate(owner).stream_ended(other, end)
    await asyncio.sleep(0)
    assert not stream._judging.done()
    _Gate(owner).stream_ended(stream, end)
    await asyncio.wait((stream._judging,))
    assert stream._judging.cancelled()
    assert told == [(stream, end), (other, end), (stream, end)]


# -- a contract


class Trust(msgspec.Struct):
    """Whom the station believes; ``verdicts`` are given one after the other."""

    verdicts: list[Any]
    revocation: Any = None

    def verify(self, chain: Any, at: float) -> Any:
        assert at == NOW.timestamp()
        return self.verdicts.pop(0)


class Behind:
    def __init__(self, *verdicts: Any) -> None:
        self.trust: Any = Trust(list(verdicts))
        self.asked = 0

    async def authorize_contract(self, claim: Any) -> bool:
        self.asked += 1
        return True


CLAIM: Any = SimpleNamespace(chain=(LEAF, SUB, TOP), emaid="DE-8AA-1")


def contracts(behind: Behind, demand: Any = "all") -> CheckedContracts:
    evidence: Any = Evidence()
    port: Any = behind
    return CheckedContracts(port, CLIENT, evidence, demand=demand)


@pytest.mark.parametrize(
    ("demand", "path", "asked"),
    [
        ("all", (0, 1), ([LEAF, SUB], ROOT)),
        ("leaf", (0, 1), ([LEAF], SUB)),
        ("leaf", (0,), ([LEAF], ROOT)),
        ("none", (0, 1), None),
        ("all", (), None),
    ],
)
async def test_a_contract_is_asked_about_before_the_backend_is(
    demand: str, path: tuple[int, ...], asked: Any, fetched: Fetched
) -> None:
    behind = Behind(verdict(path), verdict(path))
    assert await contracts(behind, demand).authorize_contract(CLAIM) is True
    assert behind.asked == 1
    assert (fetched.asked[0] if fetched.asked else None) == asked


@pytest.mark.parametrize("code", ["status-missing", "revoked"])
async def test_a_contract_that_is_refused_never_gets_to_the_backend(
    code: str, fetched: Fetched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "refusal_of", lambda verdict: Refusal.REVOKED)
    behind = Behind(verdict(), verdict(ok=False, code=code))
    refusal = await contracts(behind).authorize_contract(CLAIM)
    assert refusal is (Refusal.NOT_AVAILABLE if code == "status-missing" else Refusal.REVOKED)
    assert behind.asked == 0


def test_what_responders_have_said_counts_where_the_station_has_no_evidence_of_its_own() -> None:
    behind = Behind()
    checked = contracts(behind)
    first = checked.trust
    assert first.revocation is not None
    assert checked.trust is first, "made once"
    behind.trust = Trust([])
    assert checked.trust is not first, "and anew for another trust"
    behind.trust = Trust([], revocation="its own")
    assert checked.trust is behind.trust
