"""When a station asks about its own chain again, with a played responder and a played clock: who is asked how
often, what a failure and a clock that was set come to, and how long it rests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio import status as module
from iso15118.aio.logs import flush
from iso15118.aio.net.ocsp_client import OcspAnswer
from iso15118.aio.status import StatusKeeper, fetch_missing
from iso15118.errors import ConfigError, LinkError, PkiError
from iso15118.pki.status.ocsp import OcspVerdict
from tests.aio.test_settling import now as loop_time

NOW = datetime(2027, 1, 1, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
LEAF, SUB, OTHER, ROOT = b"leaf", b"sub", b"other leaf", b"root"
ISSUERS = {LEAF: SUB, OTHER: SUB, SUB: ROOT}


def good(at: datetime = NOW, days: float = 2.0, status: Any = "good") -> OcspVerdict:
    return OcspVerdict(status=status, this_update=at, next_update=at + days * DAY)


class Responder:
    """A client whose answers are played: a verdict, or what is raised."""

    def __init__(self) -> None:
        self.now = NOW
        self.asked: list[tuple[bytes, int]] = []
        self.listed: list[str] = []
        self.says: Any = None

    def clock(self) -> datetime:
        return self.now

    async def ask(self, der: bytes, issuer: bytes, *, place: int = 0) -> OcspAnswer:
        assert issuer == ISSUERS[der]
        self.asked.append((der, place))
        if isinstance(self.says, Exception):
            raise self.says
        return OcspAnswer(b"about " + der, self.says or good(self.now))

    async def fetch_list(self, url: str) -> bytes:
        self.listed.append(url)
        if isinstance(self.says, Exception):
            raise self.says
        return b"a list"

    def taken(self) -> list[Any]:
        """What was asked since."""
        taken = [*self.asked, *self.listed]
        self.asked, self.listed = [], []
        return taken


class Evidence:
    """What is known, and a store beside it."""

    def __init__(self) -> None:
        self.known: dict[Any, bytes] = {}
        self.stored: dict[bytes, bytes] = {}
        self.store: Any = SimpleNamespace(add_response=self.stored.__setitem__)
        self.refreshed = 0

    def refresh(self) -> None:
        self.refreshed += 1

    def responses(self, chain: Sequence[bytes]) -> tuple[bytes | None, ...]:
        return tuple(self.known.get(der) for der in chain)

    def add_response(self, der: bytes, octets: bytes) -> None:
        self.known[der] = octets

    add_list = add_response


class Bench:
    """A keeper with both."""

    def __init__(self) -> None:
        self.client, self.evidence = Responder(), Evidence()
        self.verdicts: dict[bytes, OcspVerdict] = {}
        """What octets that are there from before prove."""
        self.share = 0

    def keeper(self, *chains: Sequence[bytes], **how: Any) -> StatusKeeper:
        client: Any = how.pop("client", self.client)
        evidence: Any = self.evidence
        return StatusKeeper(client, evidence, chains=lambda: chains, roots=lambda: [ROOT], **how)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench()

    def issuer(der: bytes, candidates: Sequence[bytes]) -> bytes | None:
        return ISSUERS.get(der) if ISSUERS.get(der) in candidates else None

    def verify(octets: bytes, *, certificate_der: bytes, issuer_der: bytes, at: datetime) -> OcspVerdict:
        assert issuer_der == ISSUERS[certificate_der]
        return made.verdicts[octets]

    def share(most: int) -> int:
        assert most == 1000
        return made.share

    monkeypatch.setattr(module, "issuer_among", issuer)
    monkeypatch.setattr(module, "verify_response", verify)
    monkeypatch.setattr(module, "secrets", SimpleNamespace(randbelow=share))
    return made


async def test_each_of_a_chain_is_asked_about_with_its_place_and_again_when_it_is_due(bench: Bench) -> None:
    """A certificate without an issuer that is known, a root for instance, is nobody's to ask about."""
    keeper = bench.keeper((LEAF, SUB, ROOT))
    assert await keeper.turn() == 60.0
    assert bench.client.taken() == [(LEAF, 0), (SUB, 1)]
    assert bench.evidence.known == bench.evidence.stored == {LEAF: b"about leaf", SUB: b"about sub"}
    bench.client.now = NOW + DAY - timedelta(seconds=30)
    assert await keeper.turn() == 30.0
    assert bench.client.taken() == []
    bench.client.now = NOW + DAY
    assert await keeper.turn() == 60.0
    assert bench.client.taken() == [(LEAF, 0), (SUB, 1)]
    assert bench.evidence.refreshed == 3, "what others have put into the store counts"


