"""What the log says of one session: at info that it began, its states, what was decided and why, and an end
that either side wanted or a peer brought about; at warning and error what somebody has to look at; at debug
every message.

Each line names role and peer, and comes when it happens, after the hardware was asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason

from .logs import Log

if TYPE_CHECKING:
    from iso15118.aio.net.stream import MessageStream

    from .results import SessionResult

__all__ = ["Story"]

_log = Log(__name__)

_LONGEST: Final = 2000
_DECISIONS: Final = frozenset(
    {
        ev.AuthorizationDecided,
        ev.CableCheckFinished,
        ev.ContactorsChanged,
        ev.ContractDecided,
        ev.EmergencyShutdown,
        ev.HardwareFault,
        ev.PauseRequested,
        ev.SignalChanged,
        ev.StopRequested,
        ev.TransportLost,
        ev.Undecodable,
    }
)
"""Events that change where a session goes."""
_ASKED: Final = frozenset({act.StopPower, act.OpenContactors, act.CloseContactors, act.RequestAuthorization})
_QUIET: Final = frozenset({act.VehicleDisplay, act.StateEntered, act.SessionEnded})
"""News that have a line of their own, or come with every turn of the charge loop."""


_FAULTS: Final = frozenset(
    {
        EndReason.CABLE_CHECK_FAILED,
        EndReason.PRE_CHARGE_FAILED,
        EndReason.CONTACTOR_FAILED,
        EndReason.COUPLING_FAILED,
        EndReason.HARDWARE_FAULT,
        EndReason.EMERGENCY,
        EndReason.INTERNAL_ERROR,
    }
)
"""Ends by hardware, by an emergency or by a fault of this software. The others come of what a peer says or
does not say, or of a plug that is pulled: any neighbour of the network could fill a log with them."""


class _Shown:
    """A value whose text is made by whoever writes the log, if anybody does."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    def __str__(self) -> str:
        text = str(self._value)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}... ({len(text)} characters)"


class Story:
    """One session's lines."""

    def __init__(self, role: str) -> None:
        self._role = self._who = role
        self._broken: set[str] = set()
        """Rules that were broken in this session: each is a warning once, whatever a reading at its threshold
        does."""

    def began(self, stream: MessageStream) -> None:
        """The connection is open."""
        info = stream.tls_info
        if stream.peer:
            self._who = f"{self._who} with {stream.peer}"
        how = "without TLS" if info is None else f"{info.version}, {info.cipher}"
        _log.info("%s: the session begins, %s", self._who, how)

    def message(self, *, sent: bool, message: Any) -> None:
        """One was sent, or came in."""
        if _log.tells_debug:
            body = getattr(getattr(message, "body", None), "body_element", None) or message
            _log.debug("%s: %s %s", self._who, "sent" if sent else "received", _Shown(body))

    def turn(self, event: ev.Event | None, actions: list[act.Action]) -> None:
        """The session answered to ``event`` with these actions."""
        if not _log.tells_info:
            for action in actions:
                if type(action) is act.SupervisionWarning:
                    self._breaks(action)
            return
        if type(event) in _DECISIONS:
            _log.info("%s: told %s", self._who, _Shown(event))
        for action in actions:
            kind = type(action)
            if kind is act.StateEntered:
                _log.info("%s: state %s", self._who, action.state)  # type: ignore[attr-defined]
            elif kind in _ASKED:
                _log.info("%s: asks for %s", self._who, _Shown(action))
            elif kind is act.SupervisionWarning:
                self._breaks(action)  # type: ignore[arg-type]
            elif isinstance(action, act.Notify) and kind not in _QUIET:
                _log.info("%s: %s", self._who, _Shown(action))

    def _breaks(self, warning: act.SupervisionWarning) -> None:
        """A rule of the supervision is broken."""
        tell = _log.info if warning.rule in self._broken else _log.warning
        self._broken.add(warning.rule)
        tell("%s: %s", self._who, _Shown(warning))

    def ended(self, result: SessionResult) -> None:
        """It is over, its hardware safe or given up. A fault of this side is an error, one of the other or
        of what lies between them a warning."""
        cause, ended = result.cause, result.ended
        why = f": {ended.detail}" if ended.detail else ""
        timer = f", {cause.timer}" if cause.timer else ""
        wanted = f" {text}" if (text := cause.requirement(result.edition)) else ""
        tell = _log.info
        if ended.reason in _FAULTS or (ended.rule and not ended.reason.orderly):
            tell = _log.error if result.side == self._role else _log.warning
        tell(
            "%s: the session ended, %s (cause %s, points at %s%s%s)%s",
            self._who,
            ended.reason.name,
            cause.code,
            result.side,
            timer,
            wanted,
            why,
        )
