"""A schema of somebody else becomes a package whose messages decode and encode at once, or is
refused with file and line."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from iso15118 import exi
from iso15118.codegen.model import SchemaError
from iso15118.codegen.vendor import compile_package
from iso15118.errors import ExiError
from iso15118.exi import codec, structure
from tests.cli.rig import iso15118

SCHEMAS = Path(__file__).parent / "schemas"


@pytest.fixture(autouse=True)
def left_as_it_was(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Packages are importable from the test's folder, and forgotten after it, as are the
    sets that they registered."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(codec, "_registered", {})
    monkeypatch.setattr(codec, "_codecs", dict(codec._codecs))
    modules = set(sys.modules)
    yield
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in ("depot_messages", "everything", "notes", "broken"):
            del sys.modules[name]
    structure.structure.cache_clear()


def made(name: str, schema: str, folder: Path) -> ModuleType:
    compile_package(SCHEMAS / schema, folder / name)
    importlib.invalidate_caches()
    return importlib.import_module(name)


def test_a_vendor_schema_is_usable_at_once(tmp_path: Path) -> None:
    printed = iso15118("codegen", str(SCHEMAS / "depot.xsd"), "--out", str(tmp_path / "depot_messages"))
    assert (printed.status, printed.err) == (0, "")
    assert sorted(Path(line).name for line in printed.out.splitlines()) == [
        "__init__.py", "base.py", "depot.py", "depot_messages.exig",
    ]  # fmt: skip
    importlib.invalidate_caches()
    assert importlib.import_module("depot_messages").SCHEMA == "depot"
    depot = importlib.import_module("depot_messages.depot")
    zone = depot.Zone(heated=True, name="front", temperature=21)
    request = depot.PreconditioningReq(vehicle=bytes(6), zone=(zone,) * 4, departure=1_700_000_000)
    octets = exi.encode("depot", request)
    assert exi.decode("depot", octets) == request
    assert exi.from_xml("depot", exi.to_xml(request)) == request
    assert exi.from_json("depot", exi.to_json(request)) == request
    response = depot.PreconditioningRes(vehicle=bytes(6), outcome=depot.Outcome("Too late"))
    # Two global elements and SE(*): two bits. SE(Vehicle), CH, six octets, EE,
    # SE(Outcome), CH, two bits, EE, EE.
    bits = "10000000" + "01" + "0" + "0" + "00000110" + "0" * 48 + "0" + "0" + "0" + "01" + "0" + "0"
    bits += "0" * (-len(bits) % 8)
    assert exi.encode("depot", response) == int(bits, 2).to_bytes(len(bits) // 8, "big")
    with pytest.raises(ExiError, match="51"):
        exi.encode(
            "depot", depot.PreconditioningReq(vehicle=bytes(6), zone=(depot.Zone(name="", temperature=51),))
        )


def everything(module: Any, **changes: Any) -> Any:
    types = module.Types(
        long=-(2**63), unsigned_long=2**64 - 1, unsigned_int=2**32 - 1, unsigned_short=7, byte=-128, integer=-(2**100),
        positive=1, percent=100, hex=b"\x00\xff", base64=b"1234", colour=module.Colour("class"),
        text=module.Text(language="de", value="gr\u00fcn"),
    )  # fmt: skip
    values = {
        "optional": "urn:x", "required": "id1", "types": types, "at_least_two": (1, 2), "any_number": ("a", ""),
        "way": module.Right(angle=-90), "word": "left", "remark": "or right",
        "items": (module.Step(value=3), module.Left(), module.Step(value=4)),
        "first": (True, False, True), "second": (False,),
        "shape": (module.Circle(radius=1), module.Square(side=2)), "inline": module.Inline(inner="x"),
        "open": module.Open(known="k"),
    }  # fmt: skip
    return module.Everything(**{**values, **changes})


def test_every_supported_construct(tmp_path: Path) -> None:
    made("everything", "every_construct.xsd", tmp_path)
    module: Any = importlib.import_module("everything.every")
    for message in (
        everything(module),
        everything(
            module, word=None, remark=None, number=-5, way=None, items=(), first=(), second=(), open=None
        ),
        everything(
            module, at_least_two=(1, 2, 3, 4, 5), any_number=("x",) * 100, way=module.Left(), optional=None
        ),
        module.Nothing(
            **{name: getattr(everything(module), name) for name in module.Nothing.__struct_fields__}
        ),
    ):
        octets = exi.encode("every_construct", message)
        assert exi.decode_with_notes("every_construct", octets) == (message, [])
        assert exi.from_xml("every_construct", exi.to_xml(message)) == message
        assert exi.from_json("every_construct", exi.to_json(message)) == message
    for wrong in (
        {"at_least_two": (1,)},
        {"shape": ()},
        {"number": 5},
        {"inline": module.Inline(inner="x" * 9)},
    ):
        with pytest.raises(ExiError):
            exi.encode("every_construct", everything(module, **wrong))


def test_a_global_element_of_simple_type_is_a_document_and_a_fragment(tmp_path: Path) -> None:
    """Each has a class with one field. A local one has none: it stands in its
    message, or is refused by name."""
    made("notes", "notes.xsd", tmp_path)
    notes: Any = importlib.import_module("notes.notes")
    for message, text in (
        (notes.Note(value="gr\u00fcn"), '{"Note": "gr\u00fcn"}'),
        (notes.Level(value=100), '{"Level": 100}'),
        (notes.Stop(value=notes.Reason.fault), '{"Stop": "fault"}'),
        (notes.Seal(value=b"\x0a\xff"), '{"Seal": "0AFF"}'),
    ):
        assert exi.to_json(message) == text
        for fragment in (False, True):
            octets = exi.encode("notes", message, fragment=fragment)
            assert exi.decode("notes", octets, fragment=fragment, strict=True) == message
            assert exi.from_json("notes", text, fragment=fragment) == message
            assert exi.from_xml("notes", exi.to_xml(message), fragment=fragment) == message
    # Box, Level, Note, Seal, Stop and SE(*): three bits. Level: CH, seven bits, EE.
    assert exi.encode("notes", notes.Level(value=100)) == bytes([0x80, 0b001_0_1100, 0b100_0_0000])
    # Box, Count, Level, Note, Seal, Stop, SE(*), ED: three bits. Count: CH, sign, an octet, EE, then ED.
    count = bytes([0x80, 0b001_0_0_000, 0b00101_0_11, 0b1_0000000])
    with pytest.raises(ExiError, match="bare value"):
        exi.decode("notes", count, fragment=True)


def test_the_command_takes_the_folder_of_a_package(tmp_path: Path) -> None:
    folder = tmp_path / "depot_messages"
    assert iso15118("codegen", str(SCHEMAS / "depot.xsd"), "--out", str(folder)).status == 0
    text = '{"PreconditioningRes": {"Vehicle": "000102030405", "Outcome": "Too late"}}'
    (tmp_path / "message.json").write_text(text)
    encoded = iso15118("exi", "encode", "--schema", str(folder), str(tmp_path / "message.json"))
    assert (encoded.status, encoded.err) == (0, "")
    decoded = iso15118("exi", "decode", "--schema", f"{folder}/", "--json", encoded.out.strip())
    assert (decoded.status, decoded.out, decoded.err) == (0, f"{text}\n", "")
    other = encoded.out.replace("00010203", "00010204").strip()
    assert iso15118("exi", "diff", "--schema", str(folder), encoded.out.strip(), other).status == 1
    # In a process of its own, where nothing was imported before.
    command = [
        sys.executable,
        "-m",
        "iso15118",
        "exi",
        "decode",
        "--schema",
        folder.name,
        "--json",
        encoded.out.strip(),
    ]
    alone = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=60)
    assert alone.stdout == decoded.out


def test_folders_that_are_no_package_are_refused(tmp_path: Path) -> None:
    def refusal(folder: Path) -> str:
        return iso15118("exi", "decode", "--schema", str(folder), "80").refusal

    assert "holds no schema set" in refusal(tmp_path)
    compile_package(SCHEMAS / "depot.xsd", tmp_path / "json")
    assert "package json already" in refusal(tmp_path / "json")
    compile_package(SCHEMAS / "depot.xsd", tmp_path / "broken", name="iso2")
    assert "already" in refusal(tmp_path / "broken")
    (tmp_path / "broken" / "broken.exig").write_bytes(b"V2GEXI")
    assert "grammar tables" in refusal(tmp_path / "broken")
    (tmp_path / "broken" / "__init__.py").write_text("import absent_module_of_nobody\n")
    assert "cannot be imported" in refusal(tmp_path / "broken")


def test_generated_packages_pass_the_type_checker(tmp_path: Path) -> None:
    from mypy import api

    for name, schema in (("depot_messages", "depot.xsd"), ("everything", "every_construct.xsd")):
        compile_package(SCHEMAS / schema, tmp_path / name)
        out, _, status = api.run(
            ["--strict", "--no-error-summary", f"--cache-dir={tmp_path}/cache", str(tmp_path / name)]
        )
        assert status == 0, out


@pytest.mark.parametrize(
    ("line", "body", "reason"),
    [
        (3, '<simpleType name="a">\n<restriction base="string"><pattern value="x"/></restriction></simpleType>', "pattern"),
        (2, '<group name="g"/>', "xs:group"),
        (3, '<complexType name="A">\n<all/></complexType>', "all"),
        (2, '<element name="a" type="decimal"/>', "xs:decimal"),
        (2, '<element name="a" type="t:b"/>', "no type b"),
        (2, '<element name="a" type="int" fixed="1"/>', "fixed"),
        (3, '<complexType name="A"><sequence>\n<element name="a" type="int" maxOccurs="x"/></sequence></complexType>', "no number"),
        (3, '<complexType name="A"><sequence>\n<element name="a" type="int" colour="x"/></sequence></complexType>', "colour"),
        (3, '<element name="a" type="int"/>\n<element name="a" type="int"/>', "a second element a"),
        (2, '<import namespace="urn:x" schemaLocation="none.xsd"/>', "none.xsd"),
        (3, '\n<element name="a" type="t:A"/><complexType name="A"><sequence><element name="b" type="int" minOccurs="0"/>'
            '<element name="b" type="int"/></sequence></complexType>', "ambiguous"),
    ],
)  # fmt: skip
def test_refusals_name_file_and_line(tmp_path: Path, line: int, body: str, reason: str) -> None:
    path = tmp_path / "wrong.xsd"
    head = '<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t">'
    path.write_text(f"{head}\n{body}</schema>")
    with pytest.raises(SchemaError, match=reason) as refused:
        compile_package(path, tmp_path / "wrong")
    assert refused.value.where == f"wrong.xsd:{line}"
    assert f"wrong.xsd:{line}: " in iso15118("codegen", str(path), "--out", str(tmp_path / "wrong")).refusal
    assert not (tmp_path / "wrong").exists()


def test_names_that_are_taken_or_impossible_are_refused(tmp_path: Path) -> None:
    compile_package(SCHEMAS / "depot.xsd", tmp_path / "depot_messages", name="iso2")
    with pytest.raises(ExiError, match="already"):
        exi.register(tmp_path / "depot_messages" / "depot_messages.exig")
    with pytest.raises(SchemaError, match="no name for a Python package"):
        compile_package(SCHEMAS / "depot.xsd", tmp_path / "my-messages")
    with pytest.raises(ExiError, match=r"absent\.exig"):
        exi.register(tmp_path / "absent.exig")
