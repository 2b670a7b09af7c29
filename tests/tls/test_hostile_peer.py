"""Peers that lie in a handshake or go on badly after it, by an engine of our own that can: proofs
of possession, empty certificates, resumption, early data, KeyUpdates without end, handshake
messages that have no place."""

from __future__ import annotations

import pytest

from iso15118.errors import TlsError
from iso15118.pki import Credential
from iso15118.tls import TlsConnection
from iso15118.tls.client_hello import parse_client_hello

from .mini import (
    CLIENT_CONTEXT,
    ED448,
    KEY_UPDATE,
    P256_SHA256,
    SERVER_CONTEXT,
    MiniCar,
    MiniStation,
    Sign,
    extension,
    message,
    signer,
    vector,
)
from .rig import car, issued, joined, station, strangers

PKI = issued()
CODES = {
    "unexpected_message": 10,
    "bad_record_mac": 20,
    "handshake_failure": 40,
    "illegal_parameter": 47,
    "decode_error": 50,
    "decrypt_error": 51,
    "certificate_required": 116,
}


def meet(mini: MiniCar | MiniStation, ours: TlsConnection) -> TlsError | None:
    """Carry bytes until there are none; what made our end refuse."""
    error = None
    while True:
        forth, back = mini.data_to_send(), ours.data_to_send()
        if not forth and not back:
            return error
        if forth and error is None:
            try:
                ours.receive_data(forth)
            except TlsError as refusal:
                error = refusal
        if back:
            mini.receive_data(back)


def honest_car(credential: Credential = PKI.vehicle, **options: bytes) -> MiniCar:
    return MiniCar(credential.chain, signer(credential, CLIENT_CONTEXT), **options)


def test_the_engine_is_good_enough_for_an_honest_handshake() -> None:
    mini, ours = honest_car(), station(PKI).connect()
    assert meet(mini, ours) is None
    assert mini.complete
    assert ours.handshake_complete
    mini.send(23, b"hello")
    assert ours.receive_data(mini.data_to_send()) == b"hello"
    mini.receive_data(ours.encrypt(b"back"))
    assert mini.plain == b"back"


def altered(honest: Sign) -> Sign:
    def sign(transcript: bytes) -> tuple[int, bytes]:
        scheme, signature = honest(transcript)
        return scheme, signature[:-1] + bytes([signature[-1] ^ 1])

    return sign


def other_transcript(honest: Sign) -> Sign:
    return lambda transcript: honest(bytes(48))


def nothing(transcript: bytes) -> tuple[int, bytes]:
    return 0x0603, b""


STRANGER = strangers(PKI)


def lies(credential: Credential, right: bytes, wrong: bytes) -> dict[str, tuple[Sign, str]]:
    """CertificateVerify that proves nothing, and the alert."""
    honest = signer(credential, right)
    return {
        "another key": (signer(STRANGER, right), "decrypt_error"),
        "the other side's context": (signer(credential, wrong), "decrypt_error"),
        "no context": (signer(credential, b""), "decrypt_error"),
        "another transcript": (other_transcript(honest), "decrypt_error"),
        "a flipped bit": (altered(honest), "decrypt_error"),
        "no signature": (nothing, "decrypt_error"),
        "a scheme for another key": (signer(credential, right, scheme=ED448), "illegal_parameter"),
        "a scheme outside the profile": (signer(credential, right, scheme=P256_SHA256), "illegal_parameter"),
        "no scheme": (signer(credential, right, scheme=0xFFFF), "illegal_parameter"),
    }


CARS = lies(PKI.vehicle, CLIENT_CONTEXT, SERVER_CONTEXT)
STATIONS = lies(PKI.secc, SERVER_CONTEXT, CLIENT_CONTEXT)


@pytest.mark.parametrize("name", CARS)
def test_a_vehicle_that_does_not_prove_its_key_is_refused(name: str) -> None:
    """Matrix 63."""
    sign, alert = CARS[name]
    mini, ours = MiniCar(PKI.vehicle.chain, sign), station(PKI).connect()
    error = meet(mini, ours)
    assert error is not None
    assert ours.alert_sent == alert, error
    assert mini.alert == CODES[alert]
    assert not ours.handshake_complete


@pytest.mark.parametrize("name", STATIONS)
def test_a_station_that_does_not_prove_its_key_is_refused(name: str) -> None:
    """Matrix 63."""
    sign, alert = STATIONS[name]
    mini, ours = MiniStation(PKI.secc.chain, sign), car(PKI).connect()
    error = meet(mini, ours)
    assert error is not None
    assert ours.alert_sent == alert, error
    assert not ours.handshake_complete


