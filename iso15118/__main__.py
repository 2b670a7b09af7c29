"""``python -m iso15118``: the command line."""

from __future__ import annotations

import sys

from iso15118.cli import main

if __name__ == "__main__":
    sys.exit(main())
