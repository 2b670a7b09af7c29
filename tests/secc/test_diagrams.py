"""The state diagrams of docs/states.md are those of the tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from iso15118 import secc
from iso15118.secc.__main__ import main
from iso15118.secc.diagrams import diagram, page
from iso15118.secc.din.sequence import TABLE
from iso15118.secc.session import SeccSession

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_command_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "iso15118.secc", "--diagrams"], capture_output=True, text=True, check=True
    ).stdout
    assert printed == page()
    assert (DOCS / "states.md").read_text(encoding="utf-8") == printed, (
        "run python -m iso15118.secc --diagrams > docs/states.md"
    )


def test_the_command_says_what_it_can_do_where_it_is_asked_for_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["secc", "--diagrams"])
    assert main() == 0
    assert capsys.readouterr().out == page()
    monkeypatch.setattr(sys, "argv", ["secc"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "--diagrams" in capsys.readouterr().err


def test_the_package_has_a_session_and_settings_and_nothing_else_by_name() -> None:
    assert secc.SeccSession is SeccSession
    with pytest.raises(AttributeError, match="has no attribute 'Session'"):
        _ = secc.Session


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
