"""What README and docs say is run: every command, every file, every piece of Python, in an
empty folder, from top to bottom.

``$ iso15118 secc`` goes on in the background until the end of its page, as it would in another
terminal, and so does a responder, which is interrupted there. ``make`` targets are looked up in the
Makefile; what the demo runs is run.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)#]+)\)", re.DOTALL)
EXPECTED = re.compile(r"\s+# exit status (\d)$")
SDP_PORT = 26_000 + os.getpid() % 6_000  # below those that the system gives away
"""Written into the pages' configuration files, so that nothing else on this machine is in the way."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def commands(page: Path) -> list[str]:
    return commands_in(page.read_text(encoding="utf-8"))


def commands_in(text: str) -> list[str]:
    return [
        line[2:]
        for kind, block in BLOCK.findall(text)
        if kind == "console"
        for line in block.splitlines()
        if line.startswith("$ ")
    ]


def environment() -> dict[str, str]:
    # The command is the module of this work tree, whether or not it is installed.
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}


def iso15118(line: str) -> list[str]:
    return [sys.executable, "-m", "iso15118", *shlex.split(line, comments=True)[1:]]


TOOLS = ("openssl", "chmod")
"""Other commands that pages tell to type, with what is on every machine that runs the tests."""


def program(line: str) -> list[str]:
    """The command, or an example by its place in the repository."""
    if line.startswith("iso15118"):
        return iso15118(line)
    _, example, *options = shlex.split(line, comments=True)
    return [sys.executable, str(ROOT / example), *options]


BACKGROUND = {
    "iso15118 secc": (b"listening", False),
    "iso15118 pki serve-ocsp": (b"answers", True),
    "python examples/firmware/board.py": (b"ready", True),
    "python examples/firmware/charger.py": (b"listening", False),
}
"""Beginning of a command that goes on -> what it says when it is ready, and whether it goes
on until it is interrupted."""


