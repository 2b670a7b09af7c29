"""Between sessions: the hardware is looked at all the same, and made safe when it shows
something that nobody asked for.

One look a second at contactors, current and voltage, by the rules of ``session.supervision`` for a
connector that serves nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from iso15118.aio.ports.guard import brief
from iso15118.aio.ports.hardware import BEING_MADE_SAFE

from .logs import Log

if TYPE_CHECKING:
    from iso15118.aio.ports.hardware import SideHardware
    from iso15118.session.events import Event
    from iso15118.session.supervision import IdleSupervisor

__all__ = ["IdleLook"]

_log = Log(__name__)

LOOK_S: Final = 1.0
LOOK_AGAIN_S: Final = 0.2
"""While something is not as it should be: it is made safe again as often, until it shows that it is."""


class IdleLook:
    """Looks from ``start`` to ``stop``. ``found`` is told what keeps the hardware from being safe, and an
    empty text when it is again.

    ``make``: a hold on the ports, whose events go to the callable that it is given. Nothing here raises.
    """

    def __init__(
        self,
        make: Callable[[Callable[[Event], None]], SideHardware],
        supervisor: IdleSupervisor,
        found: Callable[[str], None],
    ) -> None:
        self._make = make
        self._supervisor = supervisor
        self._found = found
        self._loop = asyncio.get_running_loop()
        self._hardware: SideHardware | None = None
        self._timer: asyncio.Handle | None = None
        self._trouble = ""
        self._closed = False
        """By the last look."""
        self.looked_at = self._loop.time()
        """When the hardware was last looked at."""

    @property
    def trouble(self) -> str:
        """Why the hardware is not safe; empty if it is."""
        return self._trouble

    @property
    def settles_within_s(self) -> float:
        """How long ``settle`` may take from now, in s; 0.0 while a session has the hardware. From any
        thread."""
        hardware = self._hardware
        return 0.0 if hardware is None else hardware.settles_within_s

    def start(self, trouble: str = "") -> None:
        """Look from now on. ``trouble``: what the last session left behind. What was seen before that session
        proves nothing of now."""
        if self._timer is None:
            self._supervisor.begin()
        else:
            self._timer.cancel()
        self._trouble = trouble
        self._timer = self._loop.call_soon(self._due)

    def stop(self) -> None:
        """Not any more: a session begins, or nobody serves."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        hardware, self._hardware = self._hardware, None
        if hardware is not None:
            hardware.close()

    async def settle(self) -> bool:
        """Nobody looks any more: have the hardware made safe unless it shows now that it is, and wait for
        that no longer than its calls may take. True if it is safe."""
        if self._timer is None:
            return not self._trouble
        hardware = self._hardware
        if hardware is None:
            hardware = self._hardware = self._make(_hear)
        measured, closed = hardware.present()
        quiet = measured is not None and not hardware.flows(measured)
        if self._trouble or closed is not False or not quiet:
            self._trouble = "" if await hardware.settle() else self._trouble or hardware.why_unsafe()
        return not self._trouble

    def _due(self) -> None:
        self._timer = timer = self._loop.call_later(LOOK_S, self._due)
        self.looked_at = now = self._loop.time()
        hardware = self._hardware
        if hardware is None:
            hardware = self._hardware = self._make(_hear)
        trouble = self._look(hardware, now) or hardware.left_behind
        if not trouble and self._trouble:
            # What it was does not show any more. It is safe when it has been told so, did so and shows it.
            # While that is under way the cause stays: it is what somebody has to look for.
            missing = hardware.why_unsafe() if hardware.told_safe else BEING_MADE_SAFE
            trouble = self._trouble if missing == BEING_MADE_SAFE else missing
        if trouble:
            hardware.make_safe(trouble)
        if (trouble or self._closed) and self._timer is timer:
            timer.cancel()
            self._timer = self._loop.call_later(LOOK_AGAIN_S, self._due)
        if trouble != self._trouble:
            self._trouble = trouble
            self._found(trouble)

    def _look(self, hardware: SideHardware, now: float) -> str:
        measured, closed = hardware.present()
        self._closed = closed is not False
        if closed is None:
            return hardware.level_unknown
        if measured is None:
            return f"the {hardware.measures} cannot be measured: {hardware.unreadable}"
        finding = self._supervisor.look(
            measured.direct, closed, now, alternating_a=measured.alternating_a, coil_w=measured.coil_w
        )
        return hardware.limits_unknown() if finding is None else brief(finding.detail)


def _hear(event: Event) -> None:
    """What a call between sessions had to tell; the next look shows what came of it."""
    _log.debug("between sessions: %s", event)
