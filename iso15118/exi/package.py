"""A schema set from the folder that ``iso15118 codegen`` wrote, wherever it lies.

Where the folder is on Python's path, importing it does the same; this is for tools that are told a folder.
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from iso15118.errors import ExiError

__all__ = ["load_package"]


def load_package(folder: Path) -> str:
    """Import the package in ``folder``, which registers its schema set; returns the set's name.

    Importing runs the code in the folder, so it has to be one's own. Raises ExiError if the folder is none
    that ``iso15118 codegen`` wrote, or if another package or schema set has its name.
    """
    folder = folder.resolve()
    name, source = folder.name, folder / "__init__.py"
    if not source.is_file() or not (folder / f"{name}.exig").is_file():
        raise ExiError(
            f"{folder} holds no schema set",
            expected=f"__init__.py and {name}.exig, as iso15118 codegen writes them",
        )
    known = sys.modules.get(name)
    if known is None:
        spec = spec_from_file_location(name, source, submodule_search_locations=[str(folder)])
        if spec is None or spec.loader is None:
            raise ExiError(f"{folder} cannot be imported")
        # The tables name their classes by package and module, so it has to be found under its name.
        known = sys.modules[name] = module_from_spec(spec)
        try:
            spec.loader.exec_module(known)
        except Exception as error:
            del sys.modules[name]
            if isinstance(error, ExiError):
                raise
            raise ExiError(f"{folder} cannot be imported: {error}") from error
    if getattr(known, "__file__", None) != str(source):
        raise ExiError(f"there is a Python package {name} already", expected="a folder with another name")
    return str(known.SCHEMA)
