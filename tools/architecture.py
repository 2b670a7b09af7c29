"""Draws the picture of ARCHITECTURE.md from the table of imports: ``python -m
tools.architecture`` writes it anew.

The table is MAY_IMPORT of tests/test_architecture.py, which every file of the package is held to. An arrow
that follows from others is left out, and so is what every room may import.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from tests.test_architecture import BASE, MAY_IMPORT

__all__ = ["PAGE", "drawn", "with_picture"]

PAGE: Final = Path(__file__).resolve().parents[1] / "ARCHITECTURE.md"
_PICTURE: Final = re.compile(r"^```mermaid\n.*?^```$", re.MULTILINE | re.DOTALL)
_LEFT_OUT: Final = BASE | {"", "__main__"}


def drawn() -> str:
    """The picture, as Mermaid has it: whoever stands above may import what stands below."""
    direct = {
        room: {other for other in others if other not in _LEFT_OUT}
        for room, others in MAY_IMPORT.items()
        if room not in _LEFT_OUT
    }
    direct.setdefault("_native", set())
    below = {room: _below(room, direct) for room in direct}
    arrows = []
    for room, others in sorted(direct.items()):
        follows = {
            far for near in others if room not in below[near] for far in below[near] if near not in below[far]
        }
        arrows += [f"    {room} --> {other}" for other in sorted(others - follows)]
    return "\n".join(("```mermaid", "flowchart TD", *arrows, "```"))


def _below(room: str, direct: dict[str, set[str]]) -> set[str]:
    """Whatever it can reach; itself too where two import each other."""
    found: set[str] = set()
    todo = [room]
    while todo:
        for other in direct[todo.pop()] - found:
            found.add(other)
            todo.append(other)
    return found


def with_picture(text: str) -> str:
    """The page with the picture as it is now. Raises ValueError for a page without one."""
    if _PICTURE.search(text) is None:
        raise ValueError(f"{PAGE.name} has no picture to draw anew")
    return _PICTURE.sub(lambda _: drawn(), text, count=1)


def main() -> int:
    """The command."""
    PAGE.write_text(with_picture(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
