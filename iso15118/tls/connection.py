"""A TLS connection without a socket: feed what came in, send what is to go out.

The context is costly to make (keys are read and checked) and serves any number of connections; a connection
is one end of one link. The certificates of the peer are judged by the callable that the context was given,
during the handshake.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import msgspec

from iso15118 import _native
from iso15118.errors import ConfigError, TlsError
from iso15118.ranges import shown
from iso15118.tls.checks import Identity, PathVerdict, PeerCheck, StapleSource
from iso15118.tls.profiles import TlsProfile
from iso15118.tls.roots import issuer_of, root_of
from iso15118.tls.trusted_ca_keys import (
    IdentifierType,
    TrustedAuthority,
    choose_chain,
    parse_trusted_ca_keys,
    trusted_ca_keys,
)

__all__ = ["TlsConnection", "TlsContext", "TlsInfo"]

_log = logging.getLogger(__name__)


class TlsInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a handshake agreed on; names as IANA writes them."""

    profile: str
    version: str
    """``TLSv1.3``"""
    cipher: str
    group: str
    server_signature: str
    """Signature scheme with which the server proved its key."""
    client_signature: str | None
    """The same for the client; None if it had no certificate."""
    peer_chain: tuple[bytes, ...]
    """The peer's certificates (DER) that were verified: the path from its leaf to the ``anchor``, in order,
    without that. Only the leaf, whose key it proved, if the check does not say which path it took; empty for
    a client without certificate."""
    peer_authorities: tuple[bytes, ...]
    """Names (DER) of the roots that the peer trusts, as far as it told."""
    deviations: tuple[str, ...]
    """Where the profile in use falls short of its edition."""
    trusted_authorities: tuple[TrustedAuthority, ...] = ()
    """The same roots as ``peer_authorities``, as a vehicle of TLS 1.2 names them."""
    staples: tuple[bytes, ...] = ()
    """OCSP responses (DER) that the peer sent, without gaps for certificates that had none."""
    anchor: bytes | None = None
    """The trust anchor (DER) that this path ends in; None if the peer has no certificate,
    or the check does not say."""
    presented: tuple[bytes, ...] = ()
    """All certificates (DER) that the peer sent, in its order. Whoever sent them may have put in what
    he liked beside the leaf."""

    @property
    def edition(self) -> Literal["iso20", "iso2"]:
        """The newest edition that may be spoken on this connection: -20 never below TLS
        1.3. [V2G20-1237, V2G20-2356]"""
        return "iso20" if self.version == "TLSv1.3" else "iso2"

    @property
    def client_certificate(self) -> bool:
        """True if the client proved to hold a certificate's key."""
        return self.client_signature is not None


