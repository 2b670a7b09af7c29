"""Evidence of revocation while a station runs: kept fresh for its own chain, asked for about those who
come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509

from iso15118.aio.logs import flush
from iso15118.aio.net.http_client import HttpClient
from iso15118.aio.net.ocsp_client import OcspClient
from iso15118.aio.net.ocsp_listener import serve_ocsp
from iso15118.aio.net.online import CheckedContracts, CheckedStream, PeerStatus
from iso15118.aio.status import StatusKeeper, fetch_missing
from iso15118.pki import IssuedPki, issue_test_pki, peer_verifier
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.status.crl import crl
from iso15118.pki.status.evidence import Evidence
from iso15118.pki.status.ocsp import OcspVerdict, ocsp_request, verify_response
from iso15118.pki.status.renewal import refresh_at, retry_s
from iso15118.pki.status.responder import OcspResponder
from iso15118.pki.store import Store
from iso15118.pnc.authorization import ContractTrust
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.simulation.backend import ContractBackend
from iso15118.tls import ISO20, TlsContext, TlsInfo
from tests.aio.responder import Seen, openssl_responder, reply, request_of, serving
from tests.aio.site import evcc_config, secc_config, site
from tests.tls.rig import NOW, issued

PKI = issued()
CHAIN = PKI.secc.chain
DAY = timedelta(days=1)


class Clock:
    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


async def until(done: Callable[[], bool]) -> None:
    """Wait for what another task does."""
    while not done():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.01)


@asynccontextmanager
async def asking(clock: Clock, pki: IssuedPki = PKI, **script: Any) -> AsyncIterator[OcspClient]:
    server = await serve_ocsp(OcspResponder(pki, **script), host="::1", clock=clock)
    url = f"http://[::1]:{server.sockets[0].getsockname()[1]}"
    try:
        async with HttpClient() as http:
            yield OcspClient(http, responder=url, clock=clock)
    finally:
        server.close()
        await server.wait_closed()


def status(evidence: Evidence, place: int, at: datetime, chain: Sequence[bytes] = CHAIN) -> OcspVerdict:
    der = evidence.responses(chain)[place]
    assert der is not None
    issuer = [*chain[1:], PKI.v2g_root][place]
    return verify_response(der, certificate_der=chain[place], issuer_der=issuer, at=at)


def test_it_is_asked_again_in_the_middle_of_a_response_and_within_a_day() -> None:
    assert refresh_at(NOW, NOW + DAY, NOW) == NOW + DAY / 2
    assert refresh_at(NOW, NOW + 6 * DAY, NOW) == NOW + DAY
    # A responder that hands out what it made yesterday.
    assert refresh_at(NOW - DAY, NOW + DAY, NOW + DAY / 2) == NOW + DAY * 3 / 4
    assert refresh_at(NOW, NOW + timedelta(seconds=10), NOW) == NOW + timedelta(minutes=1)
    assert refresh_at(NOW - 3 * DAY, NOW - DAY, NOW) == NOW + timedelta(minutes=1)
    assert refresh_at(NOW, None, NOW) == NOW + DAY
    assert [retry_s(failures) for failures in (1, 2, 3, 7, 999)] == [60.0, 120.0, 240.0, 3600.0, 3600.0]


async def test_responses_are_fetched_again_before_they_end(tmp_path: Path) -> None:
    clock = Clock()
    evidence = Evidence(Store(tmp_path))
    async with asking(clock) as client:
        keeper = StatusKeeper(client, evidence, chains=lambda: [CHAIN], roots=lambda: [PKI.v2g_root])
        for _ in range(40):
            await keeper.turn()
            for place in range(3):
                # Three days long, and never with less than half of that left but for the way there.
                verdict = status(evidence, place, clock.now)
                assert verdict.status == "good"
                assert verdict.next_update is not None
                assert verdict.next_update - clock.now > DAY
            clock.now += timedelta(hours=5)
    assert len(Store(tmp_path).read().responses) == 3


async def test_a_responder_that_is_away_is_asked_again_later_and_what_is_known_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    evidence = Evidence()
    async with asking(clock) as client:
        keeper = StatusKeeper(client, evidence, chains=lambda: [CHAIN[:1]], roots=lambda: [CHAIN[1]])
        await keeper.turn()
        good = evidence.responses(CHAIN)
        clock.now += DAY
        client._responder = "http://[::1]:9/"
        waits = []
        for _ in range(3):
            waits.append(await keeper.turn())
            clock.now += timedelta(hours=2)
        assert evidence.responses(CHAIN) == good
        assert all(0.0 < wait <= 60.0 for wait in waits)
    flush(60.0)
    assert "asked again in 60 s" in caplog.text
    assert "asked again in 240 s" in caplog.text


async def test_what_is_left_from_the_last_start_is_not_asked_for_again(tmp_path: Path) -> None:
    clock = Clock()
    async with asking(clock) as client:
        first = StatusKeeper(
            client, Evidence(Store(tmp_path)), chains=lambda: [CHAIN], roots=lambda: [PKI.v2g_root]
        )
        await first.turn()
        client._responder = "http://[::1]:9/"
        again = Evidence(Store(tmp_path))
        second = StatusKeeper(client, again, chains=lambda: [CHAIN], roots=lambda: [PKI.v2g_root])
        await second.turn()
        assert status(again, 0, clock.now).status == "good"
        assert all(one.failures == 0 for one in second._asked.values())


async def test_a_new_chain_is_asked_about_at_once() -> None:
    clock, evidence = Clock(), Evidence()
    chains: list[tuple[bytes, ...]] = []
    async with asking(clock) as client:
        keeper = StatusKeeper(client, evidence, chains=lambda: chains, roots=lambda: [PKI.v2g_root])
        task = asyncio.create_task(keeper.run())
        await asyncio.sleep(0)
        chains.append(CHAIN)
        keeper.wake()
        await until(lambda: None not in evidence.responses(CHAIN))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_lists_are_kept_fresh_too(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()
    real = x509.load_der_x509_crl

    def load(data: bytes) -> x509.CertificateRevocationList:
        threads.add(threading.get_ident())
        return real(data)

    monkeypatch.setattr(x509, "load_der_x509_crl", load)
    key = load_key(PKI.keys["cpo-sub2"])
    made = crl(CHAIN[1], key, last_update=NOW, next_update=NOW + DAY)

    async def habit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen) -> None:
        while True:
            await request_of(reader, seen)
            writer.write(reply(made))

    evidence = Evidence()
    async with serving(habit) as (url, seen), HttpClient() as http:
        client = OcspClient(http, responder="http://[::1]:9/", clock=Clock())
        keeper = StatusKeeper(
            client,
            evidence,
            chains=lambda: [CHAIN[:1]],
            roots=lambda: [CHAIN[1]],
            lists=[f"{url}/list"],
            responses=False,
        )
        await keeper.turn()
        await keeper.turn()
    assert evidence.crls() == (made,)
    assert len(seen.heads) == 1
    assert threads, "it was read"
    assert threading.get_ident() not in threads, "a long list takes the loop for a tenth of a second"


def test_evidence_follows_its_store_and_is_bounded(tmp_path: Path) -> None:
    store = Store(tmp_path)
    evidence = Evidence(store, most=2)
    response = OcspResponder(PKI).respond(ocsp_request(*CHAIN[:2]), NOW)
    store.add_response(CHAIN[0], response)
    store.add_crl(
        "v2g", crl(CHAIN[1], load_key(PKI.keys["cpo-sub2"]), last_update=NOW, next_update=NOW + DAY)
    )
    assert evidence.responses(CHAIN) == (None, None, None)
    evidence.refresh()
    assert evidence.responses(CHAIN) == (response, None, None)
    assert len(evidence.crls()) == 1
    evidence.add_response(b"second", b"2")
    assert evidence.responses(CHAIN)[0] == response
    evidence.add_response(b"third", b"3")
    assert evidence.responses((CHAIN[0], b"second", b"third")) == (response, None, b"3")
    (tmp_path / "crl").chmod(0o777)
    evidence.refresh()
    assert evidence.crls() == ()
    tmp_path.chmod(0o777)
    evidence.refresh()  # the store is not believed any more: what is known stays
    assert evidence.responses(CHAIN)[0] == response


# -- vehicles
# ---------------------------------------------------------------------------------------------------


def checked(client: OcspClient, evidence: Evidence, **more: Any) -> Any:
    check = PeerStatus(
        client, evidence, role="vehicle", anchors_der=lambda: {"OEM": [PKI.oem_root]}, edition="iso20", **more
    )
    return partial(CheckedStream, check=check)


async def test_a_vehicle_is_asked_about_between_handshake_and_session() -> None:
    clock, evidence = Clock(), Evidence()
    async with asking(clock) as client, site(connection=checked(client, evidence)) as here:
        await here.charge()
        assert None not in evidence.responses(PKI.vehicle.chain)
        client._responder = "http://[::1]:9/"
        await here.charge()  # what is known is not asked for again


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ({"script": {"vehicle": "revoked"}}, "revoked"),
        ({"script": {"vehicle-sub1": "revoked"}}, "revoked"),
        ({"answer": "unknown"}, "does not know"),
        ({"answer": "garbage"}, "nothing says whether"),
    ],
)
async def test_a_vehicle_that_is_revoked_or_unknown_gets_no_session(
    script: dict[str, Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    async with asking(clock, **script) as client, site(connection=checked(client, Evidence())) as here:
        assert not (await here.client().run()).ended.reason.orderly
        assert here.server.finished == 0
    flush(60.0)
    assert why in caplog.text
    assert "vehicle certificates" in caplog.text


async def test_a_responder_that_is_slow_costs_one_try() -> None:
    clock, evidence = Clock(), Evidence()
    server = await serve_ocsp(OcspResponder(PKI), host="::1", clock=clock, delay=0.6)
    async with HttpClient() as http:
        client = OcspClient(http, responder=f"http://[::1]:{server.sockets[0].getsockname()[1]}", clock=clock)
        make = partial(checked(client, evidence), check_s=0.2)
        async with site(connection=make) as here:
            assert not (await here.client().run()).ended.reason.orderly
            await until(lambda: None not in evidence.responses(PKI.vehicle.chain))
            await here.charge()
    server.close()
    await server.wait_closed()


async def test_a_check_that_fails_refuses_and_costs_this_connection_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = []

    async def check(info: TlsInfo) -> None:
        calls.append(info)
        if len(calls) == 1:
            raise RuntimeError("a fault of our own")

    async with site(connection=partial(CheckedStream, check=check)) as here:
        assert not (await here.client().run()).ended.reason.orderly
        await here.charge()
    flush(60.0)
    assert "the check of a peer failed" in caplog.text


async def test_a_vehicle_that_leaves_during_the_check_is_no_trouble() -> None:
    never = asyncio.Event()

    async def check(info: TlsInfo) -> None:
        if not never.is_set():
            never.set()
            await asyncio.sleep(3600)

    async with site(connection=partial(CheckedStream, check=check, check_s=30.0)) as here:
        run = asyncio.create_task(here.client().run())
        await never.wait()
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await here.charge()


async def test_plain_tcp_has_nothing_to_check() -> None:
    async def check(info: TlsInfo) -> None:
        raise AssertionError

    plain = secc_config(allow_plaintext=True)
    async with site(config=plain, tls=None, connection=partial(CheckedStream, check=check)) as here:
        await here.charge(tls=None, config=evcc_config(allow_plaintext=True))


# -- contracts
# --------------------------------------------------------------------------------------------------


def claim(pki: IssuedPki = PKI, verified: bool = True) -> ContractClaim:
    chain = pki.credential("contract").chain
    return ContractClaim(emaid="DE8AACA2B3C4D5", chain=chain, evccid="", verified=verified)


class Backend(ContractBackend):
    """What the simulated one decides, by the port's own method."""

    async def authorize_contract(self, claim: ContractClaim) -> bool | Refusal:
        return self.decision(claim) or True