@contextlib.contextmanager
def background(line: str, folder: Path, ready: bytes, interrupt: bool) -> Iterator[subprocess.Popen[bytes]]:
    """It is given until it is ready, and has to end well."""
    with subprocess.Popen(
        program(line), cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as running:
        try:
            assert running.stdout is not None
            assert any(ready in said for said in running.stdout), line
            yield running
            if interrupt:
                running.send_signal(signal.SIGINT)
            assert running.wait(timeout=120.0) == 0, line
        finally:
            running.kill()


def replay(text: str, folder: Path) -> None:
    """Write the files and run the commands of a page or a part of it, from top to bottom."""
    for kind, block in BLOCK.findall(text):
        first = block.splitlines()[0]
        if kind == "ini" and first.startswith("# ") and first.endswith(".cnf"):
            (folder / first.removeprefix("# ")).write_text(block, encoding="utf-8")
        if kind == "toml":
            name = block.splitlines()[0].removeprefix("# ")
            other = ("[[step]]", "[[schedule]]", "[campaign]")
            of_a_role = name != "broken.toml" and not any(one in block for one in other)
            keys = f"sdp_port = {SDP_PORT}\n" if of_a_role else ""
            (folder / name).write_text(keys + block, encoding="utf-8")
    with contextlib.ExitStack() as stack:
        for line in commands_in(text):
            lasting = [how for start, how in BACKGROUND.items() if line.startswith(start)]
            if lasting:
                stack.enter_context(background(line, folder, *lasting[0]))
            elif line.startswith(("iso15118", "python examples/")):
                expected = int(found.group(1)) if (found := EXPECTED.search(line)) else 0
                run = subprocess.run(
                    program(line),
                    cwd=folder,
                    env=environment(),
                    capture_output=True,
                    timeout=300.0,
                    check=False,
                )
                assert run.returncode == expected, (line, run.stderr.decode())
            elif line.split()[0] in TOOLS:
                run = subprocess.run(
                    line, shell=True, cwd=folder, capture_output=True, timeout=300.0, check=False
                )
                assert run.returncode == 0, (line, run.stderr.decode())
            else:
                target = line.removeprefix("make ")
                assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line


FIRST_HOURS = ("first-hour.md", "firmware.md", "vehicle.md", "testing.md")
"""Run one after the other, role by role: tests/documentation/test_first_hours.py."""


@pytest.mark.parametrize("page", [one for one in PAGES if one.name not in FIRST_HOURS], ids=name_of)
def test_everything_on_the_page_runs(page: Path, tmp_path: Path) -> None:
    replay(page.read_text(encoding="utf-8"), tmp_path)


def test_the_unit_of_systemd_asks_for_what_the_station_tells() -> None:
    (text,) = [text for kind, text in blocks(ROOT / "docs" / "safety.md") if kind == "ini"]
    unit = configparser.ConfigParser()
    unit.read_string(text)
    service = unit["Service"]
    assert service["Type"] == "notify", "READY=1 is told: tests/aio/test_notify.py"
    assert float(service["WatchdogSec"]) >= 1.0, "WATCHDOG=1 is told three times in that time"
    program, *options = service["ExecStart"].split()
    assert Path(program).name == "iso15118"
    assert options[:2] == ["secc", "-c"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_piece_of_python_runs(page: Path, tmp_path: Path) -> None:
    for kind, text in blocks(page):
        assert kind in ("python", "console", "toml", "ini", "mermaid"), f"nobody runs {kind}"
        if kind != "python":
            continue
        command = [sys.executable, "-c", text]
        run = subprocess.run(
            command, cwd=tmp_path, env=environment(), capture_output=True, timeout=300.0, check=False
        )
        assert run.returncode == 0, run.stderr.decode()
        assert run.stdout or "print" not in text, "what only defines something is run by its own test"
        assert complaints(run.stderr) == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"], ids=name_of)
def test_every_link_inside_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_has_the_two_commands_and_ten_lines_of_python() -> None:
    readme = ROOT / "README.md"
    assert {"make demo", "make test"} <= set(commands(readme))
    [python] = [text for kind, text in blocks(readme) if kind == "python"]
    assert len(python.splitlines()) <= 10
    assert "iso15118-stack" in readme.read_text(encoding="utf-8")


def test_the_demo_is_the_main_job() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^demo:.*\n\t\$\(BIN\)/(.*)$", makefile, re.MULTILINE)
    assert recipe is not None
    assert recipe.group(1) == "iso15118 loopback --service mcs"
    assert recipe.group(1) in commands(ROOT / "README.md"), "so it is run above"


def test_ci_runs_what_the_readme_says_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    called = [
        found for line in lines if not line.startswith("echo") for found in re.findall(r"^make \w+", line)
    ]
    assert called == ["make test", "make lint"]


def complaints(stderr: bytes) -> list[str]:
    """What a program said, but for how late its event loop was: that is the machine's affair."""
    late = "the event loop did not turn for "
    return [line for line in stderr.decode().splitlines() if late not in line]


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=name_of)
def test_every_example_runs_to_its_end(example: Path, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(example)],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=300.0,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()
    assert complaints(run.stderr) == []
    last = {
        "pair_in_memory": "messages",
        "own_event_loop": "ended: SessionEnded(reason=<EndReason.TIMEOUT",
        "own_hardware": "hardware safe: True",
        "heartbeat": "hardware safe: True",
        "two_inlets": "neither: tried mcs, ccs2; charged at none: 70 %",
    }
    assert last[example.stem] in run.stdout.decode().splitlines()[-1]


@pytest.mark.parametrize("missing", ["cc", "perl", "make", "cargo", "python3"])
def test_a_missing_tool_is_named_before_anything_starts(missing: str, tmp_path: Path) -> None:
    """A path that has every tool but one."""
    for tool in ("cc", "perl", "make", "cargo", "python3", "sed", "tr", "uname", "apt-get"):
        if tool != missing:
            (tmp_path / tool).write_text(f'#!/bin/sh\nexec "{_where(tool)}" "$@"\n')
            (tmp_path / tool).chmod(0o755)
    run = subprocess.run(
        ["/bin/sh", str(ROOT / "tools" / "check-tools.sh")],
        env={"PATH": str(tmp_path), "HOME": os.environ.get("HOME", "/")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith(f"missing: {missing}")
    assert "install" in run.stderr or "rustup" in run.stderr
    assert run.stdout == ""


def _where(tool: str) -> str:
    import shutil

    return sys.executable if tool == "python3" else shutil.which(tool) or "/bin/true"
