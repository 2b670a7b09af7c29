//! Root elements whose local name is there in two namespaces, with another type in each.
mod tables;

use iso15118_exi::value::{Value, ValueSource};
use iso15118_exi::{encode, DecodeOptions, EncodeOptions, Grammar};
use tables::cars::read;
use tables::{number, Tables, Type};

/// `{urn:a}Number` is octets, `{urn:b}Number` is an integer.
fn numbers() -> Grammar {
    let mut tables = Tables::default();
    let types = [
        tables.datatype(Type::Base64(0, None)),
        tables.datatype(Type::Unsigned(0, None)),
    ];
    for (uri, datatype) in ["urn:a", "urn:b"].into_iter().zip(types) {
        let mut root = Vec::new();
        for value in [
            tables.string("Number"),
            tables.string(uri),
            1, // a simple type
            datatype,
        ] {
            number(&mut root, value);
        }
        tables.document.push(root);
    }
    Grammar::load(&tables.bytes()).unwrap()
}

#[test]
fn a_root_is_found_by_its_namespace() {
    let grammar = numbers();
    for (root, code, value) in [
        ("{urn:a}Number", 0, Value::Binary(vec![5])),
        ("{urn:b}Number", 1, Value::Integer(5)),
    ] {
        let options = EncodeOptions {
            root: Some(root),
            ..EncodeOptions::default()
        };
        let octets = encode(&grammar, &ValueSource, &value, &options).unwrap();
        let decoded = read(&grammar, &octets, &DecodeOptions::default()).unwrap();
        assert_eq!((decoded.value, decoded.root), (value, code));
    }
}

#[test]
fn a_local_name_alone_is_the_first_root_that_has_it() {
    let grammar = numbers();
    let written = |root, value| {
        let options = EncodeOptions {
            root: Some(root),
            ..EncodeOptions::default()
        };
        encode(&grammar, &ValueSource, &value, &options)
    };
    assert!(written("Number", Value::Binary(vec![5])).is_ok());
    assert!(written("Number", Value::Integer(5)).is_err());
    for unknown in ["{urn:c}Number", "{urn:b}", "{urn:b", "{}Number", "}Number"] {
        let error = written(unknown, Value::Integer(5)).unwrap_err();
        assert!(error.reason.contains("is no root element"), "{error}");
    }
}
