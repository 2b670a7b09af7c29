"""What stands for a connection where nothing is said by messages: nothing comes in, and nothing goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iso15118.aio.driver import SessionDriver

    from .tap import Ear

__all__ = ["NoStream"]


class NoStream:
    """In the place of a ``MessageStream``; it is open from ``adopt`` on and never ends by itself."""

    secure = False
    tls_info = None
    peer = ""
    peer_address = None

    def __init__(self, ear: Ear | None = None) -> None:
        self.ear = ear

    def adopt(self, owner: SessionDriver) -> None:
        """The session begins."""
        owner.stream_ready(self)  # type: ignore[arg-type]  # it has what a session without messages asks of a stream

    def send(self, message: Any, *, beside: bool = False) -> None:
        """Nobody is there to be told."""

    def select(self, edition: str) -> None:
        """Nothing is spoken."""

    def close(self, grace_s: float = 0.0) -> None:
        """Nothing was open."""

    def abort(self) -> None:
        """Nothing was open."""