@pytest.mark.parametrize(
    ("script", "refusal"),
    [
        ({}, None),
        ({"script": {"contract": "revoked"}}, Refusal.REVOKED),
        ({"script": {"mo-sub1": "revoked"}}, Refusal.REVOKED),
        ({"script": {"contract": "unknown"}}, Refusal.CHAIN),
        ({"answer": "try-later"}, Refusal.NOT_AVAILABLE),
    ],
)
async def test_a_contract_is_asked_about_before_the_backend_is(
    script: dict[str, Any], refusal: Refusal | None
) -> None:
    trust = ContractTrust(mo_anchors=(PKI.certificates["mo-root"],))
    behind = Backend(trust)
    async with asking(Clock(), **script) as client:
        contracts = CheckedContracts(behind, client, Evidence())
        assert contracts.trust.mo_anchors == trust.mo_anchors
        assert await contracts.authorize_contract(claim()) is (refusal or True)
    assert len(behind.claims) == (refusal is None)


async def test_a_contract_and_a_vehicle_that_come_again_weeks_later_are_asked_about_again() -> None:
    """Nothing is demanded before somebody was asked, and what was kept of the last visit is over."""
    clock, evidence = Clock(), Evidence()
    trust = ContractTrust(mo_anchors=(PKI.certificates["mo-root"],), revocation=evidence.policy("none"))
    vehicles = peer_verifier(
        role="vehicle",
        anchors_der={"OEM": [PKI.oem_root]},
        clock=clock,
        edition="iso20",
        revocation=evidence.policy("none"),
    )
    async with asking(clock) as client:
        contracts = CheckedContracts(Backend(trust), client, evidence)
        for _ in range(3):
            at = clock.now.timestamp()
            assert trust.judge_chain(PKI.credential("contract").chain, at).refusal is None
            assert await contracts.authorize_contract(claim()) is True
            assert vehicles(list(PKI.vehicle.chain)) is None
            await fetch_missing(client, evidence, PKI.vehicle.chain, PKI.oem_root)
            clock.now += 9 * DAY


