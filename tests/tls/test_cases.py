"""The named negative cases as handshakes: our server and client in memory, with the
alert seen at the other end.

The certificates of chain cases are presented by a side that does not mind; the other side refuses.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from iso15118.aio.net.ending import Ending, StreamEnd, StreamLimits
from iso15118.errors import TlsError
from iso15118.pki import Credential, issue_test_pki, peer_verifier
from iso15118.pki.cases import Case, Variant, all_cases
from iso15118.pki.cases.make import Broken, make
from iso15118.tls import ISO20, PeerCheck, TlsConnection, TlsContext, TlsProfile
from iso15118.tls.binding import is_same_peer, session_binding
from iso15118.tls.trusted_ca_keys import trusted_ca_keys
from tests import clock
from tests.aio.rig import Owner, Raw, serving

from .mini import CLIENT_CONTEXT, P256_SHA256, SERVER_CONTEXT, MiniCar, message, signer
from .rig import NOW, car, issued, joined, shake, station
from .test_hostile_peer import meet, offering_a_session
from .test_iso2 import PKI as OLD
from .test_iso2 import car2, station2, with_extension

CHAINS = [case for case in all_cases().values() if case.area in ("path", "profile") and case.tls]
HANDSHAKES = [case for case in all_cases().values() if case.area == "tls"]
ROLES = ("secc", "vehicle")


def judges(broken: Broken) -> PeerCheck:
    variant = broken.variant
    return peer_verifier(
        role=variant.role,
        anchors_der=broken.anchors,
        anchor_role=broken.anchor_role,
        clock=lambda: broken.at,
        edition=variant.case.policy or variant.edition,
    )


def ends(broken: Broken) -> tuple[TlsContext, TlsContext]:
    """A client and a server, one of which presents the case's chain to the other."""
    pki = issued(broken.variant.algorithm)
    # Whoever presents a wrong key must be able to: the schemes of that side are wider.
    presenter = msgspec.structs.replace(
        ISO20,
        signature_schemes=(*ISO20.signature_schemes, "ecdsa_secp384r1_sha384", "ecdsa_secp256r1_sha256"),
        named_authority_required=False,
    )
    check = judges(broken)
    if broken.variant.role == "secc":
        return (
            car(pki, anchors=broken.anchors or [pki.v2g_root], verify=check),
            station(pki, presenter, identities=[broken.credential]),
        )
    server = TlsContext(
        ISO20, role="server", identities=[pki.secc], anchors=broken.anchors or [pki.oem_root], verify=check
    )
    return car(pki, presenter, identities=[broken.credential]), server


def outcome(case: Case, role: str, algorithm: str) -> str | None:
    """None if the handshake ends as the case says."""
    broken = make(Variant(case, role, "iso20", algorithm), at=NOW)
    client, server = (context.connect() for context in ends(broken))
    errors = shake(client, server)
    if not case.expect.codes:
        return None if not errors and client.handshake_complete and server.handshake_complete else str(errors)
    judge, presenter = (client, server) if role == "secc" else (server, client)
    if judge.handshake_complete:
        return "accepted"
    if case.expect.any or "key-type" in case.expect.codes or "mixed-algorithms" in case.expect.codes:
        # The presenter may find no scheme for its key, or our library refuse the
        # certificate, before our check.
        allowed = {
            case.expect.alert,
            "handshake_failure",
            "illegal_parameter",
            "bad_certificate",
            "decode_error",
            "certificate_required",
        }
        return None if errors and {judge.alert_sent, presenter.alert_sent} & allowed else str(errors)
    if case.name in ("duplicate-extension", "huge-leaf"):
        return None if errors else "accepted"
    return None if presenter.alert_received == case.expect.alert else f"{presenter.alert_received}: {errors}"


@pytest.mark.parametrize("case", CHAINS, ids=lambda case: case.name)
def test_a_bad_chain_is_refused_in_the_handshake_with_its_alert(case: Case) -> None:
    roles = [role for role in case.roles if role in ROLES]
    if "iso20" not in case.editions or not roles:
        assert "iso20" not in case.editions or not set(case.roles) & set(ROLES)
        return
    wrong = {}
    for role in roles:
        for algorithm in ("p521", "ed448"):
            if algorithm in case.algorithms and (said := outcome(case, role, algorithm)) is not None:
                wrong[f"{role}-{algorithm}"] = said
    assert wrong == {}


def changed(profile: TlsProfile, fields: dict[str, object]) -> TlsProfile:
    lists = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return msgspec.structs.replace(profile, **lists)


