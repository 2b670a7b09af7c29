"""Command line of the schema compiler: regenerate everything, or compare with published schemas.

``python -m iso15118.codegen`` writes the message types and the grammar tables from ``schemas/``; ``python -m
iso15118.codegen compare DIR`` compiles the published schemas in DIR too and says whether they mean the same.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .build import compare, generate, write


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0; 1 if a comparison found a difference."""
    parser = argparse.ArgumentParser(prog="python -m iso15118.codegen", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    comparison = commands.add_parser("compare", help="compare with published schemas")
    comparison.add_argument("directory", type=Path, help="folder of the published schemas")
    options = parser.parse_args(arguments)
    if options.command is None:
        for path in write(generate()):
            print(path)
        return 0
    equal = True
    for name, same in compare(options.directory).items():
        print(f"{name}: {'equal' if same else 'DIFFERENT'}")
        equal = equal and same
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
