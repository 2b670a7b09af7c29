"""A negative case as a folder: the complete PKI, what is sent, what is trusted, and what a receiver must say.

``chain/`` has what is sent, by its order (DER as it is, bad bytes among it), ``anchors/`` what is
trusted, ``ocsp/`` and ``crl/`` the evidence on revocation, ``message/`` what is signed or encrypted
wrongly, ``case.json`` all the rest.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x448

from iso15118 import exi
from iso15118.errors import PkiError
from iso15118.files import make_folder
from iso15118.messages.iso20.common_messages import Authorization, AuthorizationReq
from iso15118.messages.iso20.common_types import MessageHeader
from iso15118.pki.cases import Variant, response_code
from iso15118.pki.cases.make import Broken, judge, make
from iso15118.pki.cases.messages import TRANSPORTS, wrong_authorization, wrong_key
from iso15118.pki.chain.parsed import parse
from iso15118.pki.issuing.issue import IssuedPki, issue_leaf, issue_test_pki, key_der
from iso15118.pki.keys.signer import AgreementPublicKey
from iso15118.pnc.contract_key import new_contract_key

__all__ = ["write_case"]


def write_case(variant: Variant, directory: Path, *, at: datetime) -> dict[str, Any]:
    """Make the case and write it; returns what ``case.json`` says."""
    case, expect = variant.case, variant.case.expect
    if case.is_chain:
        broken = make(variant, at=at, whole=True)
        pki = broken.pki
    else:
        broken = None
        pki = issue_test_pki(variant.edition, variant.algorithm, at=at, responders=True)
    pki.write(directory)
    told: dict[str, Any] = {
        "case": case.name,
        "about": case.about,
        "area": case.area,
        "matrix": case.matrix,
        "role": variant.role,
        "edition": variant.edition,
        "algorithm": variant.algorithm,
        "expected": {
            "accepted": not expect.codes,
            "codes": list(expect.codes),
            "certificate": expect.place,
            "alert": expect.alert if variant.role in ("secc", "vehicle") else None,
            "response_code": response_code(expect.response, variant.edition) if expect.response else None,
        },
    }
    if broken is not None:
        told |= _chain(broken, directory)
    else:
        told |= {"edit": case.edit, "client": case.client, "server": case.server}
        if case.area == "signature" and variant.edition == "iso20":
            told["message"] = _authorization(variant, pki, directory / "message", at)
        elif case.area == "installation":
            told["message"] = _key(variant, pki, directory, at)
    (directory / "case.json").write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    return told


def _authorization(variant: Variant, pki: IssuedPki, folder: Path, at: datetime) -> list[str]:
    """The AuthorizationReq that a vehicle with this fault sends, as EXI."""
    element, signature = wrong_authorization(variant, pki)
    request = AuthorizationReq(
        header=MessageHeader(
            session_id=bytes(range(1, 9)), time_stamp=int(at.timestamp()), signature=signature
        ),
        selected_authorization_service=Authorization.PnC,
        a_req_authorization_mode=element,
    )
    make_folder(folder, durable=False)
    (folder / "authorization-req.exi").write_bytes(exi.encode("iso20-common", request))
    return ["message/authorization-req.exi"]


def _key(variant: Variant, pki: IssuedPki, directory: Path, at: datetime) -> list[str]:
    """A contract's key on its way to the vehicle: the two binary fields of the message, and
    the contract they are of."""
    transport = TRANSPORTS[variant.algorithm]
    key = new_contract_key(transport)
    made = issue_leaf(pki, "contract", "transported-contract", at=at, key=key_der(key))
    made.write(directory)
    contract, vehicle = parse(made.certificates["transported-contract"]), parse(pki.certificates["oemprov"])
    receiver: object = vehicle.certificate.public_key()
    if transport.curve == "x448":
        second = serialization.load_der_private_key(pki.alternative_keys["oemprov"], None)
        receiver = second.public_key() if isinstance(second, x448.X448PrivateKey) else None
    if not isinstance(receiver, AgreementPublicKey):
        raise PkiError(f"a provisioning certificate without a key for {transport.name}")
    wrapped = wrong_key(
        variant.case.edit or "",
        transport,
        key,
        receiver,
        pcid=vehicle.common_names[0],
        ski=contract.subject_key_identifier or b"",
    )
    folder = directory / "message"
    make_folder(folder, durable=False)
    (folder / "dh-public-key.bin").write_bytes(wrapped.dh_public_key)
    (folder / "encrypted-private-key.bin").write_bytes(wrapped.encrypted_private_key)
    return ["message/dh-public-key.bin", "message/encrypted-private-key.bin"]


def _chain(broken: Broken, directory: Path) -> dict[str, Any]:
    sent = _write(directory / "chain", broken.chain)
    anchors = _write(directory / "anchors", broken.anchors)
    staples: list[str | None] = []
    lists: list[str] = []
    if broken.revocation is not None:
        for place, staple in enumerate(broken.revocation.staples):
            staples.append(None if staple is None else _write(directory / "ocsp", [staple], place)[0])
        lists = _write(directory / "crl", broken.revocation.crls)
    return {
        "chain": sent,
        "key": f"{broken.places['leaf']}.key",
        "anchors": anchors,
        "anchor_role": broken.anchor_role,
        "policy": broken.variant.case.policy or broken.variant.edition,
        "clock": broken.at.isoformat() if broken.at is not None else None,
        "ocsp": staples,
        "crl": lists,
        "verdict": [str(one) for one in judge(broken).violations],
    }


def _write(folder: Path, files: tuple[bytes, ...] | list[bytes], first: int = 0) -> list[str]:
    make_folder(folder, durable=False)
    names = []
    for place, data in enumerate(files, first):
        (folder / f"{place}.der").write_bytes(data)
        names.append(f"{folder.name}/{place}.der")
    return names
