"""XML signatures over EXI: made and verified for the elements of a message, with nothing left open.

A signature counts for exactly the elements that the receiver expects, encoded again by the receiver: other
references, two of them for one element, or other algorithms than those of the key are refused by name.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric import ed448

from iso15118 import exi
from iso15118.errors import ExiError, MisuseError
from iso15118.messages.xmldsig import (
    CanonicalizationMethod,
    DigestMethod,
    Reference,
    Signature,
    SignatureMethod,
    SignatureValue,
    SignedInfo,
    Transform,
    Transforms,
)
from iso15118.pki.keys.raw import SigningKey, VerifyingKey, verify_raw
from iso15118.pki.keys.signer import Signer, SignerAlgorithm, SignerError, SoftwareSigner

__all__ = [
    "SUITES",
    "Fault",
    "Form",
    "SignatureVerdict",
    "SignedElement",
    "Suite",
    "covers",
    "faults_of_each",
    "sign",
    "signed_info",
    "suite_of",
    "verify",
]

EXI = "http://www.w3.org/TR/canonical-exi/"

Form = Literal["standalone", "combined"]
"""Which grammar encodes SignedInfo: the stand-alone schema of XML signatures, or the one of the
message set. They differ by a bit. The first is what the worked example of -2 and one public -20
stack use; others use the second.
"""
Fault = Literal[
    "missing",
    "canonicalization",
    "signature-method",
    "reference-count",
    "reference-uri",
    "transforms",
    "digest-method",
    "digest",
    "signature",
    "key",
]


class Suite(NamedTuple):
    """The algorithms that go with one kind of key."""

    digest: str
    method: str


SUITES = {
    "secp256r1": Suite(
        "http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
    ),
    "secp521r1": Suite(
        "http://www.w3.org/2001/04/xmlenc#sha512", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"
    ),
    "ed448": Suite(
        "urn:iso:std:iso:15118:-20:Security:xmlenc#SHAKE256",
        "urn:iso:std:iso:15118:-20:Security:xmldsig#Ed448",
    ),
}
"""By kind of key. [V2G20-2473] to [V2G20-2476]"""

_OCTETS: dict[SignerAlgorithm, int] = {"secp256r1": 64, "secp521r1": 132, "ed448": 114}
"""Length of a signature. [V2G20-2473]"""
SHAKE256_OCTETS = 64
"""Length of a SHAKE256 digest; no public source settles it. 64 is what Ed448 itself and
its users take most often."""
_DIGESTS = {SUITES["secp256r1"].digest: "sha256", SUITES["secp521r1"].digest: "sha512"}


class Identified(Protocol):
    """An element that can be signed: it has an Id."""

    @property
    def id(self) -> str | None:
        """What the reference names."""


class SignedElement(NamedTuple):
    """An element and the schema set in which it becomes a fragment."""

    schema: str
    element: msgspec.Struct


class SignatureVerdict(msgspec.Struct, frozen=True):
    """What is wrong with a signature, in the order in which it was found."""

    faults: tuple[tuple[Fault, str], ...] = ()
    form: Form | None = None
    """Which form of SignedInfo verified."""

    @property
    def ok(self) -> bool:
        """True if the signature counts."""
        return not self.faults

    def __str__(self) -> str:
        return "ok" if self.ok else "; ".join(f"{fault}: {said}" for fault, said in self.faults)


def suite_of(key: SigningKey | VerifyingKey) -> Suite:
    """The algorithms of a key. Raises MisuseError for a kind that signs no messages."""
    if isinstance(key, (ed448.Ed448PrivateKey, ed448.Ed448PublicKey)):
        return SUITES["ed448"]
    if key.curve.name not in SUITES:
        raise MisuseError(f"no message is signed with {key.curve.name}")
    return SUITES[key.curve.name]


def digest(uri: str, data: bytes) -> bytes:
    """Digest by the algorithm that ``uri`` names; one of :data:`SUITES`."""
    if uri == SUITES["ed448"].digest:
        return hashlib.shake_256(data).digest(SHAKE256_OCTETS)
    return hashlib.new(_DIGESTS[uri], data).digest()


def sign(
    key: SigningKey | Signer, elements: Sequence[SignedElement], *, form: Form = "standalone"
) -> Signature:
    """Sign elements, each of which has an Id, with a signer or a key in memory.

    Raises MisuseError for an element without Id, ExiError for one that is invalid, SignerError if the
    signer's key cannot be used, or what it gives is no signature of that key.
    """
    signer = SoftwareSigner(key) if isinstance(key, SigningKey) else key
    suite = SUITES[signer.algorithm]
    info = signed_info(suite, elements)
    value = _checked(signer.sign(signed_octets(info, form, elements[0].schema)), signer)
    return Signature(signed_info=info, signature_value=SignatureValue(value=value))


def _checked(value: object, signer: Signer) -> bytes:
    """A signature has one length; a token that gives another has written it as DER,
    as most do by themselves."""
    octets = _OCTETS[signer.algorithm]
    if isinstance(value, bytes) and len(value) == octets:
        return value
    given = f"{len(value)} octets" if isinstance(value, bytes) else type(value).__name__
    raise SignerError(
        f"the signer gave {given}, where {signer.algorithm} has {octets} octets, r and s side by side and never DER"
    )


def signed_info(suite: Suite, elements: Sequence[SignedElement]) -> SignedInfo:
    """What a signature by these algorithms covers: a reference to each element, in their
    order. Raises as ``sign``."""
    return SignedInfo(
        canonicalization_method=CanonicalizationMethod(algorithm=EXI),
        signature_method=SignatureMethod(algorithm=suite.method),
        reference=tuple(
            Reference(
                uri=f"#{_id(one)}",
                transforms=Transforms(transform=(Transform(algorithm=EXI),)),
                digest_method=DigestMethod(algorithm=suite.digest),
                digest_value=digest(suite.digest, fragment(one)),
            )
            for one in elements
        ),
    )


def fragment(one: SignedElement) -> bytes:
    """The octets that are digested."""
    return exi.encode(one.schema, one.element, fragment=True)


def signed_octets(info: SignedInfo, form: Form, schema: str) -> bytes:
    """The octets that the signature's value covers."""
    return exi.encode("xmldsig-fragment" if form == "standalone" else schema, info, fragment=True)


