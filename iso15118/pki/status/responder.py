"""An OCSP responder for the certificates of a test PKI: one request in, one response out, by a script.

No I/O: ``aio.net.ocsp_listener`` listens. Answers can be wrong on purpose, to see what
the other side makes of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, get_args

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import OCSPNonce, ocsp

from iso15118.errors import ConfigError
from iso15118.pki.issuing.issue import IssuedPki, load_key
from iso15118.pki.keys.credential import Credential
from iso15118.pki.status.ocsp import HashName, cert_id, ocsp_response

__all__ = ["ANSWERS", "Answer", "OcspResponder", "Reply"]

Answer = Literal[
    "good", "revoked", "unknown", "stale", "wrong-signer", "no-nonce", "try-later", "slow", "garbage"
]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
_HASHES: dict[str, HashName] = {"sha1": "sha1", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}
_MAX_REQUEST = 4096
"""A request for one certificate has about 150 octets."""
_VALIDITY = timedelta(days=3)


class Reply(NamedTuple):
    """What is sent, and how long after the request."""

    octets: bytes
    delay_s: float = 0.0


class OcspResponder:
    """Answers for every certificate of ``pki``.

    ``answer``: what is said of those that ``script`` does not name. ``script``: answers by the names of
    certificates (``secc``, ``cpo-sub2``...). ``slow_s``: how many seconds later a slow answer comes, which is
    a good one. Raises ConfigError for a name or an answer that does not exist.
    """

    def __init__(
        self,
        pki: IssuedPki,
        *,
        answer: Answer = "good",
        script: Mapping[str, Answer] | None = None,
        slow_s: float = 30.0,
    ) -> None:
        self._pki = pki
        self._answer = answer
        self._script = dict(script or {})
        self._slow_s = slow_s
        for name, one in {"": answer, **self._script}.items():
            if one not in ANSWERS:
                raise ConfigError("answer", f"{one!r} is none", f"one of {', '.join(ANSWERS)}")
            if name and name not in pki.certificates:
                known = ", ".join(pki.certificates)
                raise ConfigError("script", f"there is no certificate {name!r}", f"one of {known}")
        self._by_serial = {
            cert_id(der, pki.certificates[issuer]).serial_number: (name, issuer)
            for name, issuer in pki.issuers.items()
            if issuer is not None and (der := pki.certificates[name])
        }

    def respond(self, request_der: bytes, now: datetime) -> bytes:
        """The response (DER, or garbage if that is the answer). A request that is
        none gets malformedRequest."""
        return self.reply(request_der, now).octets

    def reply(self, request_der: bytes, now: datetime) -> Reply:
        """The response as :meth:`respond` gives it, and when to send it."""
        try:
            if len(request_der) > _MAX_REQUEST:
                raise ValueError("a request longer than any")
            request = ocsp.load_der_ocsp_request(request_der)
            serial = request.serial_number
            hash_name = _HASHES.get(request.hash_algorithm.name)
            nonce = next(
                (one.value.nonce for one in request.extensions if isinstance(one.value, OCSPNonce)), None
            )
        except (ValueError, TypeError, UnsupportedAlgorithm, NotImplementedError):
            return Reply(_unsuccessful(ocsp.OCSPResponseStatus.MALFORMED_REQUEST))
        found = self._by_serial.get(serial)
        if found is None or hash_name is None:
            return Reply(_unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED))
        name, issuer = found
        ours = cert_id(self._pki.certificates[name], self._pki.certificates[issuer], hash_name)
        if (request.issuer_name_hash, request.issuer_key_hash) != (
            ours.issuer_name_hash,
            ours.issuer_key_hash,
        ):
            return Reply(_unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED))
        answer = self._script.get(name, self._answer)
        made = self._made(name, issuer, answer, nonce, now, ours.hash)
        return Reply(made, self._slow_s if answer == "slow" else 0.0)

    def _made(
        self,
        name: str,
        issuer: str,
        answer: Answer,
        nonce: bytes | None,
        now: datetime,
        hash_name: HashName,
    ) -> bytes:
        if answer == "garbage":
            return b"\x30\x82this is no response"
        if answer == "try-later":
            return _unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
        signer = self._wrong_signer(issuer) if answer == "wrong-signer" else self._pki.responder(issuer)
        start = now - (2 * _VALIDITY if answer == "stale" else timedelta(minutes=5))
        return ocsp_response(
            self._pki.certificates[name],
            self._pki.certificates[issuer],
            responder_der=signer.chain[0],
            key=load_key(signer.key),
            this_update=start,
            next_update=start + _VALIDITY,
            status="revoked" if answer == "revoked" else "unknown" if answer == "unknown" else "good",
            nonce=None if answer == "no-nonce" else nonce,
            hash_name=hash_name,
        )

    def _wrong_signer(self, issuer: str) -> Credential:
        """A responder that another CA appointed."""
        other = next(one for one, above in self._pki.issuers.items() if above is None and one != issuer)
        return self._pki.responder(other)


def _unsuccessful(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
