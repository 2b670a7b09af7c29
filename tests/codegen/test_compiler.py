"""The rules of the grammar on small schemas of one purpose each, and the refusal of what
the compiler does not know."""

from __future__ import annotations

from pathlib import Path

import pytest

from iso15118.codegen.grammar import Event, Loop, State, build
from iso15118.codegen.model import QName, SchemaError
from iso15118.codegen.reader import read_schema_set
from iso15118.codegen.sets import MODULES
from iso15118.codegen.shape import FieldKind, Shape, Shapes
from iso15118.codegen.tables import compile_tables, unsigned, zigzag

URI = "urn:test"


@pytest.fixture(autouse=True)
def module_for_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODULES, URI, "tests.no_such_module")


def compile_text(folder: Path, body: str) -> Shapes:
    path = folder / "test.xsd"
    path.write_text(
        f'<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:t="{URI}" targetNamespace="{URI}"'
        f' elementFormDefault="qualified">{body}</schema>'
    )
    return Shapes(read_schema_set("test", [path]))


def compile_type(folder: Path, content: str, more: str = "") -> tuple[Shape, State]:
    shapes = compile_text(
        folder, f'<element name="R" type="t:RType"/><complexType name="RType">{content}</complexType>{more}'
    )
    one = next(item for item in shapes.by_type.values() if item.name == "R")
    assert compile_tables(shapes)
    return one, build(shapes, one)


def codes(state: State) -> list[str]:
    """The productions of a state in the order of their codes."""
    return [one.name.local or one.name.uri or one.event.name for one in state.productions]


def after(state: State, name: str) -> State:
    found = next(one for one in state.productions if one.name.local == name).next
    assert isinstance(found, State)
    return found


def loop(state: State, name: str) -> Loop:
    found = next(one for one in state.productions if one.name.local == name).next
    assert isinstance(found, Loop)
    return found


def test_optional_elements_keep_schema_order(tmp_path: Path) -> None:
    shape, state = compile_type(
        tmp_path,
        '<sequence><element name="z" type="int" minOccurs="0"/><element name="a" type="int" minOccurs="0"/>'
        '<element name="m" type="int"/></sequence>',
    )
    assert codes(state) == ["z", "a", "m"]
    assert codes(after(state, "a")) == ["m"]
    assert codes(after(state, "m")) == ["END"]
    assert [(field.name, field.optional) for field in shape.fields] == [
        ("z", True),
        ("a", True),
        ("m", False),
    ]


def test_attributes_are_sorted_and_required_ones_stand_alone(tmp_path: Path) -> None:
    _, state = compile_type(
        tmp_path,
        '<sequence><element name="e" type="int"/></sequence><attribute name="c" type="string"/>'
        '<attribute name="b" type="string" use="required"/><attribute name="a" type="string"/>',
    )
    assert codes(state) == ["a", "b"]
    assert codes(after(state, "a")) == ["b"]
    assert codes(after(state, "b")) == ["c", "e"]


def test_repeated_elements_are_counted(tmp_path: Path) -> None:
    _, state = compile_type(
        tmp_path,
        '<sequence><element name="e" type="int" minOccurs="2" maxOccurs="5"/><element name="f" type="int"/></sequence>',
    )
    assert codes(state) == ["e"]
    entered = loop(state, "e")
    assert (entered.entering, entered.minimum, entered.maximum) == (True, 2, 5)
    assert codes(entered.below) == ["e"]
    assert codes(entered.within) == ["e", "f"]
    assert codes(entered.at_max) == ["f"]
    assert not loop(entered.within, "e").entering


def test_an_unbounded_element_never_fills_up(tmp_path: Path) -> None:
    shape, state = compile_type(
        tmp_path, '<sequence><element name="e" type="int" minOccurs="0" maxOccurs="unbounded"/></sequence>'
    )
    assert codes(state) == ["e", "END"]
    assert loop(state, "e").maximum == 0
    assert shape.fields[0].repeated


def test_a_bounded_group_is_unrolled(tmp_path: Path) -> None:
    _, state = compile_type(
        tmp_path,
        '<sequence minOccurs="1" maxOccurs="3"><element name="a" type="int"/><element name="b" type="int" minOccurs="0"/></sequence>',
    )
    assert codes(state) == ["a"]
    first = after(state, "a")
    assert codes(first) == ["b", "a", "END"]
    assert codes(after(first, "b")) == ["a", "END"]
    second = after(after(first, "b"), "a")
    assert codes(second) == ["b", "a", "END"]
    third = after(second, "a")
    assert codes(third) == ["b", "END"]
    assert codes(after(third, "b")) == ["END"]


def test_an_unbounded_group_is_a_cycle(tmp_path: Path) -> None:
    _, state = compile_type(
        tmp_path,
        '<sequence maxOccurs="unbounded"><element name="a" type="int"/><element name="b" type="int"/></sequence>',
    )
    assert codes(state) == ["a"]
    behind = after(after(state, "a"), "b")
    assert codes(behind) == ["a", "END"]
    assert after(behind, "a") is after(state, "a")