def verify(
    signature: Signature | None,
    key: VerifyingKey,
    elements: Sequence[SignedElement],
    *,
    forms: Sequence[Form] = ("standalone", "combined"),
) -> SignatureVerdict:
    """Judge a received signature for exactly these elements, which were decoded from the same message.

    ``forms``: how SignedInfo may have been encoded. Nothing that the peer sends raises anything.
    """
    if signature is None:
        return SignatureVerdict((("missing", "no signature in the header"),))
    try:
        suite = suite_of(key)
        faults = _references(signature.signed_info, suite, elements)
        form = next((one for one in forms if _covers(signature, key, one, elements)), None)
    except (ExiError, MisuseError) as error:
        return SignatureVerdict(
            (("key" if isinstance(error, MisuseError) else "signature", str(error)[:200]),)
        )
    if form is None:
        faults.append(("signature", "not the key's signature of SignedInfo"))
    return SignatureVerdict(tuple(faults), form)


def covers(signature: Signature, key: VerifyingKey, elements: Sequence[SignedElement]) -> bool:
    """The value is the key's signature of SignedInfo, in one of its forms; what
    SignedInfo says is not looked at."""
    try:
        forms: tuple[Form, ...] = ("standalone", "combined")
        return any(_covers(signature, key, form, elements) for form in forms)
    except (ExiError, MisuseError):
        return False


