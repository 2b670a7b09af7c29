"""The engine without an operating system: rust/firmware decodes and encodes as a program
without libc, and on a Cortex-M4.

The first runs wherever this processor is an x86-64 under Linux. The second needs a target of the
Rust tool chain (``rustup target add thumbv7em-none-eabihf``) and, to run, QEMU (Debian:
qemu-system-arm); what is missing is said.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CRATE = ROOT / "rust" / "firmware"
TARGETS = ROOT / "target" / "firmware"
CORTEX_M4 = "thumbv7em-none-eabihf"
NAME = "iso15118-exi-firmware"
SAID = r"decoded and encoded; octets of memory for the tables: (\d+), at most: (\d+)\n"


def cargo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["cargo", "build", "--release", "--locked", "--quiet", "--target-dir", str(TARGETS), *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
        env={key: value for key, value in os.environ.items() if key != "RUSTFLAGS"},
    )


def has_target() -> bool:
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], check=True, capture_output=True, text=True)
    return (Path(sysroot.stdout.strip()) / "lib" / "rustlib" / CORTEX_M4).exists()


needs_target = pytest.mark.skipif(not has_target(), reason=f"no Rust target: rustup target add {CORTEX_M4}")


def segments(program: Path) -> set[int]:
    """Types of the program headers of a 64-bit ELF file."""
    data = program.read_bytes()
    (start,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    return {struct.unpack_from("<I", data, start + index * size)[0] for index in range(count)}


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="the program makes the system calls of Linux on x86-64 itself",
)
def test_without_libc_on_this_machine() -> None:
    cargo(CRATE)
    program = TARGETS / "release" / NAME
    dynamic, interpreter = 2, 3
    assert not segments(program) & {dynamic, interpreter}
    done = subprocess.run([program], check=False, capture_output=True, text=True, timeout=60)
    said = re.fullmatch(SAID, done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert said is not None
    assert int(said[2]) < 256 * 1024


@needs_target
@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="no qemu-system-arm")
def test_on_a_cortex_m4() -> None:
    cargo(CRATE, "--target", CORTEX_M4)
    machine = [
        "qemu-system-arm",
        "-machine",
        "mps2-an386",
        "-nographic",
        "-monitor",
        "none",
        "-serial",
        "none",
    ]
    program = TARGETS / CORTEX_M4 / "release" / NAME
    done = subprocess.run(
        [*machine, "-semihosting-config", "enable=on,target=native", "-kernel", str(program)],
        check=False, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    said = re.search(SAID, done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert said is not None
    assert int(said[2]) < 128 * 1024


@needs_target
def test_the_c_library_for_a_cortex_m4() -> None:
    cargo(ROOT, "--package", "iso15118-exi-c", "--no-default-features", "--target", CORTEX_M4)
    library = (TARGETS / CORTEX_M4 / "release" / "libiso15118_exi_c.a").read_bytes()
    for function in ("load", "free", "name", "decode", "encode"):
        assert f"iso15118_exi_{function}".encode() in library