async def test_a_paused_session_does_not_go_on_with_a_contract_that_a_responder_has_revoked() -> None:
    clock, evidence = Clock(), Evidence()
    paused = claim()
    trust = ContractTrust(mo_anchors=(PKI.certificates["mo-root"],))
    async with asking(clock, script={"contract": "revoked"}) as client:
        contracts = CheckedContracts(Backend(trust), client, evidence)
        assert contracts.trust.still_holds(paused, clock.now.timestamp())
        assert await contracts.authorize_contract(paused) is Refusal.REVOKED  # the same contract, in between
        assert not contracts.trust.still_holds(paused, clock.now.timestamp())
        assert contracts.trust is contracts.trust
    own = msgspec.structs.replace(trust, revocation=Evidence().policy("leaf"))
    assert CheckedContracts(Backend(own), client, evidence).trust is own


async def test_a_contract_under_an_unknown_root_is_the_backends_business() -> None:
    behind = Backend(ContractTrust(mo_anchors=(PKI.v2g_root,), central_validation=True))
    async with asking(Clock(), answer="garbage") as client:
        contracts = CheckedContracts(behind, client, Evidence())
        await contracts.authorize_contract(claim(verified=False))
    assert len(behind.claims) == 1


@pytest.mark.real_time  # another process answers
async def test_another_make_of_responder_for_a_whole_path(tmp_path: Path) -> None:
    """Each CA of a contract's chain has its `openssl ocsp`; one of them says revoked."""
    now = datetime.now(UTC)
    pki = issue_test_pki("iso20", "ed448", at=now, responders=True)
    path, anchor = pki.credential("contract").chain, pki.certificates["mo-root"]
    seen = {}
    for revoked in ((), ("mo-sub2",)):
        evidence = Evidence()
        for place, ca in enumerate(("mo-sub2", "mo-sub1", "mo-root")):
            folder = tmp_path / f"{ca}{len(revoked)}"
            with openssl_responder(pki, ca, folder, revoked=revoked, at=now) as url:
                async with HttpClient() as http:
                    await fetch_missing(
                        OcspClient(http, responder=url),
                        evidence,
                        path[place : place + 1],
                        [*path[1:], anchor][place],
                    )
        trust = ContractTrust(mo_anchors=(anchor,))
        demanding = msgspec.structs.replace(trust, revocation=evidence.policy("all"))
        seen[revoked] = [one.code for one in demanding.verify(path, datetime.now(UTC).timestamp()).violations]
    assert seen == {(): [], ("mo-sub2",): ["revoked"]}


def test_a_context_takes_its_staples_from_the_evidence() -> None:
    evidence = Evidence()
    response = OcspResponder(PKI).respond(ocsp_request(*CHAIN[:2]), NOW)
    evidence.add_response(CHAIN[0], response)
    context = TlsContext(
        ISO20,
        role="server",
        identities=[PKI.secc],
        anchors=[PKI.oem_root],
        verify=lambda *_: None,
        staples=evidence.responses,
    )
    assert context.chains == (CHAIN,)
