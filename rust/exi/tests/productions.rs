//! Every production, written out bit by bit: what the codec writes and reads is what the rules say, not what it thinks.
mod tables;

use iso15118_exi::value::{Value, ValueSource};
use iso15118_exi::{encode, DecodeOptions, EncodeOptions};
use tables::bits;
use tables::cars::{electric, grammar, node, petrol, plate, read, text, wheel, HEAD, WHEEL};

/// Both ways, and the bits are exactly these.
fn same(message: &Value, expected: &str) {
    let grammar = grammar();
    let octets = encode(&grammar, &ValueSource, message, &EncodeOptions::default()).unwrap();
    assert_eq!(octets, bits(expected), "encoded");
    let strict = DecodeOptions {
        strict: true,
        ..DecodeOptions::default()
    };
    let decoded = read(&grammar, &octets, &strict).unwrap();
    assert_eq!(
        (&decoded.value, decoded.root, decoded.notes),
        (message, 0, vec![]),
        "decoded"
    );
}

#[test]
fn a_message_with_the_least_content() {
    let car = node(
        0,
        vec![
            vec![],
            text("A"),
            vec![],
            vec![wheel(5, None), wheel(5, None)],
            petrol(),
            vec![],
        ],
    );
    // Root 0 of 3 + SE(*); Name is the second production; Wheel the second beside Doors; the second wheel the only one.
    // Then Wheel, Drive (abstract), Electric, Petrol and the escape: three bits; Plate, any, EE, text and the escape: three.
    same(
        &car,
        &format!("{HEAD} 01 0 00000011 01000001 0  01 {WHEEL}  0 {WHEEL}  011 0  010"),
    );
}

#[test]
fn a_message_with_the_most_content() {
    let wheels = vec![
        wheel(0, Some(true)),
        wheel(127, Some(false)),
        wheel(128, None),
        wheel(4_294_967_295, None),
    ];
    let car = node(
        0,
        vec![
            text("x"),
            text("B\u{fc}"),
            vec![Value::Integer(5)],
            wheels,
            electric(-70_000),
            plate(Some(2), &[0xca, 0xfe]),
        ],
    );
    let expected = [
        HEAD,
        "00 00000011 01111000", // AT Id: no CH and EE around it
        "0 0 00000100 01000010 11111100 00000001 0", // Name: code points, U+00FC in two octets
        "00 0 100 0",           // Doors: 5 - 1 in three bits
        "0  0 0 00000000 0  00 0 1 0  0", // Wheel after Doors; Spare; then EE alone
        "0  0 0 01111111 0  00 0 0 0  0",
        "000  0 0 10000000 00000001 0 01", // now Drive may follow
        "000  0 0 11111111 11111111 11111111 11111111 00001111 0 01",
        "01  0 0 1 11101111 10100010 00000100 0  0", // after four wheels only the drives: two bits; 69999
        "000  00 10  0 00000010 11001010 11111110 0", // Plate: AT Country, literal 2; CH; EE
        "0",                                         // EE of Car, alone
    ];
    same(&car, &expected.join(" "));
}

