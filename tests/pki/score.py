"""Score of the reference vectors of cryptography per kind: ``python -m tests.pki.score``.

Each record is judged by the code of the package and compared with the verdict it carries. A record whose
message set does not exist yet is counted as waiting, never as right.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed448, x448

from iso15118 import exi
from iso15118.errors import ExiError, TlsError
from iso15118.messages import iso2
from iso15118.messages.xmldsig import SignedInfo
from iso15118.pki import verify_chain
from iso15118.pki.chain.identifiers import emaid_check_digit, is_evccid
from iso15118.pki.chain.parsed import parse
from iso15118.pki.keys.raw import verify_raw
from iso15118.pki.status.ocsp import cert_id, verify_response
from iso15118.pnc import contract_key
from iso15118.pnc.contract_key import ContractKeyError, KeyTransport, WrappedKey
from iso15118.tls.trusted_ca_keys import parse_trusted_ca_keys

FOLDER = Path(os.environ.get("ISO15118_REFERENCE", Path(__file__).parents[3] / "shared" / "reference"))
VECTORS = FOLDER / "vectors" / "crypto.jsonl"


Record = dict[str, Any]
Outcome = Literal["right", "wrong", "waiting"]

# What the reference calls the fault of a chain, and the violation that must be among those found for it.
REASONS = {
    "no intermediates sent": "issuer-unknown",
    "intermediate not sent": "issuer-unknown",
    "leaf larger than the schema limit": "oversize",
    "issuer lacks keyCertSign": "no-key-cert-sign",
    "no OCSP locator in a public chain": "no-ocsp-url",
    "leaf lacks keyUsage": "key-usage-missing",
    "Sub-CA lacks SKI": "no-subject-key-identifier",
    "leaf past notAfter": "expired",
    "leaf expired": "expired",
    "anchor past notAfter": "anchor-expired",
    "vehicle leaf without ExtendedKeyUsage": "extended-key-usage",
    "chain ends in a root of another kind than the use needs": "anchor-role",
    "leaf signature altered": "signature",
    "Sub-CA 2 signature altered": "signature",
    "issuer has cA false": "not-a-ca",
    "domainComponent of another role": "domain-component",
    "unknown critical extension": "critical-extension",
    "issued by an end-entity certificate": "not-a-ca",
    "root not in trust store": "root-mismatch",
    "signature hash or key outside the edition's profile": "signature-algorithm",
    "leaf has cA true": "leaf-is-ca",
    "Sub-CA 1 before notBefore": "not-yet-valid",
    "Sub-CA 2 past notAfter": "expired",
    "keyUsage not critical": "key-usage-not-critical",
    "basicConstraints of a CA not critical": "basic-constraints-not-critical",
    "issuer DN does not match Sub-CA 2 subject": "issuer-unknown",
    "Sub-CA 1 path length 0 but issues Sub-CA 2": "path-length",
    "required domainComponent absent": "no-domain-component",
    "SECC leaf without serverAuth": "extended-key-usage",
    "vehicle leaf without clientAuth": "extended-key-usage",
    "leaf lacks digitalSignature": "key-usage",
    "ECDH needs keyAgreement": "key-usage",
    "AKI does not match issuer SKI": "authority-key-identifier",
    "leaf before notBefore": "not-yet-valid",
    "trusted root has the same DN but another key": "root-mismatch",
    "issuer lacks basicConstraints": "not-a-ca",
    "three Sub-CAs exceed the profile's two": "too-many-sub-cas",
    "no Sub-CA outside a private environment": "no-sub-ca",
    "secp256r1 leaf in a -20 chain": "key-type",
    "Ed448 leaf under secp521r1 chain": "mixed-algorithms",
}

RESPONSES = {
    "nextUpdate in the past": "ocsp-stale",
    "delegated responder lacks OCSPSigning": "ocsp-responder-usage",
    "responder issued by another CA": "ocsp-responder",
    "CertID is for another certificate": "ocsp-certificate",
    "thisUpdate in the future": "ocsp-future",
    "validity longer than one week": "ocsp-too-long",
    "no nextUpdate, freshness cannot be bounded": "ocsp-no-next-update",
    "status revoked": "revoked",
    "status unknown": "status-unknown",
}

KEY_FAULTS = {
    "no AAD": "tag",
    "AAD from another PCID": "tag",
    "tag altered": "tag",
    "a padding bit is set": "padding-bits",
    "scalar not below the group order": "range",
    "scalar does not match the certificate": "mismatch",
    "100 bytes instead of 94": "length",
    "83 bytes instead of 84": "length",
    "47 bytes instead of 48": "length",
}


def chain(row: Record) -> Outcome:
    verdict = verify_chain(
        [base64.b64decode(text) for text in row["chain"]],
        role=row["role"],
        anchors_der=[base64.b64decode(text) for text in row["anchors"]],
        anchor_role=row["anchor_role"],
        at=datetime.fromisoformat(row["at"]),
        edition=f"iso{row['edition']}",
        environment=row["env"],
    )
    if row["expect"] == "accept":
        return said(verdict.ok)
    why = row["why"]
    if why.startswith("CN is not a valid"):
        code = "identifier"
    else:
        code = "key-type" if why.startswith("leaf key ") else REASONS[why]
    return said(code in {one.code for one in verdict.violations})


def emaid(row: Record) -> Outcome:
    same = emaid_check_digit(row["emaid14"]) == row["check_digit"]
    return said(same == (row["expect"] == "accept"))


def evccid(row: Record) -> Outcome:
    return said(is_evccid(row["id"]) == (row["expect"] == "accept"))


def trusted_ca_keys(row: Record) -> Outcome:
    try:
        found = parse_trusted_ca_keys(bytes.fromhex(row["extension_data"]))
    except TlsError:
        return said(row["expect"] == "reject")
    return said(
        [[one.kind, one.value.hex()] for one in found] == row["entries"] and row["expect"] == "accept"
    )


def ocsp_certid(row: Record) -> Outcome:
    certificate = base64.b64decode(row["certificate"])
    name = cert_id(certificate, base64.b64decode(row["issuer"]), "sha256")
    return said(
        base64.urlsafe_b64decode(row["issuer_name_hash_b64url"]) == name.issuer_name_hash
        and base64.urlsafe_b64decode(row["issuer_key_hash_b64url"]) == name.issuer_key_hash
        and int(row["serial_number"]) == name.serial_number
        and parse(certificate).ocsp_urls == (row["responder_url"],)
    )


def ocsp_resp(row: Record) -> Outcome:
    verdict = verify_response(
        base64.b64decode(row["response"]),
        certificate_der=base64.b64decode(row["leaf"]),
        issuer_der=base64.b64decode(row["issuer"]),
        at=datetime.fromisoformat(row["at"]),
    )
    codes = {one.code for one in verdict.violations}
    return said(verdict.status == row["expect"] and (not codes or RESPONSES[row["why"]] in codes))


def dsig_raw(row: Record) -> Outcome:
    public = bytes.fromhex(row["public_key"])
    key: ec.EllipticCurvePublicKey | ed448.Ed448PublicKey
    if row["alg"] == "ed448":
        key = ed448.Ed448PublicKey.from_public_bytes(public)
    else:
        key = point(row["alg"], public)
    good = verify_raw(key, bytes.fromhex(row["message"]), bytes.fromhex(row["signature"]))
    return said(good == (row["expect"] == "accept"))


def contract_key_iso2(row: Record) -> Outcome:
    receiver = ec.derive_private_key(int(row["receiver_private_scalar"], 16), ec.SECP256R1())
    return transported(contract_key.ISO2, row, receiver)


def contract_key_iso20(row: Record) -> Outcome:
    if row["ecdh_curve"] == "X448":
        receiver = x448.X448PrivateKey.from_private_bytes(bytes.fromhex(row["receiver_private"]))
        return transported(contract_key.ISO20_X448, row, receiver)
    scalar = int(row["receiver_private"], 16)
    return transported(contract_key.ISO20_P521, row, ec.derive_private_key(scalar, ec.SECP521R1()))


def transported(
    transport: KeyTransport, row: Record, receiver: ec.EllipticCurvePrivateKey | x448.X448PrivateKey
) -> Outcome:
    wrapped = WrappedKey(bytes.fromhex(row["dh_public_key"]), bytes.fromhex(row["encrypted_private_key"]))
    pcid, ski = row.get("pcid", ""), bytes.fromhex(row.get("contract_ski", ""))
    try:
        payload = contract_key.open_payload(transport, wrapped, receiver, pcid=pcid, contract_ski=ski)
        if hashlib.sha256(payload).hexdigest() != row["plaintext_sha256"] and row["expect"] == "accept":
            return "wrong"
        if row.get("contract_public_key"):
            curve = "p256" if transport.curve == "secp256r1" else "p521"
            contract = point(curve, bytes.fromhex(row["contract_public_key"]))
            contract_key.unwrap(transport, wrapped, receiver, contract=contract, pcid=pcid, contract_ski=ski)
    except ContractKeyError as error:
        return said(row["expect"] == "reject" and KEY_FAULTS[row["why"]] == error.fault)
    return said(row["expect"] == "accept")


def exi_signature(row: Record) -> Outcome:
    fragment, signed = bytes.fromhex(row["fragment_exi"]), bytes.fromhex(row["signed_info_exi"])
    try:
        info = exi.decode("xmldsig-fragment", signed, fragment=True)
    except ExiError:
        return said(row["expect"] == "reject")
    if not isinstance(info, SignedInfo) or exi.encode("xmldsig-fragment", info, fragment=True) != signed:
        return "wrong"
    (reference,) = info.reference
    key = point("p256", bytes.fromhex(row["public_key"]))
    good = (
        reference.uri == row["reference_uri"]
        and reference.digest_value == hashlib.sha256(fragment).digest()
        and verify_raw(key, signed, bytes.fromhex(row["signature"]))
    )
    return said(good == (row["expect"] == "accept"))


def exi_digest(row: Record) -> Outcome:
    data = bytes.fromhex(row["exi"])
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        return "wrong"
    if row["element"] == "SignedInfo":
        info = exi.decode("xmldsig-fragment", data, fragment=True)
        if not isinstance(info, SignedInfo) or exi.encode("xmldsig-fragment", info, fragment=True) != data:
            return "wrong"
        # It is good if each digest is that of an element which the -2 schema knows.
        good = {bytes.fromhex(one["sha256"]) for one in records() if known_element(one)}
        right = {reference.digest_value for reference in info.reference} <= good
        return said(right == (row["expect"] == "accept"))
    try:
        again = exi.encode("iso2", exi.decode("iso2", data, fragment=True), fragment=True)
    except ExiError:
        return said(row["expect"] == "reject")
    return said((again == data) == (row["expect"] == "accept"))


def exi_digest_input(row: Record) -> Outcome:
    """The values behind the four signed elements of -2: built anew here, they become the very octets."""
    pem, ids = row["certificates"], row["ids"]
    octets = {name: base64.b64decode(text) for name, text in pem.items()}
    subs = (octets["moSubCA2Cert"], octets["moSubCA1Cert"])
    elements = {
        "ContractSignatureCertChain": iso2.CertificateChain(
            id=ids["ContractSignatureCertChain"],
            certificate=octets["contractCert"],
            sub_certificates=iso2.SubCertificates(certificate=subs),
        ),
        "ContractSignatureEncryptedPrivateKey": iso2.ContractSignatureEncryptedPrivateKey(
            id=ids["ContractSignatureEncryptedPrivateKey"], value=bytes.fromhex(row["encrypted_private_key"])
        ),
        "DHpublickey": iso2.DiffieHellmanPublickey(
            id=ids["DHpublickey"], value=bytes.fromhex(row["dh_public_key"])
        ),
        "eMAID": iso2.EMAID(id=ids["eMAID"], value=row["emaid"]),
    }
    known = {one["element"]: bytes.fromhex(one["exi"]) for one in records() if known_element(one)}
    made = {name: exi.encode("iso2", one, fragment=True) for name, one in elements.items()}
    return said(made == known)


def known_element(row: Record) -> bool:
    wanted = row["kind"] == "exi-digest-iso2" and row["element"] != "SignedInfo"
    return wanted and bool(row["expect"] == "accept")


def point(curve: str, octets: bytes) -> ec.EllipticCurvePublicKey:
    kind = ec.SECP256R1() if curve == "p256" else ec.SECP521R1()
    return ec.EllipticCurvePublicKey.from_encoded_point(kind, octets)


def said(right: bool) -> Outcome:
    return "right" if right else "wrong"


KINDS: dict[str, Callable[[Record], Outcome]] = {
    "x509-chain": chain,
    "emaid-check-digit": emaid,
    "evccid": evccid,
    "trusted-ca-keys": trusted_ca_keys,
    "ocsp-certid": ocsp_certid,
    "ocsp-resp": ocsp_resp,
    "dsig-raw": dsig_raw,
    "contract-key-iso2": contract_key_iso2,
    "contract-key-iso20": contract_key_iso20,
    "exi-sig-iso2": exi_signature,
    "exi-digest-iso2": exi_digest,
    "exi-digest-iso2-input": exi_digest_input,
}


def records() -> list[Record]:
    return [json.loads(line) for line in VECTORS.read_text().splitlines()]


class Score(msgspec.Struct):
    """Counts per kind and outcome, and the records that are not right."""

    counts: dict[str, Counter[str]]
    wrong: list[str]


def score() -> Score:
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    wrong = []
    for row in records():
        outcome = KINDS[row["kind"]](row)
        counts[row["kind"]][outcome] += 1
        if outcome == "wrong":
            wrong.append(f"{row['kind']} {row['id']}: expected {row['expect']}: {row.get('why', '')}")
    return Score(counts, wrong)


def main() -> int:
    if not VECTORS.exists():
        print(f"no reference vectors at {VECTORS}", file=sys.stderr)
        return 2
    result = score()
    print(f"{'kind':<24}{'right':>7}{'wrong':>7}{'waiting':>9}{'all':>6}")
    for kind, count in sorted(result.counts.items()):
        print(f"{kind:<24}{count['right']:>7}{count['wrong']:>7}{count['waiting']:>9}{count.total():>6}")
    for line in result.wrong:
        print(line)
    return 1 if result.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
