"""Values of a class that has the name of the right one: the text says which class that is, and how to
mend it."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.aio.ports import readings
from iso15118.errors import HardwareError
from iso15118.session.events import MeterRead, PowerMeasured


def lookalike(name: str, module: str) -> Any:
    return type(name, (), {"__module__": module})()


@pytest.mark.parametrize("name", ["bool", "bool_"])
def test_a_bool_of_a_numeric_library_is_named_with_its_module(name: str) -> None:
    value = lookalike(name, "numpy")
    words = f"numpy.{name}, not Python's own True or False: return bool\\(...\\)"
    with pytest.raises(HardwareError, match=f"contactors.closed is {words}"):
        readings.level(value, "contactors")
    assert readings.no_flag(value) == f"numpy.{name}, not Python's own True or False: return bool(...)"
    assert readings.no_flag(5) == "int, not True or False"
    with pytest.raises(HardwareError, match=r"contactors\.closed is int, not bool"):
        readings.level(1, "contactors")


@pytest.mark.parametrize(
    ("kind", "read", "port"),
    [(PowerMeasured, readings.output, "power.present"), (MeterRead, readings.meter, "meter.read")],
)
def test_a_class_of_ones_own_with_the_same_name_is_named_with_its_module(
    kind: type, read: Any, port: str
) -> None:
    with pytest.raises(HardwareError) as raised:
        read(
            lookalike(kind.__name__, "mycharger.types"),
            port.partition(".")[0] if read is readings.output else port,
        )
    wanted = f"iso15118.session.events.{kind.__name__}: import that one"
    assert str(raised.value) == f"{port} is mycharger.types.{kind.__name__}, not {wanted}"