class TlsContext:
    """A profile, made ready for one role, with its keys and its trust.

    ``identities``: the chains to present, the preferred one first; with several, the peer's signature
    schemes and the roots it names decide [V2G20-2379]. A server needs one at least, and so does a client
    unless its server does without. ``anchors``: trusted roots (DER), announced to the peer where the
    profile says so. ``roots``: the roots (DER) of our own chains, so that a server of TLS 1.2 can choose by
    trusted_ca_keys; needed there for several chains. [V2G2-871] ``staples``: where a server has its OCSP
    responses from; see :data:`StapleSource`. TLS 1.3 carries one for each certificate [V2G20-2388], TLS 1.2
    that of the leaf only. ``verify``: judges the peer's certificates; see :data:`PeerCheck`. May be None
    only for a server that asks for none. ``keylog``: gets each line of the NSS key log. Whoever has them
    can read the traffic: on explicit request only.

    Raises :class:`~iso15118.errors.TlsError` if the profile cannot be enforced or a key or certificate not be
    used, ``ConfigError`` for an argument that is none.
    """

    def __init__(
        self,
        profile: TlsProfile,
        *,
        role: Literal["client", "server"],
        identities: Sequence[Identity] = (),
        anchors: Sequence[bytes] = (),
        verify: PeerCheck | None,
        roots: Sequence[bytes] = (),
        staples: StapleSource | None = None,
        keylog: Callable[[str], None] | None = None,
    ) -> None:
        if not isinstance(profile, TlsProfile):
            raise ConfigError("profile", f"{shown(profile)} is none", "one of iso15118.tls.PROFILES")
        if verify is not None and not callable(verify):
            # It would refuse everybody, each in his handshake.
            raise ConfigError(
                "verify", f"{shown(verify)} is no check", "such as iso15118.pki.peer_verifier(...)"
            )
        if role not in ("client", "server"):
            raise ConfigError("role", f"{shown(role)} is none", '"client" or "server"')
        self.profile = profile
        self.role = role
        self.anchors = tuple(anchors)
        self._keylog = keylog
        self.chains = tuple(tuple(one.chain) for one in identities)
        """The chains that a server chooses from, or a client may present."""
        old = profile.older if profile.older is not None else profile
        reads_trusted_ca = role == "server" and profile.min_version == "TLSv1.2"
        if reads_trusted_ca and len(identities) > 1 and not roots:
            raise TlsError(
                "several chains, and nothing to choose by: trusted_ca_keys of TLS 1.2 needs roots=, the roots of our chains"
            )
        self._issuers = frozenset(issuer_of(der) for chain in self.chains for der in chain)
        self.roots = tuple(root_of(chain, roots) for chain in self.chains)
        """The root (DER) of each of these chains, as far as it is known."""
        self._native = _native.TlsContext(
            role=role,
            min_version=profile.min_version,
            max_version=profile.max_version,
            cipher_suites=list(profile.cipher_suites),
            groups=list(profile.groups),
            signature_schemes=list(profile.signature_schemes),
            client_certificate=profile.client_certificate,
            identities=[(list(i.chain), i.key, i.passphrase) for i in identities],
            authorities=list(anchors) if profile.certificate_authorities else [],
            named_authority_required=profile.named_authority_required,
            status_request=profile.status_request,
            max_fragment_length=profile.max_fragment_length,
            older=None
            if profile.older is None
            else (list(old.cipher_suites), list(old.groups), list(old.signature_schemes)),
            trusted_ca_keys=trusted_ca_keys(anchors, IdentifierType[old.trusted_ca_keys.upper()])
            if role == "client" and old.trusted_ca_keys and profile.min_version == "TLSv1.2"
            else None,
            trusted_ca_choice=partial(_choose, self.roots) if reads_trusted_ca else None,
            staples=partial(_staple, staples, self.chains)
            if role == "server" and staples is not None
            else None,
            keylog=keylog is not None,
            check=None if verify is None else partial(_checked, verify),
        )

    def __repr__(self) -> str:
        return f"TlsContext({self.profile.name}, {self.role})"

    def has_chain_under(self, names: Sequence[bytes]) -> bool:
        """True if one of these names (DER) issued a certificate of one of our chains."""
        return any(issuer in names for issuer in self._issuers)

    def connect(self, *, beside_newer: bool = False) -> TlsConnection:
        """One end of a new connection. A client has bytes to send at once: call
        :meth:`TlsConnection.data_to_send`. ``beside_newer``: another context of this server serves TLS 1.3,
        and this one of TLS 1.2 marks its ServerHello accordingly (RFC 8446 section 4.1.3).
        """
        return TlsConnection(self, beside_newer=beside_newer)


# No methods of the context, which would then hold itself through its native half for ever.


def _checked(
    verify: PeerCheck, chain: list[bytes], staples: list[bytes] | None, version: str
) -> tuple[str, str] | tuple[list[bytes], bytes | None] | None:
    """What the native half is told: None, a refusal, or the path that was verified, and its anchor."""
    verdict_of, refusal_of = getattr(verify, "verdict", None), getattr(verify, "refusal", None)
    if verdict_of is None or refusal_of is None:
        return verify(chain, staples, version)
    verdict: PathVerdict = verdict_of(chain, staples, version)
    refusal: tuple[str, str] | None = refusal_of(verdict)
    return refusal or (list(verdict.certificates(chain)), verdict.anchor)


def _choose(roots: Sequence[bytes | None], data: bytes) -> int | None:
    """Place of the chain for a client that sends this trusted_ca_keys; None: none of
    the roots it names is ours."""
    return choose_chain(parse_trusted_ca_keys(data), roots)


