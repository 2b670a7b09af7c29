//! What other codecs write and this one never does: read as what was meant, and noted.
mod tables;

use iso15118_exi::value::Value;
use iso15118_exi::{DecodeOptions, Grammar, Note};
use tables::cars::{grammar, node, petrol, plate, read, text, wheel, HEAD, WHEEL};
use tables::{bits, Tables, Type};

#[test]
fn an_empty_value_may_be_an_end_of_element() {
    let grammar = grammar();
    // Name: escape instead of CH, then EE, the first of seven. Plate: escape in its start state, EE.
    let octets = bits(&format!(
        "{HEAD} 01 1 000  01 {WHEEL}  0 {WHEEL}  011 0  000 10 000  0"
    ));
    let decoded = read(
        &grammar,
        &octets,
        &DecodeOptions {
            strict: true,
            ..DecodeOptions::default()
        },
    )
    .unwrap();
    let expected = node(
        0,
        vec![
            vec![],
            text(""),
            vec![],
            vec![wheel(5, None), wheel(5, None)],
            petrol(),
            plate(None, &[]),
        ],
    );
    assert_eq!(decoded.value, expected);
    assert_eq!(decoded.notes, [Note::EmptyByEnd(12), Note::EmptyByEnd(52)]);
    // After the attribute the second level is one of five.
    let octets = bits(&format!(
        "{HEAD} 01 1 000  01 {WHEEL}  0 {WHEEL}  011 0  000 00 01 1 000  0"
    ));
    let decoded = read(&grammar, &octets, &DecodeOptions::default()).unwrap();
    assert_eq!(decoded.notes.len(), 2);
    // A number cannot be empty.
    let error = read(
        &grammar,
        &bits(&format!("{HEAD} 01 1 000 00 1 000")),
        &DecodeOptions::default(),
    )
    .unwrap_err();
    assert_eq!(
        (error.reason.as_str(), error.path().as_str()),
        ("an empty element", "Car/Doors")
    );
    // Nor can an element end before its content.
    let error = read(
        &grammar,
        &bits(&format!("{HEAD} 10 000")),
        &DecodeOptions::default(),
    )
    .unwrap_err();
    assert_eq!(error.reason, "the element ends too early");
    assert_eq!(error.expected, "attribute Id or Name");
}

#[test]
fn untyped_characters_are_read_as_the_type_that_was_due() {
    let grammar = grammar();
    // Doors as text "3": escape, text without type (the last of seven), length, character; EE on the second level again.
    let tail = format!("01 {WHEEL}  0 {WHEEL}  011 0  010").replacen("01", "0", 1);
    let octets = bits(&format!(
        "{HEAD} 01 0 00000010 0  00 1 110 00000011 00110011 1 00  {tail}"
    ));
    let decoded = read(&grammar, &octets, &DecodeOptions::default()).unwrap();
    let expected = node(
        0,
        vec![
            vec![],
            text(""),
            vec![Value::Integer(3)],
            vec![wheel(5, None), wheel(5, None)],
            petrol(),
            vec![],
        ],
    );
    assert_eq!(decoded.value, expected);
    assert_eq!(decoded.notes, [Note::UntypedCharacters(24)]);
    for (character, reason) in [
        ("00111001", "beyond the limits"),
        ("01000001", "no value of the type"),
    ] {
        let octets = bits(&format!(
            "{HEAD} 01 0 00000010 0  00 1 110 00000011 {character} 1 00  {tail}"
        ));
        let error = read(&grammar, &octets, &DecodeOptions::default()).unwrap_err();
        assert!(error.reason.contains(reason), "{error}");
    }
    // More text after it, typed or not, and elements.
    for rest in ["0", "1 10", "1 11"] {
        let octets = bits(&format!(
            "{HEAD} 01 0 00000010 0  00 1 110 00000011 00110011 {rest} 00000000"
        ));
        let error = read(&grammar, &octets, &DecodeOptions::default()).unwrap_err();
        assert!(
            error.reason.contains("more text") || error.reason.contains("second-level"),
            "{error}"
        );
    }
    // Where there is nothing to be read as.
    let error = read(
        &grammar,
        &bits(&format!("{HEAD} 10 110")),
        &DecodeOptions::default(),
    )
    .unwrap_err();
    assert_eq!(error.reason, "text without type");
    let error = read(
        &grammar,
        &bits(&format!("{HEAD} 10 001")),
        &DecodeOptions::default(),
    )
    .unwrap_err();
    assert!(error.reason.contains("xsi:type"));
}