#[test]
fn an_attribute_left_out_joins_its_state_with_the_content() {
    let car = node(
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
    same(
        &car,
        &format!("{HEAD} 01 0 00000010 0  01 {WHEEL}  0 {WHEEL}  011 0  000 01 00000000 0  0"),
    );
}

#[test]
fn fragments_end_with_their_own_code() {
    let grammar = grammar();
    let message = electric(70_000).remove(0);
    let options = EncodeOptions {
        fragment: true,
        ..EncodeOptions::default()
    };
    let octets = encode(&grammar, &ValueSource, &message, &options).unwrap();
    // Four names, SE(*), ED: three bits; Electric is 2, ED 5.
    assert_eq!(
        octets,
        bits("10000000 010  0 0 0 11110000 10100010 00000100 0 0  101")
    );
    let options = DecodeOptions {
        fragment: true,
        strict: true,
        ..DecodeOptions::default()
    };
    assert_eq!(read(&grammar, &octets, &options).unwrap().value, message);
    for (end, found) in [("010", "code 2"), ("100", "code 4"), ("111", "code 7")] {
        let octets = bits(&format!(
            "10000000 010  0 0 0 11110000 10100010 00000100 0 0  {end}"
        ));
        assert!(read(&grammar, &octets, &options)
            .unwrap_err()
            .reason
            .contains(found));
    }
    for (code, found) in [
        ("001", "without a type"),
        ("100", "undeclared"),
        ("101", "empty fragment"),
        ("110", "code 6"),
    ] {
        let error = read(&grammar, &bits(&format!("10000000 {code} 00000")), &options).unwrap_err();
        assert!(error.reason.contains(found), "{error}");
    }
}

#[test]
fn a_simple_root_is_a_bare_value() {
    let grammar = grammar();
    let octets = bits("10000000 01 0 1 00000110 0");
    let decoded = read(&grammar, &octets, &DecodeOptions::default()).unwrap();
    assert_eq!((&decoded.value, decoded.root), (&Value::Integer(-7), 1));
    let options = EncodeOptions {
        root: Some("Number"),
        ..EncodeOptions::default()
    };
    assert_eq!(
        encode(&grammar, &ValueSource, &decoded.value, &options).unwrap(),
        octets
    );
    for (message, root) in [
        (Value::Integer(-7), None),
        (Value::Integer(-7), Some("Car")),
        (wheel(1, None), None),
    ] {
        let options = EncodeOptions {
            root,
            ..EncodeOptions::default()
        };
        assert!(encode(&grammar, &ValueSource, &message, &options)
            .unwrap_err()
            .reason
            .contains("no root element"));
    }
}

#[test]
fn roots_that_cannot_be_used_are_refused_by_name() {
    let grammar = grammar();
    for (code, path, reason) in [
        ("10", "Vague", "without a type"),
        ("11", "", "undeclared root"),
    ] {
        let error = read(
            &grammar,
            &bits(&format!("10000000 {code}")),
            &DecodeOptions::default(),
        )
        .unwrap_err();
        assert_eq!(error.path(), path);
        assert!(error.reason.contains(reason), "{error}");
    }
    for (data, reason) in [
        (&[0x81, 0][..], "0x81"),
        (b"$EXI\x80", "0x24"),
        (&[0xa0, 0x80], "0xa0"),
        (&[], "ends"),
    ] {
        let error = read(&grammar, data, &DecodeOptions::default()).unwrap_err();
        assert!(error.reason.contains(reason), "{error}");
        assert_eq!(error.bit_offset, Some(0));
    }
}

#[test]
fn productions_that_only_hold_a_code_are_refused_by_name() {
    let least = format!("{HEAD} 01 0 00000011 01000001 0  01 {WHEEL}  0 {WHEEL}");
    for (rest, reason) in [
        ("001", "the abstract element Drive"),
        ("011 0 001", "undeclared element (##any)"),
        ("011 0 011", "text between elements"),
        ("110", "event code 6 of 4"),
        ("111", "event code 7 of 4"),
    ] {
        let error = read(
            &grammar(),
            &bits(&format!("{least} {rest}")),
            &DecodeOptions::default(),
        )
        .unwrap_err();
        assert!(error.reason.contains(reason), "{error}");
        assert_eq!(error.path(), "Car");
        assert!(!error.expected.is_empty());
    }
}

#[test]
fn encoding_never_drops_what_is_set() {
    let grammar = grammar();
    let refused = |message: &Value| {
        *encode(&grammar, &ValueSource, message, &EncodeOptions::default()).unwrap_err()
    };
    let wheels = |count| vec![wheel(5, None); count];
    let car =
        |name, wheels, drive, plate| node(0, vec![vec![], name, vec![], wheels, drive, plate]);

    let error = refused(&car(text("A"), wheels(5), petrol(), vec![]));
    assert!(error.reason.contains("wheel"), "{error}");
    let error = refused(&car(text("A"), wheels(1), petrol(), vec![]));
    assert!(
        error.reason.contains("missing") && error.expected == "Wheel",
        "{error}"
    );
    let error = refused(&car(vec![], wheels(2), petrol(), vec![]));
    assert!(
        error.reason.contains("missing") && error.expected == "attribute Id or Name",
        "{error}"
    );
    let error = refused(&car(text("A"), wheels(2), vec![], vec![]));
    assert!(error.expected.contains("Petrol"), "{error}");
    let error = refused(&car(text("A"), wheels(2), plate(None, &[]), vec![]));
    assert!(
        error.reason.contains("drive holds struct 4") && error.expected == "Electric or Petrol",
        "{error}"
    );
    let error = refused(&car(text("A"), wheels(2), petrol(), plate(Some(3), &[])));
    assert_eq!(
        (error.path().as_str(), error.reason.as_str()),
        ("Car/Plate/Country", "literal number 3")
    );
    let error = refused(&car(
        text("A"),
        vec![wheel(5, None), wheel(-1, None)],
        petrol(),
        vec![],
    ));
    assert_eq!(
        (error.path().as_str(), error.expected.as_str()),
        ("Car/Wheel[2]/Size", "0 to 4294967295")
    );
    let error = refused(&car(text("123456789"), wheels(2), petrol(), vec![]));
    assert_eq!(
        (error.path().as_str(), error.expected.as_str()),
        ("Car/Name", "0 to 8 characters")
    );
    assert_eq!(error.bit_offset, None);
    assert!(
        refused(&car(text("A"), wheels(2), petrol(), plate(None, &[0; 5])))
            .reason
            .contains("length of 5")
    );
}
