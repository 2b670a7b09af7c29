"""Captures, recordings and pasted text read into ``iso15118.trace.entries``: every layer from
the link type to the message.

``CaptureReader`` takes a capture as it comes; ``Secrets`` are what opens its TLS. Files
and clocks belong to who calls.
"""

from __future__ import annotations

from .captures import CaptureFile, is_capture
from .reader import CaptureReader
from .secrets import Secrets

__all__ = ["CaptureFile", "CaptureReader", "Secrets", "is_capture"]
