"""A car and a charger against each other on one machine: say what is wanted, run it, read what it showed.

``run(LoopbackSpec(...))`` is all there is to it; the command ``iso15118 loopback`` is a thin layer above.
"""

from __future__ import annotations

from iso15118.loopback.run import run
from iso15118.loopback.spec import LoopbackSpec
from iso15118.loopback.summary import LoopbackSummary

__all__ = ["LoopbackSpec", "LoopbackSummary", "run"]
