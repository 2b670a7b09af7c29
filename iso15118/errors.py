"""Every error this package raises on purpose, in one tree that says whose fault it is.

::

    V2GError
    |- PeerError            the other end sent something that cannot be accepted
    |  |- ExiError          bytes that are no message of the schema, or a message that the schema refuses
    |  |- FrameError        a broken V2GTP header or a payload over its cap
    |  |- SdpError          a malformed discovery message
    |  |- SlacError         a malformed HomePlug Green PHY management message
    |- MisuseError          our own user called something wrongly
    |  |- ConfigError       a wrong key or value in configuration or options
    |  |  |- SeveralConfigError  several of them, found together
    |  |- TicketError       what was stored of a paused session cannot be used
    |- LinkError            the transport failed: no answer, reset, end of stream
    |  |- LinkTimeoutError  it took too long to connect or to agree on TLS
    |- TrustError           TLS or certificates: the peer cannot be trusted
    |  |- TlsError          the handshake failed or a record was bad
    |  |- PkiError          a certificate, key or store cannot be used
    |- HardwareError        a port of the station or the vehicle failed or answered too late
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = [
    "ConfigError",
    "ExiError",
    "FrameError",
    "HardwareError",
    "LinkError",
    "LinkTimeoutError",
    "MisuseError",
    "PeerError",
    "PkiError",
    "Problems",
    "SdpError",
    "SeveralConfigError",
    "SlacError",
    "TicketError",
    "TlsError",
    "TrustError",
    "V2GError",
]


class V2GError(Exception):
    """Root of every error raised on purpose by this package."""


class PeerError(V2GError):
    """The other end of the cable sent something that cannot be accepted."""


class ExiError(PeerError):
    """Bytes that are not a message of the schema, or a message that the schema does not allow.

    ``schema`` is the schema set ("iso20-dc"), ``path`` the element path reached
    ("DC_ChargeLoopReq/Header/SessionID", empty before the root), ``bit_offset`` the position in the stream in
    bits (None when encoding), ``expected`` what the grammar or the type would have allowed there, and
    ``reason`` what was found instead.
    """

    def __init__(
        self,
        reason: str,
        *,
        schema: str = "",
        path: str = "",
        bit_offset: int | None = None,
        expected: str = "",
    ) -> None:
        self.reason = reason
        self.schema = schema
        self.path = path
        self.bit_offset = bit_offset
        self.expected = expected
        where = f" at {path}" if path else ""
        at = f" (bit {bit_offset})" if bit_offset is not None else ""
        wanted = f"; expected {expected}" if expected else ""
        super().__init__(f"{schema or 'exi'}{where}{at}: {reason}{wanted}")


class FrameError(PeerError):
    """A V2GTP header that is not one, or a payload longer than its type may be."""


class SdpError(PeerError):
    """A SECC discovery message that does not follow its fixed layout."""


class SlacError(PeerError):
    """A HomePlug Green PHY management message that is malformed."""


class MisuseError(V2GError):
    """Our own user called something in a way that cannot work."""


class ConfigError(MisuseError):
    """A wrong key or value in a configuration file or an option.

    ``key`` is the dotted key or the option, ``reason`` why it is refused, ``hint`` how to mend it (the
    nearest valid name, the allowed range).
    """

    def __init__(self, key: str, reason: str, hint: str = "") -> None:
        self.key = key
        self.reason = reason
        self.hint = hint
        super().__init__(f"{key}: {reason}" + (f" ({hint})" if hint else ""))

    @property
    def each(self) -> tuple[ConfigError, ...]:
        """This one; of several that were found together, all."""
        return (self,)


class SeveralConfigError(ConfigError):
    """Several wrong keys or values that were found together. ``key``, ``reason`` and ``hint`` are those of
    the first, ``each`` has all."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self._each = tuple(errors)
        first = self._each[0]
        super().__init__(first.key, first.reason, first.hint)
        self.args = ("; ".join(str(one) for one in self._each),)

    @property
    def each(self) -> tuple[ConfigError, ...]:
        """All of them, in the order in which they were found."""
        return self._each


class Problems:
    """Collects what is wrong, so that somebody who mends a file hears of all of it at once.

    Each check stands in ``with problems.noted():``; ``tell`` at the end raises what was found.
    """

    def __init__(self) -> None:
        self._found: list[ConfigError] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    @contextmanager
    def noted(self) -> Iterator[None]:
        """A check that may raise ``ConfigError``; whatever comes after the block goes on."""
        try:
            yield
        except ConfigError as error:
            self._found += error.each

    def tell(self) -> None:
        """Raises ``ConfigError`` for one problem, ``SeveralConfigError`` for
        several, and nothing for none."""
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            raise SeveralConfigError(self._found)


class TicketError(MisuseError):
    """What was stored of a paused session is damaged, of another version, or of the other role."""


class LinkError(V2GError):
    """The transport failed: nothing answered, the connection was reset or ended."""


class LinkTimeoutError(LinkError):
    """The other end is there, or may be, and was too slow: no TCP connection, or no end of the
    TLS handshake, in its time."""


class TrustError(V2GError):
    """The peer cannot be trusted: TLS or its certificates are not acceptable."""


class TlsError(TrustError):
    """The TLS handshake failed or a record was bad. ``alert`` names the TLS alert, sent or
    received, if there was one."""

    def __init__(self, reason: str, *, alert: str = "") -> None:
        self.reason = reason
        self.alert = alert
        super().__init__(f"{reason} (alert {alert})" if alert else reason)


class PkiError(TrustError):
    """A certificate, key or certificate store cannot be used."""


class HardwareError(V2GError):
    """A hardware port failed, or answered after its deadline."""