def _staple(source: StapleSource, chains: Sequence[Sequence[bytes]], place: int) -> list[bytes | None]:
    try:
        return list(source(chains[place]))
    except Exception:
        _log.exception("no OCSP responses are sent: their source failed")
        return []


class TlsConnection:
    """One end of a connection.

    Call :meth:`receive_data` with what came from the transport, then send what :meth:`data_to_send` has, also
    after an error: an alert may be waiting there. A failed connection stays failed and repeats its error.

    A client's handshake is complete before the server has judged its certificate (TLS 1.3): the refusal comes
    with the first data received.
    """

    __slots__ = ("_context", "_info", "_native")

    def __init__(self, context: TlsContext, *, beside_newer: bool = False) -> None:
        self._context = context
        self._native = _native.TlsConnection(context._native, beside_newer=beside_newer)
        self._info: TlsInfo | None = None

    def receive_data(self, data: bytes) -> bytes:
        """Feed bytes from the transport; returns the plaintext they complete, which may be empty.

        Raises :class:`~iso15118.errors.TlsError` if the peer or its data is refused, or the peer refuses us.
        """
        if self._context._keylog is None:
            return self._native.receive(data)
        try:
            return self._native.receive(data)
        finally:
            for line in self._native.take_keylog():
                self._context._keylog(line)

    def send_data(self, data: bytes) -> None:
        """Encrypt plaintext; :meth:`data_to_send` has the result.

        Raises :class:`~iso15118.errors.MisuseError` before the handshake is complete and after :meth:`close`.
        """
        self._native.write(data)

    def encrypt(self, data: bytes) -> bytes:
        """:meth:`send_data` and :meth:`data_to_send` in one call: everything that is to be sent now."""
        return self._native.encrypt(data)

    def update_keys(self, *, peer_too: bool = False) -> None:
        """Go on with new keys (TLS 1.3 KeyUpdate), for very long connections;
        :meth:`data_to_send` has the announcement.

        ``peer_too`` asks the peer to do the same. Raises :class:`~iso15118.errors.MisuseError` where there is
        no open connection of TLS 1.3.
        """
        self._native.update_keys(peer_too)

    def data_to_send(self) -> bytes:
        """Take the bytes for the transport; empty if there are none."""
        return self._native.take_outgoing()

    def eof_received(self) -> None:
        """The transport ended. Raises :class:`~iso15118.errors.TlsError` unless the peer had announced it
        with close_notify.
        """
        self._native.end_of_stream()

    def close(self) -> None:
        """Announce the end with close_notify (:meth:`data_to_send` has it). Data may still come in."""
        self._native.close()

    @property
    def context(self) -> TlsContext:
        """What it was made from."""
        return self._context

    @property
    def handshake_complete(self) -> bool:
        """True once this end has agreed and may send."""
        return self._native.handshake_complete

    @property
    def info(self) -> TlsInfo | None:
        """What was agreed; None before the handshake is complete."""
        if self._info is None and (agreed := self._native.info) is not None:
            ours, theirs = agreed.signature, agreed.peer_signature
            client, server = (ours, theirs) if self._context.role == "client" else (theirs, ours)
            path, anchor = agreed.verified or (agreed.peer_chain[:1], None)
            self._info = TlsInfo(
                profile=self._context.profile.name,
                version=agreed.version,
                cipher=agreed.cipher,
                group=agreed.group,
                server_signature=server or "",
                client_signature=client,
                peer_chain=tuple(path),
                peer_authorities=tuple(agreed.peer_authorities),
                deviations=self._context.profile.deviations(),
                trusted_authorities=parse_trusted_ca_keys(agreed.trusted_ca_keys)
                if agreed.trusted_ca_keys is not None
                else (),
                staples=tuple(agreed.staples),
                anchor=anchor,
                presented=tuple(agreed.peer_chain),
            )
        return self._info

    @property
    def peer_closed(self) -> bool:
        """True once the peer has sent close_notify; nothing it sends after that counts."""
        return self._native.peer_closed

    @property
    def alert_sent(self) -> str | None:
        """Name of the last alert we sent, e.g. ``unknown_ca`` or ``close_notify``."""
        return self._native.alert_sent

    @property
    def alert_received(self) -> str | None:
        """Name of the last alert the peer sent."""
        return self._native.alert_received
