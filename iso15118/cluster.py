"""A Dask cluster that its user names: the one place that knows the package ``distributed``, which is
loaded when one is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from iso15118.errors import ConfigError

__all__ = ["cluster"]

_PATIENCE_S: Final = 10.0
"""For a scheduler to answer."""


@contextmanager
def cluster(address: str, *, extra: str) -> Iterator[Any]:
    """A ``distributed.Client`` of the scheduler at ``address``, such as ``tcp://host:8786``.

    Raises ConfigError without ``distributed``, which is in ``extra`` of this package, or if nobody
    answers there in ten seconds.
    """
    try:
        import distributed
    except ImportError as error:
        raise ConfigError(
            "--dask", "the package distributed is not installed", f"pip install 'iso15118-stack[{extra}]'"
        ) from error
    connect: Any = distributed.Client  # without types
    try:
        client = connect(address, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            "--dask",
            f"no scheduler at {address!r}: {error}",
            "dask scheduler prints its address, tcp://host:8786",
        ) from error
    with client:
        yield client
