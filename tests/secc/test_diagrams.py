"""The state diagrams of docs/states.md are those of the tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from iso15118.secc.diagrams import diagram, page
from iso15118.secc.din.sequence import TABLE

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_command_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "iso15118.secc", "--diagrams"], capture_output=True, text=True, check=True
    ).stdout
    assert printed == page()
    assert (DOCS / "states.md").read_text(encoding="utf-8") == printed, (
        "run python -m iso15118.secc --diagrams > docs/states.md"
    )


def test_every_row_is_drawn() -> None:
    drawn = diagram(TABLE)
    arrows = {
        (state, after)
        for state, rows in TABLE.items()
        for key, row in rows.items()
        if not (key[0] if isinstance(key, tuple) else key).__name__.startswith("SessionStop")
        for after in row.next
        if after is not state
    }
    assert drawn.count("-->") == len(arrows) > 8
