"""The comparison with other codecs runs, its processes keep to their words, and the counts
on record are of its messages.

The others are not here: what they make of the messages is checked by the command itself,
whenever it is run with them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.exi_peers import instructions
from benchmarks.exi_peers.codecs import Codec, CodecError, cbv2g_command, python_command
from benchmarks.exi_peers.report import Row
from benchmarks.exi_peers.rounds import Taken, take_turns
from benchmarks.messages_earlier import ALL_SAMPLES
from iso15118 import exi

ROOT = Path(__file__).parents[2]
OCTETS = {sample.name: exi.encode(sample.schema, sample.message) for sample in ALL_SAMPLES}


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    file = tmp_path / "messages"
    file.write_text("".join(f"{one.schema} {OCTETS[one.name].hex()}\n" for one in ALL_SAMPLES))
    return file


def test_a_codec_gives_the_octets_back_and_takes_turns(messages: Path) -> None:
    with Codec("one", python_command(messages)) as one, Codec("other", python_command(messages)) as other:
        assert [one.same(index) for index in range(len(ALL_SAMPLES))] == list(OCTETS.values())
        taken = take_turns([one, other], "decode", 0, 3)
    assert {name: len(by.rounds) for name, by in taken.items()} == {"one": 3, "other": 3}
    assert all(by.least > 0.0 for by in taken.values())


def test_a_codec_that_refuses_a_message_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "messages"
    file.write_text("app ffff\n")
    with Codec("one", python_command(file)) as one:
        assert take_turns([one], "decode", 0, 1) == {}


def test_the_aims_are_those_of_the_message() -> None:
    taken = {"engine": Taken([2.0, 1.0]), "libcbv2g": Taken([4.0, 4.0]), "objects": Taken([8.0, 8.0])}
    loop = {one.figure: one for one in Row("DC_ChargeLoopReq", 50, "decode", taken).figures()}
    assert loop["exi-decode-engine-to-libcbv2g"].value == 0.5
    assert loop["exi-decode-engine-to-libcbv2g"].aim == 1.0
    assert loop["exi-decode-objects-to-libcbv2g"].aim == 3.0
    chain = {one.figure: one for one in Row("AuthorizationReq", 2191, "decode", taken).figures()}
    assert chain["exi-decode-engine-to-libcbv2g"].aim == 0.2
    assert chain["exi-decode-objects-to-libcbv2g"].aim_met is False


def test_a_folder_without_the_library_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=str(tmp_path)):
        cbv2g_command(tmp_path, tmp_path / "messages", tmp_path / "program")


def test_the_engine_runs_beside_the_objects_without_the_others() -> None:
    command = [sys.executable, "-m", "benchmarks.exi_peers", "--rounds", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stderr for name in OCTETS)


def test_the_counts_on_record_are_of_these_messages_and_below_the_others() -> None:
    recorded = instructions.read()
    assert recorded is not None
    assert recorded.size_bytes == {name: len(octets) for name, octets in OCTETS.items()}
    assert set(recorded.compilers) == set(recorded.counts) == {"engine", "libcbv2g"}
    for name in OCTETS:
        ours, theirs = (recorded.counts[codec][name] for codec in ("engine", "libcbv2g"))
        assert ours.decode < theirs.decode, name
        assert ours.encode < theirs.encode, name


def test_a_count_that_has_moved_is_named() -> None:
    before = {"Req": instructions.Counts(decode=1000, encode=1000)}
    assert instructions.drifted(before, before) == []
    now = {"Req": instructions.Counts(decode=1020, encode=1100)}
    assert instructions.drifted(now, before) == ["Req, encode: 1,000 recorded, 1,100 now"]
