"""The ports of Plug and Charge under a real event loop: slow, dead, wrong and raising
ones never harm the session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118 import exi
from iso15118.aio import logs
from iso15118.aio.ports.contract_calls import ContractCalls, StoreCalls, contracts_of, trust_of
from iso15118.errors import HardwareError
from iso15118.messages import iso2
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import MessageHeader
from iso15118.messages.xmldsig import X509IssuerSerial
from iso15118.pnc.authorization import ContractTrust
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.pnc.vehicle_contracts import VehicleContracts
from iso15118.session import actions as act
from iso15118.session import events as ev
from tests import clock
from tests.pair.contracts import held, issued, service

CLAIM = ContractClaim(emaid="DE8AA000000001", chain=(b"0",), evccid="X")
NO = Refusal.NOT_AVAILABLE


class Site:
    """A station with the two ports; ``trust`` may raise."""

    def __init__(self, decide: Any = None, provide: Any = None, trust: Exception | None = None) -> None:
        self.contract_authorizer = self if decide is not None or trust is not None else None
        self.contract_certificates = self if provide is not None else None
        self.decide, self.provide, self.refuses = decide, provide, trust
        self.asked: list[Any] = []

    @property
    def trust(self) -> Any:
        if self.refuses is not None:
            raise self.refuses
        return self

    async def authorize_contract(self, claim: ContractClaim) -> Any:
        self.asked.append(claim)
        return await self.decide(claim)

    async def certificate_installation(self, request: bytes, schema: str) -> Any:
        self.asked.append((request, schema))
        return await self.provide(request)


def answers(value: Any) -> Callable[[Any], Awaitable[Any]]:
    async def answer(_: Any) -> Any:
        if isinstance(value, BaseException):
            raise value
        return value

    return answer


async def never(_: Any) -> None:
    await asyncio.Event().wait()


def request() -> cm.CertificateInstallationReq:
    chain, signature, roots = held(issued("p521")).present.request()
    return cm.CertificateInstallationReq(
        header=MessageHeader(session_id=bytes(range(8)), time_stamp=1, signature=signature),
        oem_provisioning_certificate_chain=chain,
        list_of_root_certificate_ids=roots,
        maximum_contract_certificate_chains=3,
    )


def told(site: Site, *actions: act.HardwareAction, limit_s: float = 0.05) -> list[ev.Event]:
    """What the session is told when these are asked for, one after the other."""

    async def ask() -> list[ev.Event]:
        loop = asyncio.get_running_loop()
        heard: list[ev.Event] = []
        calls = ContractCalls(loop, site, heard.append, limit_s)  # type: ignore[arg-type]
        for action in actions:
            if isinstance(action, act.RequestContractAuthorization):
                calls.authorize(action)
            elif isinstance(action, act.RequestContractCertificate):
                deadline = loop.time() + action.deadline
                calls.install(act.RequestContractCertificate(action.request, deadline, action.schema))
            await asyncio.sleep(0)
        await asyncio.sleep(2.0 * limit_s)
        calls.close()
        return heard

    return clock.run(ask())


AUTHORIZE = act.RequestContractAuthorization(CLAIM)


@pytest.mark.parametrize(
    ("decide", "refusal"),
    [
        (answers(True), None),
        (answers(None), None),
        (answers(Refusal.REVOKED), Refusal.REVOKED),
        (answers("yes"), NO),
        (answers(1), NO),
        (answers(OSError("no network")), NO),
        (never, NO),
        (None, NO),
    ],
    ids=["yes", "None, as before", "no", "nonsense", "one", "raises", "never", "no port"],
)
def test_the_backend_is_asked_and_whatever_is_wrong_with_it_is_a_refusal(
    decide: Any, refusal: Refusal | None
) -> None:
    assert told(Site(decide), AUTHORIZE) == [ev.ContractDecided(CLAIM, refusal)]


def test_only_the_last_question_is_answered() -> None:
    other = ContractClaim(emaid="DE8AA000000002", chain=(b"1",), evccid="X")

    async def slow(claim: ContractClaim) -> None:
        if claim == CLAIM:
            await asyncio.sleep(0.02)

    heard = told(Site(slow), AUTHORIZE, act.RequestContractAuthorization(other))
    assert heard == [ev.ContractDecided(other, None)]


@pytest.mark.parametrize(
    ("provide", "refusal"),
    [
        (answers(Refusal.NO_CONTRACT), Refusal.NO_CONTRACT),
        (answers(b"nothing"), NO),
        (answers(None), NO),
        (answers(bytes(300_000)), NO),
        (answers(HardwareError("no")), NO),
        (never, NO),
        (None, NO),
    ],
    ids=["no", "no message", "nothing", "too long", "raises", "never", "no port"],
)
def test_the_service_is_asked_and_whatever_is_wrong_with_it_is_a_refusal(
    provide: Any, refusal: Refusal
) -> None:
    action = act.RequestContractCertificate(request(), 0.04)
    answer = ev.ContractCertificateAnswered(None, refusal, action.request)
    assert told(Site(provide=provide), action) == [answer]


@pytest.mark.parametrize(
    ("deadline_s", "limit_s", "after_s"),
    [(3.0, 5.0, 3.0), (5.0, 3.0, 3.0), (0.0, 5.0, 0.001), (-1.0, 5.0, 0.001)],
)
def test_the_service_has_time_until_the_answer_is_due_and_no_more_than_a_port_has(
    deadline_s: float, limit_s: float, after_s: float
) -> None:
    heard: list[float] = []

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        calls = ContractCalls(
            loop,
            Site(provide=never),  # type: ignore[arg-type]
            lambda event: heard.append(loop.time() - began),
            limit_s,
        )
        calls.install(act.RequestContractCertificate(request(), began + deadline_s))
        await asyncio.sleep(20.0)
        calls.close()

    clock.run(ask())
    assert heard == [pytest.approx(after_s, abs=1e-4)]


def test_a_backend_whose_answers_stay_away_is_cancelled_twice_and_then_waited_for() -> None:
    """It may have left a thread behind each time, which nobody sees end."""
    cancelled: list[int] = []

    async def hangs(_: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        calls = ContractCalls(loop, Site(hangs), lambda event: None, 1.0)  # type: ignore[arg-type]
        for _ in range(5):
            calls.authorize(AUTHORIZE)
            await asyncio.sleep(2.0)
        assert len(cancelled) == 2
        calls.close()

    clock.run(ask())


@pytest.mark.parametrize("kind", ["authorize", "install"])
def test_nobody_is_told_what_was_dropped(kind: str) -> None:
    heard: list[ev.Event] = []

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        calls = ContractCalls(loop, Site(slowly, slowly), heard.append, 5.0)  # type: ignore[arg-type]
        calls.drop()
        if kind == "authorize":
            calls.authorize(AUTHORIZE)
        else:
            calls.install(act.RequestContractCertificate(request(), loop.time() + 5.0))
        await asyncio.sleep(0.5)
        calls.drop()
        await asyncio.sleep(20.0)
        calls.close()

    async def slowly(_: Any) -> Refusal:
        await asyncio.sleep(1.0)
        return Refusal.NO_CONTRACT

    clock.run(ask())
    assert heard == []


def test_only_the_last_request_is_answered() -> None:
    async def slow(octets: bytes) -> Refusal:
        if not calls:
            calls.append(octets)
            await asyncio.sleep(0.02)
            return Refusal.REJECTED
        return Refusal.NO_CONTRACT

    calls: list[bytes] = []
    action = act.RequestContractCertificate(request(), 0.04)
    assert told(Site(provide=slow), action, action) == [
        ev.ContractCertificateAnswered(None, Refusal.NO_CONTRACT, action.request)
    ]


def test_the_service_gets_the_octets_and_its_answer_arrives_as_it_signed_it() -> None:
    one = service(issued("p521"))

    async def provide(octets: bytes) -> Any:
        return one.answer_exi(octets)

    site = Site(provide=provide)
    wanted = request()
    (event,) = told(site, act.RequestContractCertificate(wanted, 5.0), limit_s=0.3)
    assert isinstance(event, ev.ContractCertificateAnswered)
    assert isinstance(event.response, cm.CertificateInstallationRes)
    assert event.response.header.signature is not None
    assert event.request is wanted, "it says what it is the answer to"
    ((octets, schema),) = site.asked
    assert (exi.decode("iso20-common", octets), schema) == (wanted, "iso20-common")


@pytest.mark.parametrize(
    ("said", "passes"),
    [("CertificateInstallationRes", True), ("CertificateUpdateRes", True), ("SessionStopRes", False)],
)
def test_a_request_of_iso_15118_2_goes_out_and_comes_back_as_a_whole_message(said: str, passes: bool) -> None:
    """Of another edition the service hears its schema; what brings no contract is no answer."""

    def whole(element: iso2.BodyElement) -> iso2.V2GMessage:
        header = iso2.MessageHeader(session_id=bytes(range(1, 9)))
        return iso2.V2GMessage(header=header, body=iso2.Body(body_element=element))

    chain = iso2.CertificateChain(certificate=b"\x30\x00")
    fields = {
        "response_code": iso2.ResponseCode.OK,
        "sa_provisioning_certificate_chain": chain,
        "contract_signature_cert_chain": iso2.CertificateChain(id="id1", certificate=b"\x30\x00"),
        "contract_signature_encrypted_private_key": iso2.ContractSignatureEncryptedPrivateKey(
            id="id2", value=bytes(48)
        ),
        "dhpublickey": iso2.DiffieHellmanPublickey(id="id3", value=bytes(65)),
        "emaid": iso2.EMAID(id="id4", value="DE8AAC12345678"),
    }
    kind = getattr(iso2, said)
    answer = whole(kind(response_code=iso2.ResponseCode.OK) if said == "SessionStopRes" else kind(**fields))
    wanted = whole(
        iso2.CertificateInstallationReq(
            id="id1",
            oem_provisioning_cert=b"\x30\x00",
            list_of_root_certificate_ids=iso2.ListOfRootCertificateIDs(
                root_certificate_id=(X509IssuerSerial(x509_issuer_name="CN=Root", x509_serial_number=1),)
            ),
        )
    )
    site = Site(provide=answers(exi.encode("iso2", answer)))
    heard = told(site, act.RequestContractCertificate(wanted, 5.0, "iso2"), limit_s=0.3)
    told_of = ev.ContractCertificateAnswered(answer if passes else None, None if passes else NO, wanted)
    assert heard == [told_of]
    assert [schema for _, schema in site.asked] == ["iso2"]
    assert exi.decode("iso2", site.asked[0][0]) == wanted


def test_a_store_that_cannot_be_read_is_no_store(caplog: pytest.LogCaptureFixture) -> None:
    site: Any = Site(trust=OSError("disk"))
    assert trust_of(site) is None
    site = Site(answers(None))
    assert trust_of(site) is None  # it is there, and of another class
    site = SimpleNamespace(contract_authorizer=SimpleNamespace(trust=ContractTrust(mo_anchors=())))
    assert trust_of(site) is site.contract_authorizer.trust
    assert trust_of(Site()) is None  # type: ignore[arg-type]

    class Vehicle:
        class contracts:  # noqa: N801 - a port
            @property
            def present(self) -> Any:
                raise OSError("disk")

    vehicle: Any = Vehicle()
    vehicle.contracts = Vehicle.contracts()
    assert contracts_of(vehicle) is None
    signers: Any = None
    for wrong in (None, 7, SimpleNamespace(signers=()), VehicleContracts(signers=signers)):
        vehicle.contracts = SimpleNamespace(present=wrong)
        assert contracts_of(vehicle) is None
    vehicle.contracts = SimpleNamespace(present=VehicleContracts())
    assert contracts_of(vehicle) is vehicle.contracts.present
    logs.flush()
    assert len([one for one in caplog.records if "no Plug and Charge" in one.message]) == 7


def test_contracts_are_kept_one_after_the_other_whatever_becomes_of_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept: list[Any] = []

    class Store:
        async def store(self, contract: Any) -> None:
            await asyncio.sleep(0.001)
            if contract == "bad":
                raise OSError("disk full")
            if contract == "stuck":
                await asyncio.Event().wait()
            kept.append(contract)

    async def keep() -> None:
        calls = StoreCalls(asyncio.get_running_loop(), Store(), 0.05)  # type: ignore[arg-type]
        for contract in ("one", "bad", "two", "stuck", "three"):
            calls.keep(contract)
        await asyncio.wait_for(calls.settled(), 5.0)
        calls.close()

    clock.run(keep())
    assert kept == ["one", "two", "three"]
    logs.flush()
    assert len([one for one in caplog.records if "is not kept" in one.message]) == 2


def test_contracts_are_kept_while_nobody_waits_for_them() -> None:
    kept: list[Any] = []
    wrong: list[Any] = []

    class Store:
        async def store(self, contract: Any) -> None:
            await asyncio.sleep(0.001)
            kept.append(contract)

    async def keep() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: wrong.append(context))
        calls = StoreCalls(loop, Store(), 0.05)  # type: ignore[arg-type]
        for contract in ("one", "two", "three"):
            calls.keep(contract)
        await asyncio.sleep(1.0)
        calls.keep("four")
        await calls.settled()
        calls.keep("five")
        await asyncio.sleep(1.0)
        calls.close()

    clock.run(keep())
    assert kept == ["one", "two", "three", "four", "five"]
    assert wrong == []