def test_the_head_of_a_substitution_group_keeps_a_code(tmp_path: Path) -> None:
    shape, state = compile_type(
        tmp_path,
        '<sequence><element ref="t:Head"/></sequence>',
        '<element name="Head" type="t:HeadType"/><complexType name="HeadType" abstract="true"/>'
        '<element name="Zeta" type="t:ZetaType" substitutionGroup="t:Head"/>'
        '<complexType name="ZetaType"><complexContent><extension base="t:HeadType"/></complexContent></complexType>'
        '<element name="Alpha" type="t:AlphaType" substitutionGroup="t:Zeta"/>'
        '<complexType name="AlphaType"><complexContent><extension base="t:ZetaType"/></complexContent></complexType>',
    )
    assert codes(state) == ["Alpha", "Head", "Zeta"]
    assert [one.event for one in state.productions] == [Event.STRUCT, Event.ABSTRACT, Event.STRUCT]
    assert [field.name for field in shape.fields] == ["head"]


def test_wildcards_stand_behind_elements_and_text_behind_the_end(tmp_path: Path) -> None:
    path = tmp_path / "mixed.xsd"
    path.write_text(
        f'<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:t="{URI}" targetNamespace="{URI}" elementFormDefault="qualified">'
        '<element name="R" type="t:RType"/><complexType name="RType" mixed="true"><sequence>'
        '<any namespace="##other" minOccurs="0" maxOccurs="unbounded"/><element name="e" type="int" minOccurs="0"/>'
        '</sequence><attribute name="a" type="string"/></complexType></schema>'
    )
    shapes = Shapes(read_schema_set("test", [path]))
    shape = next(iter(shapes.by_type.values()))
    state = build(shapes, shape)
    assert codes(state) == ["a", "e", "##any", "END", "UNTYPED"]
    assert codes(after(state, "a")) == ["e", "##any", "END", "UNTYPED"]


def test_extension_appends_to_the_base(tmp_path: Path) -> None:
    shape, state = compile_type(
        tmp_path,
        '<complexContent><extension base="t:BaseType"><sequence><element name="own" type="int"/></sequence></extension></complexContent>',
        '<complexType name="BaseType" abstract="true"><sequence><element name="base" type="int"/></sequence></complexType>',
    )
    assert [field.name for field in shape.fields] == ["base", "own"]
    assert codes(state) == ["base"]
    assert codes(after(state, "base")) == ["own"]


def test_simple_content_is_attributes_then_characters(tmp_path: Path) -> None:
    shape, state = compile_type(
        tmp_path,
        '<simpleContent><extension base="string"><attribute name="Id" type="ID"/></extension></simpleContent>',
    )
    assert codes(state) == ["Id", "CHARACTERS"]
    assert [field.kind for field in shape.fields] == [FieldKind.ATTRIBUTE, FieldKind.TEXT]


def test_a_choice_of_classes_is_one_field_and_of_values_one_each(tmp_path: Path) -> None:
    shape, _ = compile_type(
        tmp_path,
        '<sequence><choice><element name="One_Mode" type="t:OneType"/><element name="Two_Mode" type="t:TwoType"/></choice>'
        '<choice><element name="x" type="int"/><element name="y" type="string"/></choice></sequence>',
        '<complexType name="OneType"/><complexType name="TwoType"/>',
    )
    assert [(field.name, field.optional, field.alias) for field in shape.fields] == [
        ("mode", False, "Mode"),
        ("x", True, ""),
        ("y", True, ""),
    ]


def test_a_document_type_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    path = tmp_path / "test.xsd"
    path.write_text(
        f'<!DOCTYPE schema SYSTEM "http://192.0.2.1/x.dtd" [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
        f'<schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="{URI}">'
        "<annotation><documentation>&e;</documentation></annotation></schema>"
    )
    assert "secret" not in read_schema_set("test", [path]).docs[URI]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('<group name="g"/>', "xs:group"),
        ('<complexType name="A"><all/></complexType>', "attribute|all"),
        ('<element name="a" type="decimal"/>', "xs:decimal"),
        ('<element name="a" type="t:none"/>', "no type none"),
        ('<element name="a" type="int" nillable="true"/>', "nillable"),
        ('<element name="a"/>', "no type"),
        ('<import namespace="urn:x"/>', "without schemaLocation"),
        ('<simpleType name="a"><list itemType="int"/></simpleType>', "only xs:restriction"),
        (
            '<simpleType name="a"><restriction base="string"><pattern value="x"/></restriction></simpleType>',
            "xs:pattern",
        ),
        (
            '<complexType name="A"><complexContent><restriction base="t:B"/></complexContent></complexType>',
            "extension",
        ),
        (
            '<complexType name="A"><complexContent><extension base="t:A"/></complexContent></complexType>',
            "extends itself",
        ),
        (
            '<complexType name="A"><sequence><element ref="t:x"/></sequence></complexType>',
            "no global element",
        ),
        ('<complexType name="A"><anyAttribute/></complexType>', "xs:attribute"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(tmp_path: Path, body: str, reason: str) -> None:
    with pytest.raises(SchemaError, match=reason):
        compile_text(tmp_path, body)


def test_an_ambiguous_content_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="ambiguous"):
        compile_type(
            tmp_path,
            '<sequence><element name="a" type="int" minOccurs="0"/><element name="a" type="int"/></sequence>',
        )


def test_numbers_of_the_table_format() -> None:
    assert [unsigned(value).hex() for value in (0, 127, 128, 300)] == ["00", "7f", "8001", "ac02"]
    assert [zigzag(value).hex() for value in (0, -1, 1, -64, 64)] == ["00", "01", "02", "7f", "8001"]


def test_names_sort_by_local_name_first() -> None:
    assert sorted([QName("b", "urn:a"), QName("a", "urn:z"), QName("a", "urn:b")]) == [
        ("a", "urn:b"),
        ("a", "urn:z"),
        ("b", "urn:a"),
    ]
