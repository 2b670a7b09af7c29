"""A paused session goes on with the peer it was paused with, and with nobody else."""

from __future__ import annotations

import hashlib

import pytest

from iso15118.errors import MisuseError
from iso15118.tls.binding import is_same_peer, session_binding

from .rig import issued, strangers

SESSION = bytes.fromhex("0102030405060708")
LEAF = issued().vehicle.chain[0]


def test_the_binding_is_the_hash_of_session_and_leaf() -> None:
    """[V2G20-2545]"""
    binding = session_binding(SESSION, LEAF)
    assert binding == hashlib.sha512(SESSION + hashlib.sha512(LEAF).digest()).digest()
    assert is_same_peer(binding, SESSION, LEAF)


def test_anybody_else_is_another_peer() -> None:
    """Matrix 93."""
    binding = session_binding(SESSION, LEAF)
    assert not is_same_peer(binding, SESSION, strangers(issued()).chain[0])
    assert not is_same_peer(binding, SESSION[::-1], LEAF)
    assert not is_same_peer(binding, SESSION, b"")
    assert not is_same_peer(binding, b"", LEAF)
    assert not is_same_peer(binding[:-1], SESSION, LEAF)
    assert not is_same_peer(b"", SESSION, LEAF)


@pytest.mark.parametrize(
    ("session", "leaf"), [(b"", LEAF), (bytes(8), LEAF), (SESSION + b"x", LEAF), (SESSION, b"")]
)
def test_what_cannot_be_bound_is_refused(session: bytes, leaf: bytes) -> None:
    with pytest.raises(MisuseError):
        session_binding(session, leaf)