def contexts(case: Case, algorithm: str) -> tuple[TlsContext, TlsContext]:
    pki = issued(algorithm)
    identities: dict[str, list[Credential]] = {"client": [pki.vehicle], "server": [pki.secc]}
    anchors = [pki.v2g_root]
    edit = case.edit or ""
    if edit == "no-client-identity":
        identities["client"] = []
    elif edit.startswith("client-anchor-other"):
        anchors = [stranger_root()]
        if edit.endswith("-and-ours"):
            anchors.append(pki.v2g_root)
    elif edit.startswith("client-"):
        identities["client"] = [pki.credential(edit.removeprefix("client-"))]
    elif edit.startswith("server-"):
        identities["server"] = [pki.credential(edit.removeprefix("server-"))]
    client = car(pki, changed(ISO20, case.client), identities=identities["client"], anchors=anchors)
    return client, station(pki, changed(ISO20, case.server), identities=identities["server"])


def stranger_root() -> bytes:
    return issue_test_pki("iso20", "ed448", at=NOW, organization="Strangers").v2g_root


def received(end: TlsConnection, data: bytes) -> None:
    with pytest.raises(TlsError):
        end.receive_data(data)


def one_octet(client: TlsContext, server: TlsContext) -> str | None:
    ours, theirs = client.connect(), server.connect()
    assert shake(ours, theirs, piece=1) == []
    return None if ours.handshake_complete and theirs.handshake_complete else "handshake_failure"


def truncated(client: TlsContext, server: TlsContext) -> str | None:
    theirs = server.connect()
    theirs.receive_data(client.connect().data_to_send()[:100])
    with pytest.raises(TlsError):
        theirs.eof_received()
    assert not theirs.handshake_complete
    return "refused"


def first_octets(data: bytes, *, after_hello: bool = False) -> Callable[[TlsContext, TlsContext], str | None]:
    def run(client: TlsContext, server: TlsContext) -> str | None:
        theirs = server.connect()
        hello = client.connect().data_to_send() if after_hello else b""
        received(theirs, hello + data)
        assert not theirs.handshake_complete
        return theirs.alert_sent or "refused"

    return run


def record(change: str) -> Callable[[TlsContext, TlsContext], str | None]:
    def run(client: TlsContext, server: TlsContext) -> str | None:
        ours, theirs = joined(client, server)
        data = ours.encrypt(b"energy")
        if change == "altered":
            data = data[:-1] + bytes([data[-1] ^ 1])
        elif change == "replayed":
            assert theirs.receive_data(data) == b"energy"
        else:
            data = b"\x17\x03\x03" + (17_000).to_bytes(2, "big") + bytes(17_000)
        received(theirs, data)
        return theirs.alert_sent

    return run


def no_keylog(client: TlsContext, server: TlsContext) -> str | None:
    ours, theirs = joined(client, server)
    return "refused" if ours._native.take_keylog() or theirs._native.take_keylog() else None


Mini = Callable[[Credential], MiniCar]


def lying(make: Mini) -> Callable[[TlsContext, TlsContext], str | None]:
    """A car of an engine that can lie, against our station."""

    def run(client: TlsContext, server: TlsContext) -> str | None:
        mini, ours = make(by_chain(client.chains[0])), server.connect()
        error = meet(mini, ours)
        assert ours.handshake_complete is (error is None)
        return None if error is None else ours.alert_sent

    return run


def by_chain(chain: tuple[bytes, ...]) -> Credential:
    """The vehicle's credential behind a chain that a context presents."""
    return next(pki.vehicle for pki in map(issued, ("p521", "ed448")) if pki.vehicle.chain == chain)


def verify_by(*, another: bool = False, context: bytes = CLIENT_CONTEXT, scheme: int | None = None) -> Mini:
    def make(credential: Credential) -> MiniCar:
        algorithm = "p521" if credential == issued("p521").vehicle else "ed448"
        signs = issued(algorithm).credential("oemprov") if another else credential
        return MiniCar(credential.chain, signer(signs, context, scheme=scheme))

    return make


def after(act: Callable[[MiniCar], None]) -> Callable[[TlsContext, TlsContext], str | None]:
    """What a car does after the handshake."""

    def run(client: TlsContext, server: TlsContext) -> str | None:
        mini, ours = verify_by()(by_chain(client.chains[0])), server.connect()
        assert meet(mini, ours) is None
        act(mini)
        try:
            ours.receive_data(mini.data_to_send())
        except TlsError:
            return ours.alert_sent or "refused"
        return None

    return run


