"""Command line of the schema compiler: regenerate everything, or compare with published schemas."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .classes import emit_modules
from .reader import read_schema_set
from .sets import PACKAGE, SCHEMAS, SETS
from .shape import Shapes


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m iso15118.codegen", description=__doc__)
    parser.add_argument("--published", type=Path)
    options = parser.parse_args()
    shapes = []
    for one in SETS:
        if one.packaged:
            files = (
                [options.published / f for f in one.published]
                if options.published
                else [SCHEMAS / f for f in one.files]
            )
            shapes.append(Shapes(read_schema_set(one.name, files)))
    for name, text in emit_modules(shapes).items():
        path = PACKAGE.parent / (name.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
