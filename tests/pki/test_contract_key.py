"""Transport of contract keys: what is wrapped is unwrapped, and every change of it is refused by name."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x448

from iso15118.errors import MisuseError, PkiError
from iso15118.pki.chain.curves import CURVES
from iso15118.pnc.contract_key import (
    ISO2,
    ISO20_P521,
    ISO20_X448,
    TRANSPORTS,
    AgreementKey,
    ContractKeyError,
    KeyTransport,
    WrappedKey,
    new_contract_key,
    open_payload,
    unwrap,
    wrap,
)

PCID = "WVW123456789ABCDE7"
SKI = bytes.fromhex("4ec1a90839d4f50a")


def vehicle_key(transport: KeyTransport) -> AgreementKey:
    if transport.curve == "x448":
        return x448.X448PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1() if transport.curve == "secp256r1" else ec.SECP521R1())


@pytest.mark.parametrize(("name", "octets"), [("iso2", 48), ("iso20-p521", 94), ("iso20-x448", 84)])
def test_what_is_wrapped_is_unwrapped(name: str, octets: int) -> None:
    transport, vehicle = TRANSPORTS[name], vehicle_key(TRANSPORTS[name])
    key = new_contract_key(transport)
    wrapped = wrap(transport, key, vehicle.public_key(), pcid=PCID, contract_ski=SKI)
    assert len(wrapped.encrypted_private_key) == transport.blob_octets == octets
    assert len(wrapped.dh_public_key) == transport.public_key_octets
    again = unwrap(transport, wrapped, vehicle, contract=key.public_key(), pcid=PCID, contract_ski=SKI)
    assert again.public_key() == key.public_key()


@pytest.mark.parametrize("transport", [ISO2, ISO20_P521, ISO20_X448], ids=lambda one: one.name)
def test_every_octet_that_is_changed_is_noticed(transport: KeyTransport) -> None:
    vehicle, key = vehicle_key(transport), new_contract_key(transport)
    wrapped = wrap(transport, key, vehicle.public_key(), pcid=PCID, contract_ski=SKI)
    for field in ("encrypted_private_key", "dh_public_key"):
        octets = getattr(wrapped, field)
        for place in range(0, len(octets), 5):
            changed = octets[:place] + bytes([octets[place] ^ 1]) + octets[place + 1 :]
            bad = msgspec.structs.replace(wrapped, **{field: changed})
            with pytest.raises(ContractKeyError):
                unwrap(transport, bad, vehicle, contract=key.public_key(), pcid=PCID, contract_ski=SKI)


@pytest.mark.parametrize("transport", [ISO2, ISO20_P521, ISO20_X448], ids=lambda one: one.name)
def test_every_other_length_is_refused(transport: KeyTransport) -> None:
    vehicle = vehicle_key(transport)
    wrapped = wrap(transport, new_contract_key(transport), vehicle.public_key(), pcid=PCID, contract_ski=SKI)
    blob = wrapped.encrypted_private_key
    for wrong in (b"", blob[:-1], blob + b"\0", blob * 2):
        with pytest.raises(ContractKeyError) as caught:
            open_payload(transport, WrappedKey(wrapped.dh_public_key, wrong), vehicle)
        assert caught.value.fault == "length"
    for point in (b"", wrapped.dh_public_key[:-1], bytes(transport.public_key_octets)):
        with pytest.raises(ContractKeyError) as caught:
            open_payload(transport, WrappedKey(point, blob), vehicle)
        assert caught.value.fault == "point"


@pytest.mark.parametrize(
    ("transport", "payload", "fault"),
    [
        (ISO20_P521, b"\x02" + bytes(64) + b"\x01", "padding-bits"),
        (ISO20_P521, b"\xff" * 66, "padding-bits"),
        (ISO20_P521, b"\x01" + b"\xff" * 65, "range"),
        (ISO20_P521, CURVES["secp521r1"].order.to_bytes(66, "big"), "range"),
        (ISO20_P521, bytes(66), "range"),
        (ISO20_P521, bytes(65) + b"\x01", "mismatch"),
        (ISO2, b"\xff" * 32, "range"),
        (ISO2, bytes(32), "range"),
        (ISO2, bytes(31) + b"\x01", "mismatch"),
        (ISO20_X448, bytes(56), "mismatch"),
    ],
)
def test_a_payload_that_is_no_key_is_refused_by_name(
    transport: KeyTransport, payload: bytes, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vehicle, contract = vehicle_key(transport), new_contract_key(transport)
    monkeypatch.setattr("iso15118.pnc.contract_key._payload", lambda transport, key: payload)
    wrapped = wrap(transport, contract, vehicle.public_key(), pcid=PCID, contract_ski=SKI)
    assert open_payload(transport, wrapped, vehicle, pcid=PCID, contract_ski=SKI) == payload
    with pytest.raises(ContractKeyError) as caught:
        unwrap(transport, wrapped, vehicle, contract=contract.public_key(), pcid=PCID, contract_ski=SKI)
    assert caught.value.fault == fault
    assert isinstance(caught.value, PkiError)


def test_the_additional_data_must_be_complete_and_the_same() -> None:
    vehicle, key = vehicle_key(ISO20_P521), new_contract_key(ISO20_P521)
    for pcid, ski in ((PCID[:17], SKI), (PCID, SKI * 2), ("", b"")):
        with pytest.raises(ContractKeyError) as caught:
            wrap(ISO20_P521, key, vehicle.public_key(), pcid=pcid, contract_ski=ski)
        assert caught.value.fault == "additional-data"
    wrapped = wrap(ISO20_P521, key, vehicle.public_key(), pcid=PCID, contract_ski=SKI)
    for pcid, ski in (("WVW123456789ABCDE8", SKI), (PCID, SKI[::-1])):
        with pytest.raises(ContractKeyError) as caught:
            open_payload(ISO20_P521, wrapped, vehicle, pcid=pcid, contract_ski=ski)
        assert caught.value.fault == "tag"


def test_another_reading_of_the_rules_is_a_profile_and_does_not_mix() -> None:
    other = msgspec.structs.replace(ISO20_P521, name="bare", other_info=b"", additional_data="none")
    vehicle, key = vehicle_key(other), new_contract_key(other)
    wrapped = wrap(other, key, vehicle.public_key())
    assert unwrap(other, wrapped, vehicle, contract=key.public_key()).public_key() == key.public_key()
    with pytest.raises(ContractKeyError):
        unwrap(ISO20_P521, wrapped, vehicle, contract=key.public_key(), pcid=PCID, contract_ski=SKI)


def test_points_of_small_order_and_wrong_keys_are_refused() -> None:
    vehicle = vehicle_key(ISO20_X448)
    blob = bytes(ISO20_X448.blob_octets)
    for value in (0, 1, 2**448 - 2**224 - 1, 2**448 - 2**224 - 2):
        with pytest.raises(ContractKeyError) as caught:
            open_payload(ISO20_X448, WrappedKey(value.to_bytes(56, "little"), blob), vehicle)
        assert caught.value.fault == "point"
    with pytest.raises(ContractKeyError, match="agrees on"):
        wrap(ISO20_X448, new_contract_key(ISO20_X448), vehicle_key(ISO2).public_key())
    with pytest.raises(ContractKeyError, match="agrees on"):
        wrap(ISO20_P521, new_contract_key(ISO20_P521), vehicle_key(ISO2).public_key())
    with pytest.raises(MisuseError):
        wrap(ISO20_P521, new_contract_key(ISO2), vehicle_key(ISO20_P521).public_key())
    seed = ed448.Ed448PrivateKey.from_private_bytes(b"\1" * 57)
    with pytest.raises(MisuseError, match="new_contract_key"):
        wrap(ISO20_X448, seed, vehicle.public_key())
