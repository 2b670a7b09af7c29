"""The steps of a build in order: read the schemas, shape the classes, emit classes and tables."""

from __future__ import annotations

from pathlib import Path

from .classes import emit_modules
from .reader import read_schema_set
from .sets import PACKAGE, SCHEMAS, SETS, TABLES, SetDefinition
from .shape import Shapes
from .tables import compile_tables


def shapes_of(definition: SetDefinition, *, published: Path | None = None) -> Shapes:
    """The classes of one set, from our schemas or from the published ones in a folder."""
    files = (
        [SCHEMAS / one for one in definition.files]
        if published is None
        else [published / one for one in definition.published]
    )
    return Shapes(read_schema_set(definition.name, files), alone=definition.alone)


def generate() -> dict[Path, bytes]:
    """Every generated file of the project with its content."""
    shapes = [shapes_of(one) for one in SETS]
    files = {
        PACKAGE.parent / f"{name.replace('.', '/')}.py": text.encode()
        for name, text in emit_modules(shapes).items()
    }
    files |= {TABLES / f"{one.schema.name}.exig": compile_tables(one) for one in shapes}
    return files


def write(files: dict[Path, bytes]) -> list[Path]:
    """Write what changed; returns the files written."""
    changed = []
    for path, content in files.items():
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            changed.append(path)
    return changed


def compare(published: Path) -> dict[str, bool]:
    """For every published set: whether our schema compiles to the same tables, byte for byte."""
    return {
        one.name: compile_tables(shapes_of(one)) == compile_tables(shapes_of(one, published=published))
        for one in SETS
        if one.published
    }
