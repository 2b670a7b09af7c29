"""A campaign's file, and the cells that it comes to: which there are, what each is called,
and what is refused by name."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from iso15118.campaign import Cell, plan
from iso15118.campaign.model import parse, read
from iso15118.campaign.work import FuzzWork, SessionWork
from iso15118.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "examples" / "campaigns" / "thousand.toml"
MATRIX = """
[matrix]
edition = ["iso20", "iso2", "din"]
service = ["dc", "ac"]
"""


def cells(text: str, folder: Path = Path("/nowhere")) -> list[Cell]:
    return plan(parse(tomllib.loads(text), folder, "test"))


def test_the_example_has_a_thousand_cells_and_none_is_left_out() -> None:
    found = plan(read(EXAMPLE))
    assert len(found) == 1000
    assert [cell for cell in found if cell.skipped] == []
    assert len({cell.id for cell in found}) == 1000


def test_the_cells_are_the_product_of_the_axes_in_their_order() -> None:
    found = cells("[campaign]\nseeds = 2\n" + MATRIX)
    assert [tuple(cell.axes.values()) for cell in found[:5]] == [
        ("iso20", "dc", 1),
        ("iso20", "dc", 2),
        ("iso20", "ac", 1),
        ("iso20", "ac", 2),
        ("iso2", "dc", 1),
    ]
    assert len(found) == 12
    work = found[4].work
    assert isinstance(work, SessionWork)
    assert work.scenario.session.edition == "iso2"
    assert work.scenario.session.seed == 1
    assert work.scenario.session.transport == "memory"
    assert work.ordered


def test_an_id_is_that_of_the_work_whatever_stands_around_it() -> None:
    before = {cell.id for cell in cells(MATRIX)}
    more = cells(MATRIX.replace('"ac"', '"ac", "dc-bpt"') + '[campaign]\nname = "another"\n')
    assert before < {cell.id for cell in more}
    assert before.isdisjoint(cell.id for cell in cells(MATRIX + "[session]\nsoc_start = 50\n"))


def test_values_that_can_have_no_session_together_are_skipped_with_the_reason() -> None:
    found = cells('[matrix]\nedition = ["iso20", "din"]\nservice = ["dc", "mcs"]\n')
    [skipped] = [cell for cell in found if cell.skipped]
    assert skipped.axes == {"edition": "din", "service": "mcs"}
    assert "mcs" in skipped.skipped
    assert skipped.work is None


def test_cells_are_left_out_by_their_values() -> None:
    found = cells(MATRIX + '[[without]]\nedition = "din"\nservice = "ac"\n[[without]]\nedition = "iso2"\n')
    assert [tuple(cell.axes.values()) for cell in found] == [("iso20", "dc"), ("iso20", "ac"), ("din", "dc")]


def test_a_list_is_a_value_of_an_axis() -> None:
    found = cells('[matrix]\nevcc_editions = [["iso20", "iso2"], ["iso2"]]\nsecc_editions = [["iso2"]]\n')
    assert [cell.axes["evcc_editions"] for cell in found] == ["iso20, iso2", "iso2"]


def test_fuzzing_takes_the_seed_for_the_changes() -> None:
    found = cells('[campaign]\nof = "fuzz"\nseeds = 3\nrounds = 7\n[session]\nsoc_start = 79\n')
    works = [cell.work for cell in found]
    assert all(
        isinstance(work, FuzzWork) and work.rounds == 7 and work.session.seed is None for work in works
    )
    assert [work.seed for work in works if isinstance(work, FuzzWork)] == [1, 2, 3]


def test_scenarios_and_captures_are_found_in_folders(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.toml").write_text('[[step]]\nside = "evcc"\ndo = "stop"\nwhen = { loops = 3 }\n')
    (tmp_path / "in" / "two.pcapng").write_bytes(b"x")
    (tmp_path / "in" / "notes.md").write_text("x")
    both = cells('[campaign]\nof = "scenario"\nfiles = ["in"]\n[matrix]\nservice = ["dc", "mcs"]\n', tmp_path)
    assert [cell.axes for cell in both] == [
        {"scenario": "in/one.toml", "service": "dc"},
        {"scenario": "in/one.toml", "service": "mcs"},
    ]
    decoded = cells('[campaign]\nof = "decode"\nfiles = ["in"]\n', tmp_path)
    assert [cell.axes for cell in decoded] == [{"file": "in/two.pcapng"}]
    # Whoever writes the file again wants it decoded again.
    (tmp_path / "in" / "two.pcapng").write_bytes(b"xy")
    assert cells('[campaign]\nof = "decode"\nfiles = ["in"]\n', tmp_path)[0].id != decoded[0].id


FAULT = '[[fault]]\nname = "stop"\n[[fault.step]]\nside = "evcc"\ndo = "stop"\n'


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ("[matrx]\n", "table", "matrix"),
        ('[campaign]\nof = "loop"\n', "campaign.of", "loopback"),
        ("[campaign]\nseeds = 0\n", "campaign.seeds", "out of range"),
        ("[campaign]\nrounds = 5\n", "campaign.rounds", "means nothing"),
        ('[campaign]\nfiles = ["x"]\n', "campaign.files", "means nothing"),
        ('[campaign]\nof = "decode"\n', "campaign.files", "is missing"),
        ('[campaign]\nof = "decode"\nfiles = ["absent"]\n', "campaign.files[0]", "no file or folder"),
        ('[matrix]\neditoin = ["iso20"]\n', "matrix", "edition"),
        ("[matrix]\nedition = []\n", "matrix.edition", "no list of values"),
        ('[matrix]\nedition = ["iso20", "iso20"]\n', "matrix.edition[1]", "twice"),
        ('[matrix]\nsoc_start = [1, "x"]\n', "matrix.soc_start[1]", "no number"),
        ('[matrix]\nedition = ["iso20", "iso21"]\n', "matrix.edition", "iso21"),
        ('[session]\nservice = "dcc"\n', "session", "'dcc' is not one of its values"),
        ('[session]\nservce = "dc"\n', "session.servce", "session.service"),
        ('[session]\nservice = "dc"\n[matrix]\nservice = ["dc"]\n', "matrix.service", "session.service"),
        ('[matrix]\nfault = ["none", "stop"]\n', "matrix.fault[1]", "stop"),
        (FAULT, "fault", "is in no cell"),
        ('[matrix]\nfault = ["stop"]\n' + FAULT + FAULT, "fault[1].name", "twice"),
        ('[matrix]\nfault = ["stop"]\n[[fault]]\nname = "stop"\n', "fault[0].step", "is missing"),
        ('[matrix]\npeer = ["a"]\n', "matrix.peer[0]", "there is no peer"),
        ('[matrix]\npeer = ["a"]\n[[peer]]\nname = "a"\nsocstart = 3\n', "peer[0].socstart", "soc_start"),
        (MATRIX + '[[without]]\nedition = "iso1"\n', "without[0].edition", "in no cell"),
        (MATRIX + '[[without]]\ncontrol = "dynamic"\n', "without[0]", "edition"),
        ("[campaign]\nseeds = 2\n[matrix]\nseed = [1]\n", "campaign.seeds", "one of them"),
        ("[campaign]\nseeds = 1000000\n" + MATRIX, "matrix", "more than 1000000 cells"),
        ('[matrix]\nservice = ["dc"]\n[[without]]\nservice = "dc"\n', "campaign", "no cell"),
        ('[matrix]\ntls = [true, false]\npeer = ["a", "b"]\n[[peer]]\nname = "a"\n[[peer]]\nname = "b"\n', "matrix", "the same"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_its_key(text: str, key: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        cells(text, tmp_path)
    error = caught.value
    assert error.key.startswith(key)
    assert says in str(error)
