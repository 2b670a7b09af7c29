"""The C interface: the example in C on messages of every schema set, and the text of every message the same as `to_json`.

The example is compiled by the system's C compiler against the library that cargo makes of rust/c-abi.
"""

from __future__ import annotations

import ctypes
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from iso15118 import exi
from iso15118.errors import ExiError
from iso15118.exi.codec import tables_of
from tests.exi import second_opinion as second
from tests.exi.deviations import UNDECODABLE
from tests.exi.reference import needs_vectors, octets, vectors

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "c"
LIBRARIES = ROOT / "target" / "release"

OK, INVALID_ARGUMENT, INVALID_TABLES, INVALID_MESSAGE, INVALID_TEXT, BUFFER_TOO_SMALL = range(6)
FRAGMENT, STRICT, OPEN_ARRAYS, ANY_LENGTH = 1, 2, 4, 8


@pytest.fixture(scope="module")
def library() -> Path:
    """The folder with the libraries, built or known to be fresh."""
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--package", "iso15118-exi-c"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    return LIBRARIES


@pytest.fixture(scope="module")
def example(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert (library / "libiso15118_exi_c.a").exists()
    program = tmp_path_factory.mktemp("c") / "decode"
    subprocess.run(["make", "-s", "-C", str(EXAMPLE), f"OUT={program}"], check=True, timeout=120)
    return program


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], check=False, capture_output=True, text=True, timeout=60)


def made(schema: str, fragment: bool, count: int) -> Iterator[exi.Message]:
    """Random messages of the classes that can be a root, each class in turn."""
    source = random.Random(f"c {schema} {fragment}")
    shapes = second.rooted(schema, fragment=fragment)
    for index in range(count):
        yield second.generate(schema, shapes[index % len(shapes)], source)


@pytest.mark.parametrize("schema", exi.SCHEMAS)
def test_the_example_in_c(example: Path, schema: str) -> None:
    tables = str(tables_of(schema))
    fragment = schema == "xmldsig-fragment"
    option = ["--fragment"] if fragment else []
    for message in made(schema, fragment, 6):
        data = exi.encode(schema, message, fragment=fragment)
        done = run(example, *option, tables, data.hex())
        expected = f"{exi.to_json(message, schema=schema)}\nencodes to the same octets\n"
        assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")
        cut = run(example, *option, tables, data[:-1].hex())
        assert (cut.returncode, cut.stdout) == (1, "")
        assert "bit " in cut.stderr


def test_the_example_in_c_refuses_what_is_wrong(example: Path, tmp_path: Path) -> None:
    app = str(tables_of("app"))
    done = run(example, app, "804000")
    assert done.returncode == 1
    assert done.stderr == "supportedAppProtocolRes/SchemaID: the stream ends here (bit 18)\n"
    assert run(example, app, "8040004000").returncode == 3  # one octet too many, which is borne with
    for digits in ("", "8", "8x", "80 4"):
        assert run(example, app, digits).returncode == 2
    assert run(example, app).returncode == 2
    assert run(example, str(tmp_path / "absent.exig"), "80").returncode == 2
    (tmp_path / "broken.exig").write_bytes(tables_of("app").read_bytes()[:-1])
    broken = run(example, str(tmp_path / "broken.exig"), "80")
    assert (broken.returncode, broken.stderr[:23]) == (1, "refused: grammar tables")


class Error(ctypes.Structure):
    _fields_ = (
        ("status", ctypes.c_int),
        ("bit_offset", ctypes.c_int64),
        ("path", ctypes.c_char * 256),
        ("reason", ctypes.c_char * 256),
        ("expected", ctypes.c_char * 256),
    )


class CCodec:
    """The C interface by ctypes."""

    def __init__(self, library: Path, schema: str) -> None:
        self._c = ctypes.CDLL(str(library / "libiso15118_exi_c.so"))
        self._c.iso15118_exi_name.restype = ctypes.c_char_p
        self._codec = ctypes.c_void_p()
        self.error = Error()
        tables = tables_of(schema).read_bytes()
        status = self._c.iso15118_exi_load(
            tables, ctypes.c_size_t(len(tables)), 0, ctypes.byref(self._codec), ctypes.byref(self.error)
        )
        assert status == OK
        assert self._c.iso15118_exi_name(self._codec) == schema.encode()
        self._room = ctypes.create_string_buffer(1 << 20)

    def decode(self, data: bytes, flags: int) -> tuple[int, str]:
        length = ctypes.c_size_t()
        status = self._c.iso15118_exi_decode(
            self._codec, data, ctypes.c_size_t(len(data)), flags, self._room, ctypes.c_size_t(len(self._room)),
            ctypes.byref(length), None, ctypes.byref(self.error),
        )  # fmt: skip
        return status, self._room.raw[: length.value].decode() if status == OK else ""

    def encode(self, text: str, flags: int) -> tuple[int, bytes]:
        length, written = ctypes.c_size_t(), text.encode()
        status = self._c.iso15118_exi_encode(
            self._codec, written, ctypes.c_size_t(len(written)), flags, self._room,
            ctypes.c_size_t(len(self._room)), ctypes.byref(length), ctypes.byref(self.error),
        )  # fmt: skip
        return status, self._room.raw[: length.value] if status == OK else b""

    def close(self) -> None:
        self._c.iso15118_exi_free(self._codec)


@pytest.mark.parametrize("schema", exi.SCHEMAS)
def test_the_text_is_that_of_to_json(library: Path, schema: str) -> None:
    codec = CCodec(library, schema)
    for fragment in (False, True):
        flags = FRAGMENT if fragment else 0
        if not second.rooted(schema, fragment=fragment):
            continue
        for message in made(schema, fragment, 150):
            data = exi.encode(schema, message, fragment=fragment)
            status, text = codec.decode(data, flags | STRICT)
            assert (status, text.partition(": ")[2]) == (
                OK,
                exi.to_json(message, schema=schema).partition(": ")[2],
            )
            # Of several elements with one class, Python takes the first; C says which one it was.
            again = exi.from_json(schema, text, fragment=fragment)
            assert again == message
            assert codec.encode(text, flags) == (OK, data)
    codec.close()


@needs_vectors
def test_public_vectors_decode_as_in_python(library: Path) -> None:
    codecs = {schema: CCodec(library, schema) for schema in exi.SCHEMAS}
    refused, same = set(), 0
    for row in vectors():
        schema, data, flags = row["schema"], octets(row), FRAGMENT if row["fragment"] else 0
        try:
            message = exi.decode(schema, data, fragment=row["fragment"])
        except ExiError:
            message = None
        status, text = next(
            (found for more in (0, ANY_LENGTH, OPEN_ARRAYS, OPEN_ARRAYS | ANY_LENGTH)
             if (found := codecs[schema].decode(data, flags | more))[0] == OK),
            (INVALID_MESSAGE, ""),
        )  # fmt: skip
        assert (status == OK) == (message is not None)
        if message is None:
            refused.add(row["id"])
            continue
        same += 1
        assert text.partition(": ")[2] == exi.to_json(message, schema=schema).partition(": ")[2]
    assert same > 1700
    assert refused == set(UNDECODABLE)
    for codec in codecs.values():
        codec.close()
