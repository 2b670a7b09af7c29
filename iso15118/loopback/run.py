"""One entry for both transports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from iso15118.errors import ConfigError
from iso15118.loopback.memory import OnMessage, OnPair, OnState, Progress, run_in_memory
from iso15118.loopback.recording import SessionFolder
from iso15118.loopback.spec import LoopbackSpec
from iso15118.loopback.summary import LoopbackSummary

if TYPE_CHECKING:
    from iso15118.aio.directing import Directs
    from iso15118.loopback.rig import Rig

__all__ = ["run"]


def run(
    order: LoopbackSpec,
    *,
    progress: Progress | None = None,
    watch: OnMessage | None = None,
    keylog: Path | None = None,
    folder: SessionFolder | None = None,
    on_pair: OnPair | None = None,
    on_state: OnState | None = None,
    director: Callable[[Rig], Directs] | None = None,
) -> LoopbackSummary:
    """Run ``order`` and return what it showed; ``progress`` and ``watch`` are told on the way, ``folder``
    records everything: open it for the same transport.

    To drive both ends on the way: in memory ``on_pair`` gets each pair of sessions, with its hardware, before
    it begins, and ``on_state`` every state entered; over tcp ``director`` is made for that hardware.

    Raises ``LinkError``, ``TrustError``, ``TimeoutError`` or ``SafetyViolation`` when there is no session to
    speak of. Raises ``ConfigError`` for keys that do not go together.
    """
    if keylog is not None and not order.tls:
        raise ConfigError("keylog", "there is no TLS in this run, hence no secrets", "use it with TLS on tcp")
    if order.transport == "tcp":
        from iso15118.loopback.tcp import (
            run_over_tcp,
        )  # brings asyncio and the PKI, which a run in memory needs not

        return run_over_tcp(
            order, progress=progress, watch=watch, keylog=keylog, folder=folder, director=director
        )
    return run_in_memory(
        order, progress=progress, watch=watch, folder=folder, on_pair=on_pair, on_state=on_state
    )