def without_length(client: TlsContext, server: TlsContext) -> str | None:
    theirs = station2(OLD).connect()
    data = trusted_ca_keys([OLD.v2g_root])[2:]
    received(theirs, with_extension(car2(OLD).connect().data_to_send(), data))
    return theirs.alert_sent


def another_leaf(client: TlsContext, server: TlsContext) -> str | None:
    """As a station does it: bound to the leaf that one connection proved, asked for with another's."""
    _, paused = joined(client, server)
    assert paused.info is not None
    session = bytes(range(8))
    binding = session_binding(session, paused.info.peer_chain[0])
    other = issued("ed448" if len(paused.info.peer_chain[0]) > 650 else "p521")
    _, resumed = joined(car(other), station(other))
    assert resumed.info is not None
    assert is_same_peer(binding, session, paused.info.peer_chain[0])
    return None if is_same_peer(binding, session, resumed.info.peer_chain[0]) else "refused"


def many_updates(mini: MiniCar) -> None:
    for _ in range(100):
        mini.update_keys()


def stalled(flights: int) -> Callable[[TlsContext, TlsContext], str | None]:
    """Over TCP, with the timer of the station's driver."""

    def run(client: TlsContext, server: TlsContext) -> str | None:
        async def meet_over_tcp() -> StreamEnd:
            owner, ours = Owner(), client.connect()
            async with serving(owner, server.connect, StreamLimits(handshake_s=0.1, linger_s=0.05)) as port:
                raw = await Raw.to(port)
                for flight in range(flights):
                    data = ours.data_to_send()
                    await raw.send(data if flight == 0 else data[: len(data) // 2])
                    if flight < flights - 1:
                        while not ours.handshake_complete:
                            ours.receive_data(await raw.receive())
                try:
                    return await owner.ended()
                finally:
                    raw.close()

        return "refused" if clock.run(meet_over_tcp()).ending is Ending.HANDSHAKE_TIMEOUT else None

    return run


EDITS: dict[str, Callable[[TlsContext, TlsContext], str | None]] = {
    "one-octet": one_octet,
    "truncated": truncated,
    "garbage-after-hello": first_octets(b"\xfegarbage after the hello", after_hello=True),
    "plaintext": first_octets(b"\x01\xfe\x80\x01\x00\x00\x00\x10" + bytes(16)),
    "http": first_octets(b"GET / HTTP/1.1\r\nHost: station\r\n\r\n"),
    "altered-record": record("altered"),
    "replayed-record": record("replayed"),
    "oversize-record": record("oversize"),
    "no-keylog": no_keylog,
    "certificate-verify-key": lying(verify_by(another=True)),
    "certificate-verify-scheme": lying(verify_by(scheme=P256_SHA256)),
    "certificate-verify-context": lying(verify_by(context=SERVER_CONTEXT)),
    "no-certificate-verify": lying(lambda credential: MiniCar(credential.chain)),
    "session-offered": lying(lambda credential: offering_a_session(credential, early_data=False)),
    "early-data": lying(lambda credential: offering_a_session(credential, early_data=True)),
    "second-handshake": after(lambda mini: mini.send(22, message(1, bytes(40)))),
    "key-update": after(MiniCar.update_keys),
    "key-update-flood": after(many_updates),
    "trusted-ca-keys-without-length": without_length,
    "resumed-with-another-leaf": another_leaf,
    **{f"stalled-{flights}": stalled(flights) for flights in range(3)},
}


def by_handshake(client: TlsContext, server: TlsContext) -> str | None:
    """The alert that was sent, or None if both agreed."""
    ours, theirs = client.connect(), server.connect()
    errors = shake(ours, theirs)
    if not errors:
        assert ours.handshake_complete
        assert theirs.handshake_complete
        return None
    assert not theirs.handshake_complete or not ours.handshake_complete
    if theirs.alert_sent:
        assert ours.alert_received == theirs.alert_sent
        return theirs.alert_sent
    assert theirs.alert_received == ours.alert_sent
    return ours.alert_sent


@pytest.mark.parametrize("algorithm", ["p521", "ed448"])
@pytest.mark.parametrize("case", HANDSHAKES, ids=lambda case: case.name)
def test_a_handshake_ends_as_the_case_says(case: Case, algorithm: str) -> None:
    run = EDITS.get(case.edit or "", by_handshake)
    alert = run(*contexts(case, algorithm))
    if not case.expect.codes:
        assert alert is None
    else:
        assert alert is not None
        if case.expect.alert is not None:
            assert alert == case.expect.alert