def test_a_vehicle_without_proof_or_without_certificates_is_refused() -> None:
    """Matrix 61, 62."""
    for chain, alert in (((), "certificate_required"), (PKI.vehicle.chain, "unexpected_message")):
        mini, ours = MiniCar(chain, None), station(PKI).connect()
        assert meet(mini, ours) is not None
        assert ours.alert_sent == alert
        assert mini.alert == CODES[alert]
        assert not ours.handshake_complete


# -- resumption and early data
# ------------------------------------------------------------------------------------------


def offering_a_session(credential: Credential = PKI.vehicle, *, early_data: bool) -> MiniCar:
    """With a pre-shared key that could be one of ours, and perhaps data that hurries ahead."""
    modes = extension(45, vector(1, b"\x01"))
    early = extension(42, b"") if early_data else b""
    identities = vector(2, vector(2, bytes(208)) + bytes(4))
    return honest_car(
        credential, extra=modes + early + extension(41, identities + vector(2, vector(1, bytes(48))))
    )


def test_a_session_is_never_resumed() -> None:
    """Matrix 72: the pre-shared key is passed over, and the handshake is a whole one with certificates."""
    mini, ours = offering_a_session(early_data=False), station(PKI).connect()
    assert meet(mini, ours) is None
    assert ours.handshake_complete
    assert ours.info is not None
    assert ours.info.peer_chain == PKI.vehicle.chain
    assert mini.plain == b""


def test_early_data_is_not_taken() -> None:
    """Matrix 72: what hurries ahead of the handshake never comes out, and the handshake is a whole one."""
    mini, ours = offering_a_session(early_data=True), station(PKI).connect()
    hello = mini.data_to_send()
    parsed = parse_client_hello(hello)
    assert parsed is not None
    assert parsed.pre_shared_key
    assert parsed.early_data
    assert ours.receive_data(hello + b"\x17\x03\x03\x00\x40" + bytes(64)) == b""
    assert meet(mini, ours) is None
    assert ours.handshake_complete
    assert ours.info is not None
    assert ours.info.client_certificate


def test_early_data_without_end_is_refused() -> None:
    mini, ours = offering_a_session(early_data=True), station(PKI).connect()
    ours.receive_data(mini.data_to_send())
    record = b"\x17\x03\x03\x40\x00" + bytes(16384)
    with pytest.raises(TlsError):
        ours.receive_data(record * 4)
    assert not ours.handshake_complete


# -- after the handshake
# ------------------------------------------------------------------------------------------------


def met() -> tuple[MiniCar, TlsConnection]:
    mini, ours = honest_car(), station(PKI).connect()
    assert meet(mini, ours) is None
    return mini, ours


def test_new_keys_are_followed_and_answered() -> None:
    """Matrix 75."""
    mini, ours = met()
    for number in range(200):
        text = f"record {number}".encode()
        mini.update_keys(request=number % 2)
        mini.send(23, text)
        assert ours.receive_data(mini.data_to_send()) == text
        mini.plain = b""
        mini.receive_data(ours.encrypt(text))
        assert mini.plain == text


def test_key_updates_without_end_are_refused() -> None:
    mini, ours = met()
    for _ in range(32):
        mini.update_keys()
    assert ours.receive_data(mini.data_to_send()) == b""
    mini.update_keys()
    with pytest.raises(TlsError, match="too many KeyUpdates"):
        ours.receive_data(mini.data_to_send())
    with pytest.raises(TlsError):
        ours.encrypt(b"more")


def test_both_our_ends_renew_their_keys() -> None:
    client, server = joined(car(PKI), station(PKI))
    for end, far in ((client, server), (server, client)):
        end.update_keys(peer_too=True)
        assert far.receive_data(end.data_to_send() + end.encrypt(b"one")) == b"one"
        assert end.receive_data(far.encrypt(b"two")) == b"two"


@pytest.mark.parametrize("kind", [0, 1, 2, 8, 11, 13, 15, 20], ids=str)
def test_there_is_no_second_handshake(kind: int) -> None:
    """Matrix 75: renegotiation, and any other message that has no place after the handshake."""
    mini, ours = met()
    mini.send(22, message(kind, bytes(40)))
    with pytest.raises(TlsError):
        ours.receive_data(mini.data_to_send())
    assert ours.alert_sent in ("unexpected_message", "decode_error")


@pytest.mark.parametrize("body", [b"", b"\x02", b"\x00\x00"], ids=["empty", "unknown request", "long"])
def test_a_malformed_key_update_is_refused(body: bytes) -> None:
    mini, ours = met()
    mini.send(22, message(KEY_UPDATE, body))
    with pytest.raises(TlsError):
        ours.receive_data(mini.data_to_send())
    assert ours.alert_sent in ("decode_error", "illegal_parameter")
