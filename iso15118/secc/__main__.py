"""``python -m iso15118.secc --diagrams``: the state diagrams of ``docs/states.md``, drawn from the tables
that the station follows."""

from __future__ import annotations

import argparse
import sys

from .diagrams import page


def main() -> int:
    """Print the page."""
    parser = argparse.ArgumentParser(prog="python -m iso15118.secc", description=__doc__)
    parser.add_argument("--diagrams", action="store_true", required=True, help="print docs/states.md")
    parser.parse_args()
    sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
