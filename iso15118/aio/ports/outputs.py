"""The outputs of one end's basic signalling, asserted: shown again and again, and compared with what
the port says that it shows.

A pilot, a switch S3 or the vehicle's switch is a level. A port that lost a request, or was reset, or was left
in any state by a process before this one, is put right; one that shows something else is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from iso15118.aio.logs import Log
from iso15118.errors import HardwareError
from iso15118.link.ports import BasicSignalling, Listener, ReadsBack
from iso15118.link.primitives import Pilot, SetPilot
from iso15118.session.actions import Action

from .answers import told
from .guard import Port, describe, each

__all__ = ["AssertedOutputs", "why_not_shown"]

_log = Log(__name__)

_EXACT_PERCENT: Final = 1.0


class AssertedOutputs:
    """A ``BasicSignalling`` around ``port``. ``told`` hears of an output that shows something else
    than it is asked to, once; ``failing`` of why an output cannot be shown, when that changes: an empty text
    when each one can."""

    def __init__(self, port: BasicSignalling) -> None:
        self._signalling = port
        self._port = Port(port, "signalling")
        self.told: Callable[[str], None] = _log.warning
        self.failing: Callable[[str], None] = _nobody
        self._failed: dict[type[Action], str] = {}
        """Outputs that could not be shown when they were last asked for, and why."""
        self._wanted: dict[type[Action], Action] = {}
        self._settled: set[type[Action]] = set()
        """Outputs that were asked for a whole period ago: what is read back counts."""
        self._wrong: dict[type[Action], Action] = {}
        self._unsaid = True
        self._unreadable = False

    @property
    def trouble(self) -> str:
        """Why an output cannot be shown; empty if each one can."""
        return next(iter(self._failed.values()), "")

    def listen(self, listener: Listener) -> None:
        """See ``BasicSignalling``. Raises ``HardwareError`` for whatever goes wrong."""
        if complaint := self._port.tell("listen", listener, at_once=True):
            raise HardwareError(complaint)

    def show(self, action: Action) -> None:
        """Show this from now on; see ``BasicSignalling``. Raises ``HardwareError`` where the port raises, or
        says that it was not done, and shows it again all the same."""
        if self._wanted.get(type(action)) != action:
            self._settled.discard(type(action))
        self._wanted[type(action)] = action
        self._ask(action)

    def _ask(self, action: Action) -> None:
        before = self.trouble
        complaint = told(self._port, "show", action)
        if complaint:
            self._failed[type(action)] = complaint
        else:
            self._failed.pop(type(action), None)
        if self.trouble != before:
            self.failing(self.trouble)
        if complaint:
            raise HardwareError(complaint)

    def put(self, actions: Iterable[Action]) -> None:
        """Show these, each whatever becomes of the others; a port that fails is logged."""
        shown = tuple(actions)
        for action, failed in [(action, each(partial(self.show, action))) for action in shown]:
            for error in failed:
                ours = isinstance(error, HardwareError)  # it says all, and its traceback is ours
                _log.error(
                    "%s could not be shown: %s", action, why_not_shown(error), error=None if ours else error
                )

    def again(self) -> None:
        """Compare, and show everything again."""
        self._compare()
        failed = False
        for action in tuple(self._wanted.values()):
            for error in each(partial(self._ask, action)):  # said once, for it may go on for hours
                failed = True
                if self._unsaid:
                    self.told(f"{action} cannot be shown: {why_not_shown(error)}")
        self._unsaid = not failed
        self._settled.update(self._wanted)

    def _compare(self) -> None:
        failed = each(self._read_back)
        for error in failed:  # reading back is extra, and its failure no reason to stop showing
            if not self._unreadable:
                _log.error("the outputs cannot be read back: %s", describe(error), error=error)
        self._unreadable = bool(failed)

    def _read_back(self) -> None:
        if not isinstance(self._signalling, ReadsBack):
            return
        shown = self._signalling.shown()
        if shown is None or type(shown) not in self._settled:
            return
        wanted = self._wanted[type(shown)]
        if _is_shown(shown, wanted):
            self._wrong.pop(type(shown), None)
        elif self._wrong.get(type(shown)) != shown:
            self._wrong[type(shown)] = shown
            self.told(f"the output shows {shown} instead of {wanted}")


def why_not_shown(error: BaseException) -> str:
    """What came out of ``AssertedOutputs.show`` in words."""
    return str(error) if isinstance(error, HardwareError) else describe(error)


def _nobody(trouble: str) -> None:
    """Who has no need to hear of outputs that fail."""


def _is_shown(shown: Action, wanted: Action) -> bool:
    """A nominal duty cycle is read back within a percent point, as IEC 61851-1 allows it
    to be shown; or not at all."""
    if not (isinstance(shown, SetPilot) and isinstance(wanted, SetPilot)):
        return shown == wanted
    if shown.pilot is not wanted.pilot or shown.pilot is not Pilot.NOMINAL:
        return shown == wanted
    if shown.percent is None or wanted.percent is None:
        return True
    return abs(shown.percent - wanted.percent) <= _EXACT_PERCENT
