//! Input that is broken in every way: an error or a message, never a panic, and never more memory than the input earns.
mod tables;

use iso15118_exi::value::{Discard, Value, ValueBuilder, ValueSource};
use iso15118_exi::{decode, encode, DecodeOptions, EncodeOptions, Grammar, Note};
use tables::{bits, car, Next, Random, Rule, Tables, Type};

/// A car with everything in it.
fn full_car() -> Vec<u8> {
    let wheel = |size| format!("0 0 {size} 0  00 0 1 0  0");
    let parts = [
        "10000000 00  00 00000011 01111000  0 0 00000100 01000010 11111100 00000001 0  00 0 100 0  0",
        &wheel("00000000"),
        "0",
        &wheel("01111111"),
        "000",
        &wheel("10000000 00000001"),
        "000",
        &wheel("11111111 11111111 11111111 11111111 00001111"),
        "01  0 0 1 11101111 10100010 00000100 0  0  000  00 10  0 00000010 11001010 11111110 0  0",
    ];
    bits(&parts.concat())
}

/// Decodes, and if that works checks that the message survives another round.
fn attempt(grammar: &Grammar, data: &[u8], fragment: bool) -> bool {
    for lenient in [false, true] {
        let options = DecodeOptions {
            fragment,
            open_arrays: lenient,
            any_length: lenient,
            ..DecodeOptions::default()
        };
        let Ok(decoded) = decode(grammar, data, &options, &mut ValueBuilder::new(grammar)) else {
            continue;
        };
        let root = grammar.string(grammar.roots(fragment)[decoded.root].local);
        let options_out = EncodeOptions {
            fragment,
            root: Some(root),
            ..EncodeOptions::default()
        };
        let again = encode(grammar, &ValueSource, &decoded.value, &options_out);
        let of_wrong_length = |note: &Note| matches!(note, Note::Short(_) | Note::Long(_));
        if decoded.notes.iter().any(of_wrong_length) {
            // Read, but not written.
            assert!(again.is_err());
            return true;
        }
        let left_out = |note: &Note| matches!(note, Note::EmptyAbstract { .. });
        let octets = match again {
            // What was left out may be what has to be there, and nothing else is wrong.
            Err(error) if decoded.notes.iter().any(left_out) => {
                assert!(error.reason.starts_with("a required value is missing"));
                return true;
            }
            again => again.unwrap(),
        };
        let strict = DecodeOptions {
            strict: true,
            open_arrays: false,
            any_length: false,
            ..options
        };
        let again = decode(grammar, &octets, &strict, &mut ValueBuilder::new(grammar)).unwrap();
        assert_eq!(again.value, decoded.value);
        return true;
    }
    false
}

#[test]
fn every_truncation_is_an_error() {
    let grammar = Grammar::load(&car().bytes()).unwrap();
    let octets = full_car();
    assert!(attempt(&grammar, &octets, false));
    for length in 0..octets.len() {
        let options = DecodeOptions::default();
        let error = decode(&grammar, &octets[..length], &options, &mut Discard).unwrap_err();
        assert!(
            error.bit_offset.is_some_and(|bit| bit <= length * 8),
            "{error}"
        );
    }
}

#[test]
fn every_flip_of_one_or_two_bits_is_an_error_or_a_message() {
    let grammar = Grammar::load(&car().bytes()).unwrap();
    let octets = full_car();
    let mut messages = 0;
    for first in 0..octets.len() * 8 {
        for second in first..octets.len() * 8 {
            let mut flipped = octets.clone();
            flipped[first / 8] ^= 0x80 >> (first % 8);
            if second != first {
                flipped[second / 8] ^= 0x80 >> (second % 8);
            }
            messages += u32::from(attempt(&grammar, &flipped, false));
        }
    }
    assert!(messages > 100, "{messages} messages");
}

#[test]
fn random_octets_are_an_error_or_a_message() {
    let grammar = Grammar::load(&car().bytes()).unwrap();
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut messages = 0;
    let rounds: usize =
        std::env::var("ISO15118_FUZZ_ROUNDS").map_or(20_000, |count| count.parse().unwrap());
    for _ in 0..rounds {
        let mut data = vec![0x80];
        data.extend((0..random.below(40)).map(|_| random.next() as u8));
        messages += u32::from(attempt(&grammar, &data, random.below(2) == 0));
    }
    assert!(messages > 0);
}

/// A node that holds any number of nodes, and nothing else: as deep and as wide as the input says.
fn tree() -> Grammar {
    let mut tables = Tables::default();
    tables.datatype(Type::Boolean);
    tables.structure("Node", &[("node", 0, 2)], 0);
    tables.state(&[
        Rule::Struct("Node", 0, 0, Next::Loop(true, 0, 0, 0, 1, 1)),
        Rule::End,
    ]);
    tables.state(&[
        Rule::Struct("Node", 0, 0, Next::Loop(false, 0, 0, 0, 1, 1)),
        Rule::End,
    ]);
    tables.root(false, "Node", 0, 0);
    Grammar::load(&tables.bytes()).unwrap()
}

#[test]
fn depth_is_limited_in_both_directions() {
    let grammar = tree();
    let nested = |depth: usize| {
        bits(&format!(
            "10000000 0 {}{}",
            "00".repeat(depth - 1),
            "01".repeat(depth)
        ))
    };
    let options = DecodeOptions::default();
    let limit = options.max_depth as usize;
    let decoded = decode(
        &grammar,
        &nested(limit),
        &options,
        &mut ValueBuilder::new(&grammar),
    )
    .unwrap();
    let error = decode(&grammar, &nested(limit + 1), &options, &mut Discard).unwrap_err();
    assert!(error.reason.contains("too deeply"), "{error}");
    let bottomless: Vec<u8> = std::iter::once(0x80).chain([0; 100_000]).collect();
    let error = decode(&grammar, &bottomless, &options, &mut Discard).unwrap_err();
    assert!(error.reason.contains("too deeply"), "{error}");

    assert!(encode(
        &grammar,
        &ValueSource,
        &decoded.value,
        &EncodeOptions::default()
    )
    .is_ok());
    let Value::Struct(mut deeper) = decoded.value.clone() else {
        panic!()
    };
    deeper.fields[0] = vec![decoded.value];
    let error = encode(
        &grammar,
        &ValueSource,
        &Value::Struct(deeper),
        &EncodeOptions::default(),
    )
    .unwrap_err();
    assert!(error.reason.contains("too deeply"), "{error}");
}

#[test]
fn the_number_of_elements_is_limited() {
    let grammar = tree();
    let options = DecodeOptions {
        max_elements: 1000,
        ..DecodeOptions::default()
    };
    let wide = |children: usize| bits(&format!("10000000 0 {} 01", "00 01".repeat(children)));
    assert!(decode(&grammar, &wide(999), &options, &mut Discard).is_ok());
    let error = decode(&grammar, &wide(1000), &options, &mut Discard).unwrap_err();
    assert!(
        error.reason.contains("too many elements") && error.path() == "Node/Node[1000]",
        "{error}"
    );
}
