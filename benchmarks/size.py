"""How large the package is: what a wheel holds, compressed as a wheel is, and the grammar
tables as they lie in memory.

Nothing is built: the native module is the one in use, with OpenSSL in it unless it was built otherwise; it is
stripped of its symbols first, as in a wheel.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import iso15118
from iso15118 import _native, exi
from iso15118.exi.codec import tables_of

from .figure import Figure, Scale

__all__ = ["run"]

_PACKAGE = Path(iso15118.__file__).parent
_NATIVE = Path(_native.__file__)


def run(scale: Scale) -> Iterator[Figure]:
    """The wheel and its parts; the tables. The same however often it is measured."""
    del scale
    native = _stripped(_NATIVE)
    tables = {path: path.read_bytes() for path in map(tables_of, exi.SCHEMAS)}
    others = {
        path: path.read_bytes()
        for path in sorted(_PACKAGE.rglob("*"))
        if path.is_file()
        and path.suffix not in (".so", ".pyd", ".pyc", ".exig")
        and "__pycache__" not in path.parts
    }
    parts = {
        "native": _zipped({_NATIVE: native}),
        "tables": _zipped(tables),
        "python": _zipped(others),
    }
    yield Figure(
        figure="wheel-size",
        case="with the TLS library in it",
        value=_zipped({_NATIVE: native, **tables, **others}) / 1e6,
        unit="MB",
        aim=6.0,
        details={
            **{f"{name}_kb": round(size / 1e3) for name, size in parts.items()},
            "native_unpacked_kb": round(len(native) / 1e3),
            "files": 1 + len(tables) + len(others),
        },
    )
    sizes = {path.stem: len(content) for path, content in tables.items()}
    yield Figure(
        figure="tables-size",
        case="all schema sets",
        value=sum(sizes.values()) / 1e3,
        unit="kB",
        aim=400.0,
        details={
            "sets": len(sizes),
            "largest": max(sizes, key=lambda one: sizes[one]),
            "zipped_kb": round(parts["tables"] / 1e3),
        },
    )


def _stripped(module: Path) -> bytes:
    strip = shutil.which("strip")
    if strip is None:
        return module.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / module.name
        subprocess.run([strip, "-o", str(copy), str(module)], check=True)  # noqa: S603 - on a copy of our own
        return copy.read_bytes()


def _zipped(files: dict[Path, bytes]) -> int:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path.relative_to(_PACKAGE.parent).as_posix(), content)
    return len(packed.getvalue())
