//! Every datatype at its bounds and beyond them, in both directions, as the content of simple root elements.
mod tables;

use iso15118_exi::value::{Value, ValueBuilder, ValueSource};
use iso15118_exi::{decode, encode, DecodeOptions, EncodeOptions, Grammar};
use tables::{bits, Tables, Type};

/// A grammar whose only root is an element of this type. The root code takes one bit.
fn grammar(datatype: Type<'_>) -> Grammar {
    let mut tables = Tables::default();
    let datatype = tables.datatype(datatype);
    tables.root(false, "Value", 1, datatype);
    Grammar::load(&tables.bytes()).unwrap()
}

fn write(grammar: &Grammar, value: &Value) -> Result<Vec<u8>, String> {
    let options = EncodeOptions {
        root: Some("Value"),
        ..EncodeOptions::default()
    };
    encode(grammar, &ValueSource, value, &options).map_err(|error| error.to_string())
}

fn read(grammar: &Grammar, octets: &[u8]) -> Result<Value, String> {
    let options = DecodeOptions {
        strict: true,
        ..DecodeOptions::default()
    };
    let decoded = decode(grammar, octets, &options, &mut ValueBuilder::new(grammar));
    decoded
        .map(|decoded| decoded.value)
        .map_err(|error| error.to_string())
}

/// The value has exactly this code, both ways.
fn same(grammar: &Grammar, value: Value, code: &str) {
    let octets = bits(&format!("10000000 0 0 {code} 0"));
    assert_eq!(write(grammar, &value).as_ref(), Ok(&octets), "{value:?}");
    assert_eq!(read(grammar, &octets), Ok(value));
}

fn no_value(grammar: &Grammar, value: Value) {
    assert!(write(grammar, &value).is_err(), "{value:?}");
}

fn no_code(grammar: &Grammar, code: &str) {
    let read = read(grammar, &bits(&format!("10000000 0 0 {code} 0")));
    assert!(read.is_err(), "{read:?}");
}

fn int(value: impl Into<i128>) -> Value {
    Value::Integer(value.into())
}

#[test]
fn booleans() {
    let grammar = grammar(Type::Boolean);
    same(&grammar, Value::Boolean(false), "0");
    same(&grammar, Value::Boolean(true), "1");
    no_value(&grammar, int(1));
}

#[test]
fn ranges_of_every_width() {
    let byte = grammar(Type::NBit(-128, 256));
    same(&byte, int(-128), "00000000");
    same(&byte, int(0), "10000000");
    same(&byte, int(127), "11111111");
    no_value(&byte, int(128));
    no_value(&byte, int(-129));
    let percent = grammar(Type::NBit(0, 101));
    same(&percent, int(100), "1100100");
    no_code(&percent, "1100101");
    no_value(&percent, int(i128::MAX));
    let single = grammar(Type::NBit(7, 1));
    no_value(&single, int(i128::MIN));
    same(&single, int(7), "");
    let widest = grammar(Type::NBit(i64::MIN, 4096));
    same(&widest, int(i64::MIN + 4095), "111111111111");
    no_value(&widest, int(i128::MIN));
}

#[test]
fn unsigned_integers() {
    let any = grammar(Type::Unsigned(0, None));
    same(&any, int(0), "00000000");
    same(&any, int(127), "01111111");
    same(&any, int(128), "10000000 00000001");
    same(&any, int(16_384), "10000000 10000000 00000001");
    same(
        &any,
        int(u64::MAX),
        &format!("{} 00000001", "11111111".repeat(9)),
    );
    no_code(&any, &format!("{} 00000010", "11111111".repeat(9)));
    no_code(&any, &format!("{} 10000000 00000000", "11111111".repeat(9)));
    no_value(&any, int(-1));
    no_value(&any, int(i128::from(u64::MAX) + 1));
    let faceted = grammar(Type::Unsigned(5, Some(300)));
    same(&faceted, int(5), "00000101");
    same(&faceted, int(300), "10101100 00000010");
    no_value(&faceted, int(4));
    no_value(&faceted, int(301));
    no_code(&faceted, "00000100");
    no_code(&faceted, "10101101 00000010");
}

#[test]
fn signed_integers() {
    let any = grammar(Type::Signed(None, None));
    same(&any, int(0), "0 00000000");
    same(&any, int(-1), "1 00000000");
    same(&any, int(-128), "1 01111111");
    same(
        &any,
        int(i64::MAX),
        &format!("0 {} 01111111", "11111111".repeat(8)),
    );
    same(
        &any,
        int(i64::MIN),
        &format!("1 {} 01111111", "11111111".repeat(8)),
    );
    no_code(
        &any,
        &format!("0 {} 10000000 00000001", "10000000".repeat(8)),
    );
    no_code(
        &any,
        &format!("1 {} 11111111 00000001", "11111111".repeat(8)),
    );
    no_value(&any, int(i128::from(i64::MAX) + 1));
    let short = grammar(Type::Signed(Some(-32_768), Some(32_767)));
    same(&short, int(-32_768), "1 11111111 11111111 00000001");
    no_value(&short, int(32_768));
    no_code(&short, "1 10000000 10000000 00000010");
    no_code(&short, "0 10000000 10000000 00000010");
}

