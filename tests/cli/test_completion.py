"""Completion in the shells themselves: commands, options, values and keys, and files
where nothing else is known."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.rig import iso15118

ROOT = Path(__file__).parents[2]
CASES = [
    (["lo"], {"loopback"}),
    (["pki", "im"], {"import"}),
    (["loopback", "--transp"], {"--transport"}),
    (["loopback", "--transport", ""], {"tcp", "memory"}),
    (["loopback", "--edition", "iso"], {"iso20", "iso2"}),
    (["evcc", "--set", "vehicle.so"], {"vehicle.soc="}),
    (["nonsense", "x"], set()),
]
ids = [" ".join(words) for words, _ in CASES]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A path on which ``iso15118`` is the one of this work tree."""
    command = tmp_path / "bin" / "iso15118"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m iso15118 "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{command.parent}:{os.environ['PATH']}"}


def said(words: list[str], environment: dict[str, str]) -> list[str]:
    run = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300.0, check=False)
    assert run.stderr == ""
    return run.stdout.split()


@pytest.mark.parametrize(("words", "wanted"), CASES, ids=ids)
def test_bash_completes(words: list[str], wanted: set[str], environment: dict[str, str]) -> None:
    bash = shutil.which("bash")
    assert bash is not None, "every machine that runs the tests has one"
    typed = " ".join(f"'{word}'" for word in ("iso15118", *words))
    script = (
        f'eval "$(iso15118 completion bash)"; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; '
        '_iso15118_completion iso15118; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    assert set(said([bash, "-c", script], environment)) == wanted


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed here")
@pytest.mark.parametrize(("words", "wanted"), CASES, ids=ids)
def test_zsh_completes(words: list[str], wanted: set[str], environment: dict[str, str]) -> None:
    """With the functions of completion that a terminal has replaced by ones that print."""
    typed = " ".join(f"'{word}'" for word in ("iso15118", *words))
    script = (
        "compdef() { :; }; _describe() { local -a found; found=(${(P)@[-1]}); print -l -- ${found%%:*}; }; _files() { :; }; "
        "_arguments() { local one; for one in ${(M)@:#*\\(\\(*}; do print -r -- $one; done; }; "
        f'eval "$(iso15118 completion zsh)"; words=({typed}); CURRENT={len(words) + 1}; _iso15118_completion'
    )
    found = " ".join(said(["zsh", "-f", "-c", script], environment))
    for one in wanted:
        assert one.rstrip("=") in found
    assert bool(found) is bool(wanted)


def test_every_shell_has_its_script() -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "iso15118" in iso15118("completion", shell).out
        assert iso15118("completion", shell, "--json").data["shell"] == shell
    assert "one of bash, zsh, fish" in iso15118("completion", "tcsh").refusal
