"""What is mutated, which tests may kill, and where the tool keeps what it found: here, or in
a toy that tests the tool."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["HERE", "ROOT", "Project", "digest"]

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Project:
    """Paths below ``root``, as they are written in every output."""

    root: Path
    sources: tuple[str, ...]
    tests: tuple[str, ...]
    preload: tuple[str, ...] = ()
    """Modules below the sources, which no mutant changes: they are imported once."""
    warm: tuple[str, ...] = ()
    """Functions without arguments that keep what is expensive to make, such as keys: called once."""
    everywhere: tuple[str, ...] = ()
    """Test modules that look at what is made at import, whoever makes it: no line of it runs in them."""

    apart: tuple[str, ...] = ()
    """Test modules that start programs, which no mutant reaches: it is in the memory of one process."""

    @property
    def cache(self) -> Path:
        """Built, and never committed."""
        return self.root / "target" / "mutation"

    def files(self) -> list[str]:
        """The source files that can be mutated."""
        found: set[Path] = set()
        for place in self.sources:
            path = self.root / place
            found |= {path} if path.suffix == ".py" else set(path.rglob("*.py"))
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def test_files(self) -> list[str]:
        """The modules with tests that may kill a mutant."""
        found = {path for place in self.tests for path in (self.root / place).rglob("test_*.py")}
        names = (path.relative_to(self.root).as_posix() for path in found)
        return sorted(name for name in names if name not in self.apart)

    def read(self, file: str) -> bytes:
        return (self.root / file).read_bytes()

    def test_hashes(self) -> dict[str, str]:
        """The digest of each test module: whoever survived the ones of yesterday is tried
        again with those of today."""
        return {name: digest([self.read(name)]) for name in self.test_files()}


def digest(parts: Iterable[bytes]) -> str:
    made = hashlib.sha256()
    for part in parts:
        made.update(hashlib.sha256(part).digest())
    return made.hexdigest()[:12]


HERE = Project(
    root=ROOT,
    sources=("iso15118/energy", "iso15118/secc", "iso15118/evcc", "iso15118/session", "iso15118/aio"),
    tests=tuple(
        f"tests/{room}"
        for room in (
            "secc",
            "evcc",
            "supervision",
            "pair",
            "connector",
            "simulation",
            "unit",
            "aio",
            "energy",
        )
    ),
    preload=(
        "cryptography.x509",
        "hypothesis",
        "lxml.etree",
        "iso15118.channel",
        "iso15118.exi",
        "iso15118.messages.iso20.dc",
        "iso15118.pki",
        "iso15118.tls",
    ),
    warm=("tests.tls.rig:issued", "tests.aio.site:secc_tls", "tests.aio.site:evcc_tls"),
    everywhere=(
        "tests/aio/test_numbers_at_their_values.py",
        "tests/secc/test_neutral_answers.py",
        "tests/secc/test_stages.py",
        "tests/unit/test_declared_defaults.py",
        "tests/unit/test_defaults.py",
        "tests/unit/test_moved.py",
        "tests/unit/test_tables_at_their_values.py",
    ),
    apart=("tests/aio/misuse/test_misuse.py", "tests/aio/test_output.py", "tests/secc/test_diagrams.py"),
)
"""The sessions and their drivers. Tests that start other programs see no mutant and are not among these."""