#[test]
fn text_in_a_struct_may_be_untyped_too() {
    let grammar = grammar();
    let options = DecodeOptions {
        fragment: true,
        ..DecodeOptions::default()
    };
    // Plate: escape in the start state, text without type, "0aFF", then EE behind an escape; ED.
    let octets =
        bits("10000000 011  10 110 00000110 00110000 01100001 01000110 01000110 1 00  101");
    let decoded = read(&grammar, &octets, &options).unwrap();
    assert_eq!(decoded.value, plate(None, &[0x0a, 0xff])[0]);
    assert_eq!(decoded.notes, [Note::UntypedCharacters(11)]);
}

#[test]
fn what_comes_after_the_end_is_borne_with_unless_strict() {
    let grammar = grammar();
    let mut octets = bits("10000000 01 0 1 00000110 0");
    assert_eq!(octets.len(), 3);
    octets.extend([0, 0]);
    let decoded = read(&grammar, &octets, &DecodeOptions::default()).unwrap();
    assert_eq!(decoded.notes, [Note::TrailingOctets(2)]);
    octets[2] |= 1;
    let decoded = read(&grammar, &octets, &DecodeOptions::default()).unwrap();
    assert_eq!(decoded.notes, [Note::Padding, Note::TrailingOctets(2)]);
    let strict = DecodeOptions {
        strict: true,
        ..DecodeOptions::default()
    };
    assert!(read(&grammar, &octets, &strict)
        .unwrap_err()
        .reason
        .contains("padding"));
    octets[2] &= !1;
    assert!(read(&grammar, &octets, &strict)
        .unwrap_err()
        .reason
        .contains("2 octets after the end"));
}

#[test]
fn a_full_array_coded_as_open_is_read_when_lenient() {
    let grammar = grammar();
    let four = format!("01 {WHEEL} 0 {WHEEL} 000 {WHEEL} 000 {WHEEL}");
    // Petrol is 2 of 3 drives at the maximum, 3 of 4 productions in the open state.
    let right = bits(&format!("{HEAD} 01 0 00000010 0 {four} 10 0 010"));
    let open = bits(&format!("{HEAD} 01 0 00000010 0 {four} 011 0 010"));
    let lenient = DecodeOptions {
        open_arrays: true,
        ..DecodeOptions::default()
    };
    let decoded = read(&grammar, &right, &DecodeOptions::default()).unwrap();
    assert!(read(&grammar, &open, &DecodeOptions::default()).is_err());
    let bent = read(&grammar, &open, &lenient).unwrap();
    assert_eq!(bent.value, decoded.value);
    assert_eq!(bent.notes.len(), 1);
    // Open does not mean without end.
    let five = bits(&format!(
        "{HEAD} 01 0 00000010 0 {four} 000 {WHEEL} 011 0 010"
    ));
    assert!(read(&grammar, &five, &lenient)
        .unwrap_err()
        .reason
        .contains("more items"));
}

#[test]
fn a_value_too_short_or_too_long_is_read_when_lenient() {
    let mut tables = Tables::default();
    let name = tables.datatype(Type::Text(3, Some(4)));
    let key = tables.datatype(Type::Hex(3, Some(4)));
    tables.root(false, "Name", 1, name);
    tables.root(false, "Key", 1, key);
    let grammar = Grammar::load(&tables.bytes()).unwrap();
    let lenient = DecodeOptions {
        any_length: true,
        ..DecodeOptions::default()
    };
    let xx = "01111000 01111000";
    for (code, value, notes) in [
        (
            format!("00 0 00000100 {xx} 0"),
            Value::Text("xx".into()),
            vec![Note::Short(11)],
        ),
        (
            format!("01 0 00000010 {xx} 0"),
            Value::Binary(b"xx".to_vec()),
            vec![Note::Short(11)],
        ),
        (
            "00 1 000".into(),
            Value::Text(String::new()),
            vec![Note::Short(10), Note::EmptyByEnd(10)],
        ),
    ] {
        let octets = bits(&format!("10000000 {code}"));
        let error = read(&grammar, &octets, &DecodeOptions::default()).unwrap_err();
        assert!(error.expected.starts_with("3 to 4"), "{error}");
        let decoded = read(&grammar, &octets, &lenient).unwrap();
        assert_eq!((decoded.value, decoded.notes), (value, notes));
    }
    for (code, value) in [
        (
            format!("00 0 00000111 {xx}{xx}01111000 0"),
            Value::Text("xxxxx".into()),
        ),
        (
            format!("01 0 00000101 {xx}{xx}01111000 0"),
            Value::Binary(b"xxxxx".to_vec()),
        ),
    ] {
        let octets = bits(&format!("10000000 {code}"));
        assert!(read(&grammar, &octets, &DecodeOptions::default()).is_err());
        let decoded = read(&grammar, &octets, &lenient).unwrap();
        assert_eq!(
            (decoded.value, decoded.notes),
            (value, vec![Note::Long(11)])
        );
    }
    // Never longer than the stream.
    let endless = bits("10000000 00 0 11111111 01111111 01111000 0");
    assert!(read(&grammar, &endless, &lenient).is_err());
}