async def test_one_that_two_chains_share_is_asked_about_once(bench: Bench) -> None:
    """Also where its responder does not answer, and its time is spread as that of the others is."""
    bench.share = 999
    keeper = bench.keeper((LEAF, SUB), (OTHER, SUB))
    await keeper.turn()
    assert bench.client.taken() == [(LEAF, 0), (SUB, 1), (OTHER, 0)]
    assert {one.due for one in keeper._asked.values()} == {NOW + DAY - 0.0999 * DAY}
    fails = bench.keeper((LEAF, SUB), (OTHER, SUB), lists=("u", "u"))
    bench.client.says = LinkError("away")
    bench.evidence.known.clear()
    await fails.turn()
    assert bench.client.taken() == [(LEAF, 0), (SUB, 1), (OTHER, 0), "u"]


@pytest.mark.parametrize(("share", "earlier"), [(0, 0.0), (500, 0.05), (999, 0.0999)])
async def test_stations_that_started_together_do_not_ask_together(
    bench: Bench, share: int, earlier: float
) -> None:
    """Each asks up to a tenth of the wait earlier, and never later."""
    bench.share = share
    keeper = bench.keeper((SUB,))
    await keeper.turn()
    bench.client.taken()
    due = NOW + DAY * (1.0 - earlier)
    bench.client.now = due - timedelta(seconds=1)
    await keeper.turn()
    assert bench.client.taken() == []
    bench.client.now = due
    await keeper.turn()
    assert bench.client.taken() == [(SUB, 0)]


async def test_a_clock_that_was_set_is_noticed_in_either_direction(bench: Bench) -> None:
    """Set back by a year, the station does not wait for a year until it asks again."""
    keeper = bench.keeper((SUB,), lists=("u",))
    for at in (NOW, NOW + 365 * DAY, NOW + 2 * DAY, NOW, NOW - DAY):
        bench.client.now = at
        assert 0.0 <= await keeper.turn() <= 60.0
        assert bench.client.taken() == [(SUB, 0), "u"]
    bench.client.now += timedelta(seconds=1)
    await keeper.turn()
    assert bench.client.taken() == []


async def test_a_responder_that_fails_is_asked_after_a_minute_and_then_ever_later(bench: Bench) -> None:
    """What it says counts as a failure if it proves nothing; a good answer ends the row."""
    keeper = bench.keeper((SUB,))
    invalid = OcspVerdict(status="invalid", this_update=NOW)
    for says, wait in (
        (LinkError("away"), 1),
        (invalid, 2),
        (OcspVerdict(status="good"), 4),
        (LinkError("away"), 8),
    ):
        bench.client.says = says
        assert await keeper.turn() == 60.0
        assert bench.client.taken() == [(SUB, 0)]
        bench.client.now += wait * MINUTE - timedelta(seconds=1)
        assert await keeper.turn() == 1.0
        assert bench.client.taken() == []
        bench.client.now += timedelta(seconds=1)
    assert bench.evidence.known == {}
    bench.client.says = None
    await keeper.turn()
    bench.client.now += DAY
    bench.client.says = LinkError("away")
    assert await keeper.turn() == 60.0
    assert keeper._asked[SUB].failures == 1


async def test_who_names_no_responder_is_asked_for_one_a_day_later(bench: Bench) -> None:
    bench.client.says = PkiError("names no responder")
    keeper = bench.keeper((SUB,))
    await keeper.turn()
    bench.client.now += DAY - timedelta(seconds=1)
    assert await keeper.turn() == 1.0
    assert bench.client.taken() == [(SUB, 0)]
    bench.client.now += timedelta(seconds=1)
    await keeper.turn()
    assert bench.client.taken() == [(SUB, 0)]


async def test_a_list_is_fetched_every_hour_and_responders_are_not_asked_where_nobody_wants_it(
    bench: Bench,
) -> None:
    keeper = bench.keeper((LEAF, SUB), lists=("u",), responses=False)
    for _ in range(3):
        await keeper.turn()
        assert bench.client.taken() == ["u"]
        bench.client.now += HOUR - timedelta(seconds=1)
        assert await keeper.turn() == 1.0
        assert bench.client.taken() == []
        bench.client.now += timedelta(seconds=1)
    assert bench.evidence.known == {"u": b"a list"}
    for wait in (1, 2):
        bench.client.says = LinkError("away")
        await keeper.turn()
        assert bench.client.taken() == ["u"]
        bench.client.now += wait * MINUTE
    bench.client.says = None
    await keeper.turn()
    assert keeper._asked["u"].failures == 0


