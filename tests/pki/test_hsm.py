"""Keys in a token by PKCS#11, with SoftHSM: made or put there, signing and agreeing
there, and never coming out.

Needs SoftHSM (``apt-get install softhsm2``) and the extra ``pkcs11``; left out, and
saying so, where one is absent.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448

from iso15118.errors import ConfigError, MisuseError, PkiError
from iso15118.messages.iso20.common_messages import (
    ContractCertificateChain,
    PnCAReqAuthorizationMode,
    SubCertificates,
)
from iso15118.pki import IssuedPki, issue_test_pki
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.keys.hsm import Pkcs11Token
from iso15118.pki.keys.raw import SigningKey, verify_raw
from iso15118.pki.keys.signer import SignerAlgorithm, SignerError, credential_of, signer_of
from iso15118.pnc.contract_key import ISO2, ISO20_P521, new_contract_key, unwrap, wrap
from iso15118.pnc.signature import SignedElement, sign, verify

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so")
MODULE = next((one for one in MODULES if Path(one).exists()), "")
PIN = "a test PIN"
NOW = datetime(2027, 1, 1, tzinfo=UTC)
ALGORITHMS: dict[str, tuple[str, str, SignerAlgorithm, int]] = {
    "p256": ("iso2", "p256", "secp256r1", 64),
    "p521": ("iso20", "p521", "secp521r1", 132),
    "ed448": ("iso20", "ed448", "ed448", 114),
}

pytestmark = [
    pytest.mark.skipif(
        not MODULE or shutil.which("softhsm2-util") is None, reason="apt-get install softhsm2"
    ),
    pytest.mark.skipif(find_spec("pkcs11") is None, reason="pip install 'iso15118-stack[pkcs11]'"),
]


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pkcs11Token]:
    """A fresh token, in files that go with the test."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(config)  # read by the module when it is loaded
    command = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        "vehicle",
        "--pin",
        PIN,
        "--so-pin",
        "officer",
    ]
    subprocess.run(command, check=True, capture_output=True)
    with Pkcs11Token(module=MODULE, token="vehicle", pin=PIN) as made:
        yield made
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture(scope="module", params=ALGORITHMS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def pki(kind: str) -> IssuedPki:
    edition, algorithm, _, _ = ALGORITHMS[kind]
    return issue_test_pki(edition, algorithm, at=NOW, responders=False)


def authorization(pki: IssuedPki) -> SignedElement:
    leaf, *subs = pki.chain("contract")
    chain = ContractCertificateChain(
        certificate=leaf, sub_certificates=SubCertificates(certificate=tuple(subs))
    )
    return SignedElement(
        "iso20-common",
        PnCAReqAuthorizationMode(id="id1", gen_challenge=bytes(16), contract_certificate_chain=chain),
    )


def test_a_key_made_in_the_token_signs_messages(token: Pkcs11Token, kind: str) -> None:
    _, _, algorithm, octets = ALGORITHMS[kind]
    signer = token.generate(algorithm, f"made {kind}")
    assert signer.algorithm == algorithm
    value = signer.sign(b"data")
    assert len(value) == octets
    assert verify_raw(signer.public_key, b"data", value)
    assert not verify_raw(signer.public_key, b"other", value)
    again = token.signer(f"made {kind}")
    assert verify_raw(signer.public_key, b"again", again.sign(b"again"))


def test_a_contract_in_the_token_signs_as_the_certificate_says(
    token: Pkcs11Token, kind: str, pki: IssuedPki
) -> None:
    key = load_key(pki.keys["contract"])
    assert isinstance(key, SigningKey)
    signer = token.import_key(key, f"contract {kind}", chain=pki.chain("contract"))
    assert signer.chain == pki.chain("contract")
    element = authorization(pki)
    signature = sign(signer, [element])
    in_memory = signer_of(pki.credential("contract"))
    assert verify(signature, in_memory.public_key, [element]).ok
    other = authorization(issue_test_pki(*ALGORITHMS[kind][:2], at=NOW, responders=False))
    assert not verify(signature, in_memory.public_key, [other]).ok


@pytest.mark.parametrize("kind", ["p256", "p521"], indirect=True)
def test_a_contract_key_opens_with_the_provisioning_key_in_the_token(token: Pkcs11Token, kind: str) -> None:
    transport = ISO2 if kind == "p256" else ISO20_P521
    signer = token.generate(ALGORITHMS[kind][2], f"provisioning {kind}")
    contract, receiver = new_contract_key(transport), signer.public_key
    assert isinstance(receiver, ec.EllipticCurvePublicKey)
    wrapped = wrap(transport, contract, receiver, pcid="WVW123456789ABCDE7", contract_ski=bytes(8))
    opened = unwrap(
        transport,
        wrapped,
        signer,
        contract=contract.public_key(),
        pcid="WVW123456789ABCDE7",
        contract_ski=bytes(8),
    )
    assert opened.public_key() == contract.public_key()


def test_keys_do_not_leave_the_token_nor_show(token: Pkcs11Token) -> None:
    signer = token.generate("secp521r1", "hidden")
    assert repr(signer) == "Pkcs11Signer(secp521r1, 'hidden' in Pkcs11Token('vehicle'), 0 certificates)"
    assert PIN not in repr(vars(token))
    import pkcs11

    with pytest.raises(pkcs11.exceptions.AttributeSensitive):
        _ = signer._key[pkcs11.Attribute.VALUE]
    with pytest.raises(MisuseError, match="cannot be a TLS key"):
        credential_of(signer)


def test_what_cannot_work_is_refused_by_name(token: Pkcs11Token, tmp_path: Path) -> None:
    token.generate("ed448", "one")
    with pytest.raises(MisuseError, match="X448 keys are not offered"):
        _ = token.signer("one").curve
    with pytest.raises(MisuseError, match="secp521r1 only"):
        token.generate("secp521r1", "two").agree(ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(SignerError, match="has an object 'one' already"):
        token.generate("secp256r1", "one")
    with pytest.raises(SignerError, match=r"no such key.*\(NoSuchKey\)"):
        token.signer("none")
    with pytest.raises(PkiError, match="not the signing key's"):
        token.signer(
            "one", chain=issue_test_pki("iso20", "ed448", at=NOW, responders=False).chain("contract")
        )
    with pytest.raises(MisuseError, match="secp384r1"):
        token.import_key(ec.generate_private_key(ec.SECP384R1()), "three")
    with pytest.raises(MisuseError, match="x25519"):
        token.generate("x25519", "four")  # type: ignore[arg-type]
    with pytest.raises(SignerError, match="no token of that label"):
        Pkcs11Token(module=MODULE, token="station", pin=PIN)
    with pytest.raises(ConfigError, match="module"):
        Pkcs11Token(module=tmp_path / "none.so", token="vehicle", pin=PIN)


def test_two_sessions_share_a_token_and_a_closed_one_says_so(token: Pkcs11Token) -> None:
    key = ed448.Ed448PrivateKey.generate()
    with Pkcs11Token(module=MODULE, token="vehicle", pin=PIN) as second:
        signer = second.import_key(key, "shared")
        assert verify_raw(key.public_key(), b"data", signer.sign(b"data"))
    with pytest.raises(SignerError, match="session is closed"):
        signer.sign(b"data")
    assert verify_raw(key.public_key(), b"data", token.signer("shared").sign(b"data"))


def test_a_wrong_pin_is_named_and_not_shown(token: Pkcs11Token) -> None:
    program = (
        "from iso15118.pki.keys.hsm import Pkcs11Token\n"
        f"try: Pkcs11Token(module={MODULE!r}, token='vehicle', pin='not the pin')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    # Another process: in this one the user is logged in already.
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "SignerError token 'vehicle': the PIN is wrong (PinIncorrect)\n", done.stderr
