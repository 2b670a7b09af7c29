"""Somebody who listens to the control pilot: frames and their times in, sentences out that say what
vehicles and stations decide.

Fed by a capture file or by a live interface. It takes no part, trusts nothing, remembers
little, and never tells a key.
"""

from __future__ import annotations

from .labels import Kind, Sentence
from .watcher import SlacWatch

__all__ = ["Kind", "Sentence", "SlacWatch"]