@pytest.mark.parametrize(
    ("known", "again_in"),
    [
        (good(), DAY),
        (good(NOW - 1.5 * DAY), DAY / 4),
        (good(NOW - 2 * DAY + MINUTE), timedelta()),
        (good(status="invalid"), timedelta()),
        (OcspVerdict(status="good"), timedelta()),
        (good(NOW - 2 * DAY + 3 * MINUTE), 1.5 * MINUTE),
        (good(NOW - 2 * DAY + 2 * MINUTE), timedelta()),
    ],
)
async def test_what_is_there_from_before_is_asked_for_again_at_its_time(
    bench: Bench, known: OcspVerdict, again_in: timedelta
) -> None:
    """At once if that is within a minute, or if it proves nothing."""
    bench.evidence.known[SUB] = b"from before"
    bench.verdicts[b"from before"] = known
    keeper = bench.keeper((SUB,))
    await keeper.turn()
    if again_in:
        assert bench.client.taken() == []
        bench.client.now = NOW + again_in - timedelta(seconds=1)
        await keeper.turn()
        assert bench.client.taken() == []
        bench.client.now = NOW + again_in
        await keeper.turn()
    assert bench.client.taken() == [(SUB, 0)]


async def test_with_nothing_to_ask_it_rests_for_a_minute_and_follows_the_store(bench: Bench) -> None:
    assert await bench.keeper(client=None).turn() == 60.0
    assert await bench.keeper((SUB,), client=None).turn() == 60.0
    assert await bench.keeper().turn() == 60.0
    assert await bench.keeper((ROOT,)).turn() == 60.0
    assert bench.evidence.refreshed == 4
    assert bench.client.taken() == []


async def test_a_turn_that_fails_is_followed_by_the_next_one_and_a_new_chain_wakes_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_LONGEST_NAP_S", 30.0)
    keeper = bench.keeper()
    began = loop_time()
    times: list[float] = []
    turns: list[Any] = [RuntimeError("odd"), 5.0, 5.0, 10.0, ConfigError("ocsp", "is missing")]

    async def turn() -> float:
        times.append(loop_time() - began)
        done = turns.pop(0)
        if isinstance(done, Exception):
            raise done
        if len(turns) == 2:
            asyncio.get_running_loop().call_later(1.0, keeper.wake)
        return float(done)

    monkeypatch.setattr(keeper, "turn", turn)
    keeper.wake()  # nobody is there yet
    with pytest.raises(ConfigError):
        await keeper.run()
    assert times == pytest.approx([0.0, 30.0, 35.0, 36.0, 46.0], abs=0.1)
    assert flush(60.0)
    assert "a turn of the keeper failed; it goes on" in caplog.text


async def test_a_certificate_of_ours_that_is_revoked_is_said_and_a_store_that_cannot_keep_it_too(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def full(der: bytes, octets: bytes) -> None:
        raise PkiError("no space left")

    keeper = bench.keeper((LEAF, SUB))
    await keeper.turn()
    assert flush(60.0)
    assert "vehicles refuse it" not in caplog.text
    bench.evidence.store.add_response = full
    bench.client.says = good(NOW + DAY, status="revoked")
    bench.client.now += DAY
    await keeper.turn()
    bench.evidence.store = None
    bench.client.now += DAY
    await keeper.turn()
    assert flush(60.0)
    assert caplog.text.count("our certificate 0 is revoked, says its OCSP responder: vehicles refuse it") == 2
    assert caplog.text.count("is not kept for the next start: no space left") == 2
    assert bench.evidence.known[LEAF] == b"about leaf"


@pytest.mark.parametrize("says", [None, LinkError("away"), OcspVerdict(status="invalid")], ids=str)
async def test_of_a_peer_only_what_is_not_known_is_asked_about(bench: Bench, says: Any) -> None:
    bench.evidence.known = {LEAF: b"old", OTHER: b"x"}
    bench.verdicts = {b"old": OcspVerdict(status="invalid"), b"new": good()}
    bench.client.says = says
    client, evidence = bench.client, bench.evidence
    await fetch_missing(client, evidence, (LEAF, SUB), ROOT)  # type: ignore[arg-type]
    assert client.taken() == [(LEAF, 0), (SUB, 1)]
    kept = {LEAF: b"about leaf", SUB: b"about sub"} if says is None else {LEAF: b"old"}
    assert bench.evidence.known == {**kept, OTHER: b"x"}
    bench.evidence.known = {LEAF: b"new", SUB: b"new"}
    await fetch_missing(client, evidence, (LEAF, SUB), ROOT)  # type: ignore[arg-type]
    assert client.taken() == []


async def test_it_rests_until_the_first_of_all_is_due_and_not_at_all_where_that_has_passed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = bench.keeper((SUB,), lists=("u",))
    await keeper.turn()
    bench.client.now += HOUR - timedelta(seconds=20)
    assert await keeper.turn() == 20.0, "the list is due then, the certificate in a day"

    async def slow(der: bytes, issuer: bytes, *, place: int = 0) -> OcspAnswer:
        bench.client.now += 2 * DAY
        return OcspAnswer(b"late", good(NOW))

    monkeypatch.setattr(bench.client, "ask", slow)
    bench.evidence.known.clear()
    assert await bench.keeper((SUB,)).turn() == 0.0
