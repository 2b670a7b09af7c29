"""One entry for both transports."""

from __future__ import annotations

from pathlib import Path

from iso15118.errors import ConfigError
from iso15118.loopback.memory import Progress, Watch, run_in_memory
from iso15118.loopback.recording import SessionFolder
from iso15118.loopback.spec import LoopbackSpec
from iso15118.loopback.summary import LoopbackSummary

__all__ = ["run"]


def run(
    order: LoopbackSpec,
    *,
    progress: Progress | None = None,
    watch: Watch | None = None,
    keylog: Path | None = None,
    folder: SessionFolder | None = None,
) -> LoopbackSummary:
    """Run ``order`` and return what it showed; ``progress`` and ``watch`` are told on the way, ``folder``
    records everything: open it for the same transport.

    Raises ``LinkError``, ``TrustError``, ``TimeoutError`` or ``SafetyViolation`` when there is no session to speak of.
    """
    if keylog is not None and not order.tls:
        raise ConfigError("keylog", "there is no TLS in this run, hence no secrets", "use it with TLS on tcp")
    if folder is not None:
        watch = folder.watch if watch is None else _both(folder.watch, watch)
    if order.transport == "tcp":
        from iso15118.loopback.tcp import (
            run_over_tcp,
        )  # brings asyncio and the PKI, which a run in memory needs not

        return run_over_tcp(order, progress=progress, watch=watch, keylog=keylog, folder=folder)
    return run_in_memory(order, progress=progress, watch=watch, folder=folder)


def _both(first: Watch, second: Watch) -> Watch:
    def watch(sender: str, message: object, now: float) -> None:
        first(sender, message, now)
        second(sender, message, now)

    return watch
