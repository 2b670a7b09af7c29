"""One port for several kinds of vehicles: the profile and the chain follow from the ClientHello.

A ClientHello comes in the clear and is read before any TLS library sees it; the context that fits it gets
the bytes from the first on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from iso15118.errors import MisuseError, TlsError
from iso15118.tls.client_hello import MAX_OCTETS, ClientHello, ClientHelloReader, TooMuchError
from iso15118.tls.connection import TlsConnection, TlsContext, TlsInfo
from iso15118.tls.trusted_ca_keys import choose_chain

__all__ = ["PortConnection", "TlsPort"]

_ILLEGAL_PARAMETER = bytes([21, 3, 3, 0, 2, 2, 47])
"""A record with a fatal alert."""
_VERSIONS = ("TLSv1.3", "TLSv1.2")


class TlsPort:
    """Several server contexts behind one port; use it wherever a ``TlsContext`` of a server is taken.

    ``contexts``: in order of preference. The newest version that both sides have decides first, so -20 is
    never left for -2 where the vehicle has TLS 1.3 [V2G20-2356]; then the context whose lists fit, and that
    has a chain under a root that the vehicle names. Where none fits, the first one of that version answers,
    with the alert that says why.

    Raises ``TlsError`` for contexts of clients, or none at all.
    """

    role: Literal["server"] = "server"

    def __init__(self, contexts: Sequence[TlsContext]) -> None:
        if not contexts:
            raise TlsError("a port needs a context at least")
        if any(context.role != "server" for context in contexts):
            raise TlsError("a port has contexts of servers only")
        self.contexts = tuple(contexts)
        self._has_newest = any(_has(context, "TLSv1.3") for context in self.contexts)

    def __repr__(self) -> str:
        return f"TlsPort({', '.join(context.profile.name for context in self.contexts)})"

    def connect(self) -> PortConnection:
        """One end of a new connection; it becomes a real one with the ClientHello."""
        return PortConnection(self)

    def connection(self, context: TlsContext) -> TlsConnection:
        """One end of a connection by a context of this port. A vehicle that has TLS 1.3 and is served TLS 1.2
        learns from the ServerHello that the station has more, so that nobody between them can take it out of
        the ClientHello unnoticed."""
        return context.connect(beside_newer=self._has_newest and not _has(context, "TLSv1.3"))

    def choose(self, hello: ClientHello) -> TlsContext:
        """The context for this vehicle."""
        for version in _VERSIONS:
            if version in hello.versions:
                having = [one for one in self.contexts if _has(one, version)]
                if having:
                    return max(
                        having, key=lambda one: _fit(one, hello)
                    )  # the first of several that fit alike
        return self.contexts[0]


def _has(context: TlsContext, version: str) -> bool:
    return context.profile.min_version <= version <= context.profile.max_version


def _fit(context: TlsContext, hello: ClientHello) -> tuple[bool, bool]:
    profile = context.profile
    lists = (
        (hello.cipher_suites, profile.cipher_suites),
        (hello.groups, profile.groups),
        (hello.signature_schemes, profile.signature_schemes),
    )
    agrees = all(not theirs or bool(set(theirs) & set(ours)) for theirs, ours in lists)
    if hello.certificate_authorities and profile.max_version == "TLSv1.3":
        trusted = context.has_chain_under(hello.certificate_authorities)
    else:
        trusted = choose_chain(hello.trusted_ca_keys, context.roots) is not None
    return agrees, trusted


class PortConnection:
    """One end of a connection that is a ``TlsConnection`` once the ClientHello is complete,
    and behaves as one before."""

    __slots__ = ("_alert", "_begun", "_connection", "_error", "_port", "_reader")

    def __init__(self, port: TlsPort) -> None:
        self._port = port
        self._begun = bytearray()
        self._reader = ClientHelloReader()
        self._connection: TlsConnection | None = None
        self._error: TlsError | None = None
        self._alert = b""

    def receive_data(self, data: bytes) -> bytes:
        """See ``TlsConnection.receive_data``."""
        if self._connection is not None:
            return self._connection.receive_data(data)
        if self._error is not None:
            raise self._error
        self._begun += data
        try:
            hello = self._reader.feed(data)
        except TooMuchError as error:
            raise self._refuse(error) from None
        except TlsError:
            # The strictest context answers to what cannot be read, in its own words.
            chosen: TlsContext | None = self._port.contexts[0]
        else:
            chosen = None if hello is None else self._port.choose(hello)
        if chosen is None:
            if len(self._begun) > 2 * MAX_OCTETS:
                raise self._refuse(
                    TooMuchError("a ClientHello in too many pieces", alert="illegal_parameter")
                )
            return b""
        begun, self._begun = bytes(self._begun), bytearray()
        self._connection = self._port.connection(chosen)
        return self._connection.receive_data(begun)

    def send_data(self, data: bytes) -> None:
        """See ``TlsConnection.send_data``."""
        self._open().send_data(data)

    def encrypt(self, data: bytes) -> bytes:
        """See ``TlsConnection.encrypt``."""
        return self._open().encrypt(data)

    def data_to_send(self) -> bytes:
        """See ``TlsConnection.data_to_send``."""
        if self._connection is not None:
            return self._connection.data_to_send()
        alert, self._alert = self._alert, b""
        return alert

    def eof_received(self) -> None:
        """See ``TlsConnection.eof_received``."""
        if self._connection is not None:
            self._connection.eof_received()
            return
        self._error = self._error or TlsError("the stream ended before the ClientHello")
        raise self._error

    def close(self) -> None:
        """See ``TlsConnection.close``."""
        if self._connection is not None:
            self._connection.close()

    @property
    def context(self) -> TlsContext | None:
        """What was chosen; None before the ClientHello is complete."""
        return self._connection.context if self._connection is not None else None

    @property
    def handshake_complete(self) -> bool:
        """See ``TlsConnection.handshake_complete``."""
        return self._connection is not None and self._connection.handshake_complete

    @property
    def info(self) -> TlsInfo | None:
        """See ``TlsConnection.info``."""
        return self._connection.info if self._connection is not None else None

    @property
    def peer_closed(self) -> bool:
        """See ``TlsConnection.peer_closed``."""
        return self._connection is not None and self._connection.peer_closed

    @property
    def alert_sent(self) -> str | None:
        """See ``TlsConnection.alert_sent``."""
        if self._connection is not None:
            return self._connection.alert_sent
        return self._error.alert if isinstance(self._error, TooMuchError) else None

    @property
    def alert_received(self) -> str | None:
        """See ``TlsConnection.alert_received``."""
        return self._connection.alert_received if self._connection is not None else None

    def _refuse(self, error: TlsError) -> TlsError:
        """Say so with the one alert that needs no TLS library: in the clear, as all
        alerts are before the keys."""
        self._error, self._alert = error, _ILLEGAL_PARAMETER
        self._begun.clear()
        return error

    def _open(self) -> TlsConnection:
        if self._connection is None:
            raise MisuseError("data can be sent after the handshake only")
        return self._connection
