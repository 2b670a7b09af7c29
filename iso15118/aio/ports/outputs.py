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
from iso15118.link.ports import BasicSignalling, Listener, ReadsBack
from iso15118.link.primitives import Pilot, SetPilot
from iso15118.session.actions import Action

from .guard import describe, each

__all__ = ["AssertedOutputs"]

_log = Log(__name__)

_EXACT_PERCENT: Final = 1.0


class AssertedOutputs:
    """A ``BasicSignalling`` around ``port``. ``told`` hears of an output that shows something else
    than it is asked to, once."""

    def __init__(self, port: BasicSignalling) -> None:
        self.port = port
        self.told: Callable[[str], None] = _log.warning
        self._wanted: dict[type[Action], Action] = {}
        self._settled: set[type[Action]] = set()
        """Outputs that were asked for a whole period ago: what is read back counts."""
        self._wrong: dict[type[Action], Action] = {}
        self._failing = self._unreadable = False

    def listen(self, listener: Listener) -> None:
        """See ``BasicSignalling``."""
        self.port.listen(listener)

    def show(self, action: Action) -> None:
        """Show this from now on; see ``BasicSignalling``. Raises what the port raises, and
        shows it again all the same."""
        if self._wanted.get(type(action)) != action:
            self._settled.discard(type(action))
        self._wanted[type(action)] = action
        self.port.show(action)

    def put(self, actions: Iterable[Action]) -> None:
        """Show these, each whatever becomes of the others; a port that fails is logged."""
        shown = tuple(actions)
        for action, failed in [(action, each(partial(self.show, action))) for action in shown]:
            for error in failed:
                _log.error("%s could not be shown", action, error=error)

    def again(self) -> None:
        """Compare, and show everything again."""
        self._compare()
        failed = False
        for action in tuple(self._wanted.values()):
            for error in each(partial(self.port.show, action)):  # said once, for it may go on for hours
                failed = True
                if not self._failing:
                    self.told(f"{action} cannot be shown: {describe(error)}")
        self._failing = failed
        self._settled.update(self._wanted)

    def _compare(self) -> None:
        failed = each(self._read_back)
        for error in failed:  # reading back is extra, and its failure no reason to stop showing
            if not self._unreadable:
                _log.error("the outputs cannot be read back: %s", describe(error), error=error)
        self._unreadable = bool(failed)

    def _read_back(self) -> None:
        if not isinstance(self.port, ReadsBack):
            return
        shown = self.port.shown()
        if shown is None or type(shown) not in self._settled:
            return
        wanted = self._wanted[type(shown)]
        if _is_shown(shown, wanted):
            self._wrong.pop(type(shown), None)
        elif self._wrong.get(type(shown)) != shown:
            self._wrong[type(shown)] = shown
            self.told(f"the output shows {shown} instead of {wanted}")


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
