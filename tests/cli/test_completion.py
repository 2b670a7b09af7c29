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
FEW = [CASES[0], CASES[2], CASES[4], CASES[5]]
"""For shells that only pass on what bash shows already."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A path on which ``iso15118`` is the one of this work tree."""
    command = tmp_path / "bin" / "iso15118"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m iso15118 "$@"\n')
    command.chmod(0o755)
    return {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{command.parent}:{os.environ['PATH']}"}


def said(words: list[str], environment: dict[str, str]) -> list[list[str]]:
    """What was printed for each case: the words between lines of three dots."""
    run = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300.0, check=False)
    assert run.stderr == ""
    return [one.split() for one in run.stdout.split("...\n")[:-1]]


def typed(words: list[str]) -> str:
    return " ".join(f"'{word}'" for word in ("iso15118", *words))


def test_bash_completes(environment: dict[str, str]) -> None:
    bash = shutil.which("bash")
    assert bash is not None, "every machine that runs the tests has one"
    script = 'eval "$(iso15118 completion bash)"; ' + "".join(
        f"COMPREPLY=(); COMP_WORDS=({typed(words)}); COMP_CWORD={len(words)}; _iso15118_completion iso15118; "
        'printf "%s\\n" "${COMPREPLY[@]}" ...; '
        for words, _ in CASES
    )
    assert [set(one) for one in said([bash, "-c", script], environment)] == [wanted for _, wanted in CASES]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed here")
def test_zsh_completes(environment: dict[str, str]) -> None:
    """With the functions of completion that a terminal has replaced by ones that print."""
    script = (
        "compdef() { :; }; _describe() { local -a found; found=(${(P)@[-1]}); print -l -- ${found%%:*}; }; _files() { :; }; "
        "_arguments() { local one; for one in ${(M)@:#*\\(\\(*}; do print -r -- $one; done; }; "
        'eval "$(iso15118 completion zsh)"; '
    ) + "".join(
        f"words=({typed(words)}); CURRENT={len(words) + 1}; _iso15118_completion; print ...; "
        for words, _ in [*FEW, CASES[-1]]
    )
    *found, nothing = said(["zsh", "-f", "-c", script], environment)
    for shown, (_, wanted) in zip(found, FEW, strict=True):
        assert all(one.rstrip("=") in " ".join(shown) for one in wanted)
    assert nothing == []


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed here")
def test_fish_completes(environment: dict[str, str], tmp_path: Path) -> None:
    """As fish does it itself, without a terminal."""
    script = "iso15118 completion fish | source; " + "".join(
        f'complete -C "iso15118 {" ".join(words)}"; echo ...; ' for words, _ in FEW
    )
    environment = {**environment, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    for shown, (_, wanted) in zip(said(["fish", "-N", "-c", script], environment), FEW, strict=True):
        assert wanted <= set(shown)


def test_every_shell_has_its_script() -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "iso15118" in iso15118("completion", shell).out
        assert iso15118("completion", shell, "--json").data["shell"] == shell
    assert "one of bash, zsh, fish" in iso15118("completion", "tcsh").refusal
