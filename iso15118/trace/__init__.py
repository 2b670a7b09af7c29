"""What happened in a session, for people and their tools: a line of JSON for every message, a capture that
Wireshark opens decrypted, and a report to read.

No files and no clock in here: bytes and text come out, and ``iso15118.loopback`` writes them. What was
captured is read by ``iso15118.trace.reading``, into the values of ``iso15118.trace.entries``, and judged by
``iso15118.trace.report``; only the modules ``files`` of these two open anything.
"""

from __future__ import annotations

from iso15118.trace.capture import Capture
from iso15118.trace.packets import Endpoint

__all__ = ["Capture", "Endpoint"]