def faults_of_each(
    signature: Signature, suite: Suite, elements: Sequence[SignedElement]
) -> tuple[tuple[tuple[Fault, str], ...], ...]:
    """What is wrong with the reference to each of these elements by itself, and with SignedInfo for all of
    them. Other references are no fault of theirs, but one element has one reference, and no more are looked
    at than a message can have."""
    info = signature.signed_info
    common: list[tuple[Fault, str]] = []
    if info.canonicalization_method.algorithm != EXI:
        common.append(("canonicalization", info.canonicalization_method.algorithm[:80]))
    if (
        info.signature_method.algorithm != suite.method
        or info.signature_method.hmac_output_length is not None
    ):
        common.append(("signature-method", info.signature_method.algorithm[:80]))
    if len(info.reference) > _MOST_REFERENCES:
        common.append(("reference-count", f"{len(info.reference)}, more than {_MOST_REFERENCES}"))
        return tuple(tuple(common) for _ in elements)
    ids = [_id(one) for one in elements]
    found = []
    for one, name in zip(elements, ids, strict=True):
        faults = list(common)
        own = [reference for reference in info.reference if reference.uri == f"#{name}"]
        if len(own) != 1 or ids.count(name) != 1:
            faults.append(("reference-uri", f"{len(own)} for #{name[:40]}"))
        else:
            try:
                faults += _reference(own[0], suite, {f"#{name}": one})
            except ExiError as error:
                faults.append(("digest", str(error)[:200]))
        found.append(tuple(faults))
    return tuple(found)


_MOST_REFERENCES = 16


def _covers(signature: Signature, key: VerifyingKey, form: Form, elements: Sequence[SignedElement]) -> bool:
    schema = elements[0].schema if elements else "xmldsig-fragment"
    octets = signed_octets(signature.signed_info, form, schema)
    return verify_raw(key, octets, signature.signature_value.value)


def _references(info: SignedInfo, suite: Suite, elements: Sequence[SignedElement]) -> list[tuple[Fault, str]]:
    faults: list[tuple[Fault, str]] = []
    if info.canonicalization_method.algorithm != EXI:
        faults.append(("canonicalization", info.canonicalization_method.algorithm[:80]))
    if (
        info.signature_method.algorithm != suite.method
        or info.signature_method.hmac_output_length is not None
    ):
        faults.append(("signature-method", info.signature_method.algorithm[:80]))
    if len(info.reference) != len(elements):
        faults.append(("reference-count", f"{len(info.reference)}, not {len(elements)}"))
    expected = {f"#{_id(one)}": one for one in elements}
    if len(expected) != len(elements):
        faults.append(("reference-uri", "two elements with one Id"))
    for reference in info.reference:
        faults += _reference(reference, suite, expected)
    faults += [("reference-uri", f"none for {uri[:40]}") for uri in expected]
    return faults


def _reference(
    reference: Reference, suite: Suite, expected: dict[str, SignedElement]
) -> list[tuple[Fault, str]]:
    """One reference; what it names is taken out of ``expected``, so that a second one finds nothing."""
    one = expected.pop(reference.uri or "", None)
    if one is None:
        return [("reference-uri", f"{(reference.uri or '')[:40]!r} is no element expected here")]
    faults: list[tuple[Fault, str]] = []
    steps = reference.transforms.transform if reference.transforms is not None else ()
    if [step.algorithm for step in steps] != [EXI] or any(step.x_path for step in steps):
        faults.append(("transforms", f"{len(steps)} steps, not EXI alone"))
    if reference.digest_method.algorithm != suite.digest:
        faults.append(("digest-method", reference.digest_method.algorithm[:80]))
    elif not hmac.compare_digest(reference.digest_value, digest(suite.digest, fragment(one))):
        faults.append(("digest", f"of {reference.uri}"))
    return faults


def _id(one: SignedElement) -> str:
    found = getattr(one.element, "id", None)
    if not isinstance(found, str) or not found:
        raise MisuseError(f"{type(one.element).__name__} has no Id to refer to")
    return found
