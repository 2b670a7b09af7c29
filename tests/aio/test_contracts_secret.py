"""A whole session with contract installation over real sockets, everything logged and
written: no key in any of it.

The one exception is stated: the capture of a session folder holds the TLS secrets on purpose, which is how it
opens decrypted; the keys that are looked for here are not in it either.
"""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x448

from iso15118.aio import logs
from iso15118.loopback import LoopbackSpec, run, tcp
from iso15118.loopback import contracts as loopback_contracts
from iso15118.loopback.recording import SessionFolder
from iso15118.pki import IssuedPki
from iso15118.pki.keys.signer import SoftwareSigner
from iso15118.pnc import contract_key
from iso15118.pnc.contract_service import ContractService, issuing
from iso15118.pnc.contracts import Refusal

PRIVATE = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def spellings(secret: bytes) -> Iterator[bytes]:
    """The ways in which octets get into text."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield base64.b64encode(secret).rstrip(b"=")[:-1]
    yield base64.urlsafe_b64encode(secret).rstrip(b"=")[:-1]
    yield repr(secret)[2:-1].encode()
    yield str(int.from_bytes(secret, "big")).encode()
    yield str(list(secret))[1:-1].encode()


def key_secrets(der: bytes) -> list[bytes]:
    """A private key as PKCS#8, and what is secret in it."""
    key = serialization.load_der_private_key(der, None)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        scalar = key.private_numbers().private_value
        octets = (key.curve.key_size + 7) // 8
        return [der, scalar.to_bytes(octets, "big"), scalar.to_bytes((scalar.bit_length() + 7) // 8, "big")]
    assert isinstance(key, ed448.Ed448PrivateKey | x448.X448PrivateKey)
    return [der, key.private_bytes_raw()]


def pem_lines(der: bytes) -> list[bytes]:
    """The lines of its PEM with the secret in them; what stands behind is the public key,
    which goes over the wire."""
    key = serialization.load_der_private_key(der, None)
    text = key.private_bytes(serialization.Encoding.PEM, *PRIVATE)
    return [line for line in text.splitlines()[1:3] if len(line) > 40]


@pytest.mark.usefixtures("steady_clock")
@pytest.mark.parametrize("how", ["tcp", "memory"])
def test_nothing_that_a_session_writes_holds_a_key(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    known: dict[str, bytes] = {}
    objects: list[Any] = []

    make = loopback_contracts.contracts_of

    def note(pki: IssuedPki, older: IssuedPki, **options: Any) -> Any:
        """Contracts that are issued in the session, so that there are keys nobody has seen before."""
        for name, der in {**pki.keys, **{f"{n}.x448": d for n, d in pki.alternative_keys.items()}}.items():
            known[name] = der
        known.update({f"{name} of -2": der for name, der in older.keys.items()})
        both = make(pki, older, **options)
        contracts = issuing(
            pki, clock=options["clock"], emaids=lambda pcid: ("DE8AA000000001", "DE8AA000000002")
        )
        both.backend.service = ContractService(
            cps=pki.credential("cps"),
            contracts=contracts,
            oem_anchors=[pki.oem_root],
            clock=options["clock"],
        )
        objects.extend([both, both.backend, both.backend.service, both.store, both.store.present, pki])
        return both

    monkeypatch.setattr(loopback_contracts, "contracts_of", note)
    monkeypatch.setattr(tcp, "contracts_of", note)
    secrets: list[bytes] = []
    agree = contract_key.session_key

    def listen(*arguments: Any) -> bytes:
        made = agree(*arguments)
        secrets.append(made)
        return made

    monkeypatch.setattr(contract_key, "session_key", listen)
    raw: list[bytes] = []
    exchange = SoftwareSigner.agree

    def overhear(self: SoftwareSigner, peer: Any) -> bytes:
        made = exchange(self, peer)
        raw.append(made)
        return made

    monkeypatch.setattr(SoftwareSigner, "agree", overhear)
    seen: list[Any] = []
    said, complained = io.StringIO(), io.StringIO()
    order = LoopbackSpec(auth="pnc", install_contract=True, transport=how, battery_kwh=20.0, soc_target=30.0)
    with (
        redirect_stdout(said),
        redirect_stderr(complained),
        SessionFolder(tmp_path, memory=how == "memory") as folder,
    ):
        summary = run(order, folder=folder, watch=lambda *what: seen.append(what))
        folder.conclude(summary)
    assert summary.result == "ok", summary.detail
    assert summary.contracts_installed == 2

    store = objects[3]
    for credential in store.stored:
        known[f"installed {len(known)}"] = credential.key
        objects.append(credential)
    objects.extend([store.present, Refusal.CHAIN, summary])
    assert len(store.stored) == 2
    assert len(secrets) == 4, "two keys wrapped and two unwrapped"
    hunted = {(name, octets) for name, der in known.items() for octets in key_secrets(der)}
    assert len(raw) == 4
    hunted |= {("key agreement", octets) for octets in secrets + raw}
    lines = {(name, line) for name, der in known.items() for line in pem_lines(der)}
    assert len(hunted) > 40

    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {"session.jsonl", "session.pcapng", "report.html", "summary.json"} <= written.keys()
    assert b"CertificateInstallationRes" in written["session.jsonl"]
    # The logs as any handler would have them: formatted, with the exception, and the arguments by themselves.
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    logs.flush()
    written["log"] = "\n".join(formatter.format(one) for one in caplog.records).encode()
    written["log arguments"] = "\n".join(repr(one.args) for one in caplog.records).encode()
    written["stdout and stderr"] = (said.getvalue() + complained.getvalue()).encode()
    written["repr of messages"] = "\n".join(map(repr, seen)).encode()
    written["repr and str of objects"] = "\n".join(f"{one!r} {one}" for one in objects).encode()
    written["json of messages"] = json.dumps([repr(one) for one in seen]).encode()
    assert len(written["repr of messages"]) > 10_000
    for place, data in written.items():
        for name, line in lines:
            assert line not in data, f"PEM of {name} in {place}"
        for name, octets in hunted:
            for spelling in spellings(octets):
                assert spelling not in data, f"{name} in {place}"


def test_the_hunt_finds_what_is_there() -> None:
    """The search itself works: a key in any of its spellings would be found."""
    key = ec.generate_private_key(ec.SECP521R1())
    der = key.private_bytes(serialization.Encoding.DER, *PRIVATE)
    scalar = key.private_numbers().private_value
    octets = key_secrets(der)
    for text in (der, der.hex().encode(), str(scalar).encode(), base64.b64encode(der), repr(der).encode()):
        assert any(spelling in text for one in octets for spelling in spellings(one))
    assert all(line in key.private_bytes(serialization.Encoding.PEM, *PRIVATE) for line in pem_lines(der))