#[test]
fn enumerations() {
    let three = grammar(Type::Enumeration(&["a", "b", "c"]));
    same(&three, Value::Literal(0, 0), "00");
    same(&three, Value::Literal(0, 2), "10");
    no_code(&three, "11");
    no_value(&three, Value::Literal(0, 3));
    no_value(&three, Value::Literal(1, 0));
    same(
        &grammar(Type::Enumeration(&["only"])),
        Value::Literal(0, 0),
        "",
    );
}

#[test]
fn binaries() {
    for grammar in [
        grammar(Type::Hex(1, Some(3))),
        grammar(Type::Base64(1, Some(3))),
    ] {
        same(&grammar, Value::Binary(vec![0xa5]), "00000001 10100101");
        same(
            &grammar,
            Value::Binary(vec![1, 2, 3]),
            "00000011 00000001 00000010 00000011",
        );
        no_value(&grammar, Value::Binary(vec![]));
        no_value(&grammar, Value::Binary(vec![0; 4]));
        no_code(&grammar, "00000000");
        no_code(&grammar, &format!("00000100 {}", "0".repeat(32)));
        no_code(&grammar, &format!("{} 00000001", "11111111".repeat(9)));
    }
    let any = grammar(Type::Hex(0, None));
    same(&any, Value::Binary(vec![]), "00000000");
    no_code(&any, &format!("{} 00000001 00000000", "11111111".repeat(9)));
}

#[test]
fn strings() {
    let any = grammar(Type::Text(0, None));
    same(&any, Value::Text(String::new()), "00000010");
    same(
        &any,
        Value::Text("~\0".into()),
        "00000100 01111110 00000000",
    );
    same(
        &any,
        Value::Text("\u{80}".into()),
        "00000011 10000000 00000001",
    );
    same(
        &any,
        Value::Text("\u{10ffff}".into()),
        "00000011 11111111 11111111 01000011",
    );
    same(
        &any,
        Value::Text("x".repeat(100)),
        &format!("01100110 {}", "01111000".repeat(100)),
    );
    let mixed = format!("{}\u{e9}", "x".repeat(99));
    same(
        &any,
        Value::Text(mixed),
        &format!("01100110 {} 11101001 00000001", "01111000".repeat(99)),
    );
    // String table hits, half of a surrogate pair, beyond Unicode, longer than the stream.
    for (code, reason) in [
        ("00000000", "string table hit"),
        ("00000001 00000000", "string table hit"),
        ("00000011 10000000 10110000 00000011", "code point 55296"),
        ("00000011 10000000 10000000 01000100", "code point 1114112"),
        ("00100011 00000000", "octets left"),
    ] {
        let refusal = read(&any, &bits(&format!("10000000 0 0 {code} 0"))).unwrap_err();
        assert!(refusal.contains(reason), "{refusal}");
    }
    let faceted = grammar(Type::Text(2, Some(3)));
    same(
        &faceted,
        Value::Text("\u{fc}\u{fc}".into()),
        "00000100 11111100 00000001 11111100 00000001",
    );
    no_value(&faceted, Value::Text("a".into()));
    no_value(&faceted, Value::Text("abcd".into()));
    no_code(&faceted, "00000011 01100001");
    no_code(&faceted, "00000110 01100001 01100001 01100001 01100001");
}

#[test]
fn integers_of_any_size() {
    let grammar = grammar(Type::Integer);
    same(&grammar, Value::BigInteger(vec![0]), "0 00000000");
    same(&grammar, Value::BigInteger(vec![0xff]), "1 00000000");
    same(&grammar, Value::BigInteger(vec![0x80]), "1 01111111");
    same(
        &grammar,
        Value::BigInteger(vec![0x80, 0]),
        "0 10000000 00000001",
    );
    same(
        &grammar,
        Value::BigInteger(vec![0, 0x40]),
        "0 10000000 10000000 00000001",
    );
    // 160 bits, as in a serial number: 22 groups of seven and six bits.
    let mut serial = vec![0xff; 20];
    serial.push(0);
    same(
        &grammar,
        Value::BigInteger(serial),
        &format!("0 {} 00111111", "11111111".repeat(22)),
    );
    // The longest: 64 groups.
    let mut longest = vec![0xff; 56];
    longest.push(0);
    same(
        &grammar,
        Value::BigInteger(longest.clone()),
        &format!("0 {} 01111111", "11111111".repeat(63)),
    );
    longest[56] = 1;
    no_value(&grammar, Value::BigInteger(longest));
    no_code(&grammar, &format!("0 {} 00000000", "10000000".repeat(64)));
    no_value(&grammar, int(1));
}
