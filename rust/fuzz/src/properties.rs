//! What holds for any octets at all; shared by the fuzz targets and the tests of the engine.
//!
//! A decoder gives a message or an error that says where; a message can be written, and reads as the same message
//! again; the same after one value of it was changed, if it can still be written. Tables load or are refused.
use iso15118_exi::value::{Discard, Structure, Value, ValueBuilder, ValueSource};
use iso15118_exi::{decode, encode, DecodeOptions, Decoded, EncodeOptions, Error, Grammar, Note};

/// What became of some octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No message, however lenient the reader.
    Refused,
    /// A message that could be written again.
    Message,
    /// A message with a value of a length that its type does not allow: read, but not written.
    NotWritten,
}

/// Decodes some octets by the specification, then with the deviations that are borne with, as `iso15118.exi` does.
pub fn of_decoder(grammar: &Grammar, fragment: bool, data: &[u8]) -> Verdict {
    let mut verdict = Verdict::Refused;
    for (open_arrays, any_length) in [(false, false), (false, true), (true, false), (true, true)] {
        let options = DecodeOptions {
            fragment,
            open_arrays,
            any_length,
            ..DecodeOptions::default()
        };
        let result = decode(grammar, data, &options, &mut ValueBuilder::new(grammar));
        let kept_nothing = decode(grammar, data, &options, &mut Discard);
        match (&result, kept_nothing) {
            (Ok(_), Ok(_)) => {}
            (Err(error), Err(other)) => assert_eq!(*error, other),
            (one, other) => panic!("{one:?} with a tree, {other:?} without"),
        }
        match result {
            Ok(decoded) => {
                verdict = of_message(grammar, &decoded, data, &options);
                break;
            }
            Err(error) => of_error(&error, data),
        }
    }
    let strict = DecodeOptions {
        fragment,
        strict: true,
        ..DecodeOptions::default()
    };
    if let Ok(decoded) = decode(grammar, data, &strict, &mut ValueBuilder::new(grammar)) {
        assert_eq!(verdict, Verdict::Message);
        if decoded.notes.is_empty() {
            // No octet more than it was read from: numbers may only have been written longer than they need.
            let octets = encode(
                grammar,
                &ValueSource,
                &decoded.value,
                &written_as(fragment, &name_of(grammar, fragment, decoded.root)),
            );
            assert!(octets.unwrap().len() <= data.len());
        }
    }
    verdict
}

fn of_error(error: &Error, data: &[u8]) {
    let bit = error.bit_offset.unwrap();
    assert!(bit <= data.len() * 8, "bit {bit} of {} octets", data.len());
    assert!(!error.reason.is_empty());
    assert!(error.to_string().starts_with(&error.path()));
    assert!(error.to_string().len() < 2048, "{error}");
}

fn of_message(
    grammar: &Grammar,
    decoded: &Decoded<Value>,
    data: &[u8],
    options: &DecodeOptions,
) -> Verdict {
    let name = name_of(grammar, options.fragment, decoded.root);
    let out = written_as(options.fragment, &name);
    let octets = match encode(grammar, &ValueSource, &decoded.value, &out) {
        Ok(octets) => octets,
        Err(error) => {
            let left_out = |note: &Note| matches!(note, Note::EmptyAbstract(_));
            let missing = error.reason.starts_with("a required value is missing");
            if missing && decoded.notes.iter().any(left_out) {
                // What was left out may be what has to be there, and nothing else is wrong.
                return Verdict::NotWritten;
            }
            let of_wrong_length = |note: &Note| matches!(note, Note::Short(_) | Note::Long(_));
            assert!(
                decoded.notes.iter().any(of_wrong_length),
                "{error}: {decoded:?}"
            );
            assert!(error.reason.starts_with("a length of "), "{error}");
            of_any_length(grammar, &decoded.value, &out);
            return Verdict::NotWritten;
        }
    };
    reads_as(grammar, options.fragment, &octets, &decoded.value);
    let mut changed = decoded.value.clone();
    let mut chance = Chance(data.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
    }));
    change(grammar, &mut changed, &mut chance);
    match encode(grammar, &ValueSource, &changed, &out) {
        Ok(octets) => reads_as(grammar, options.fragment, &octets, &changed),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            of_any_length(grammar, &changed, &out);
        }
    }
    Verdict::Message
}

/// What is only written when binaries may be of any length is read the same way.
fn of_any_length(grammar: &Grammar, value: &Value, out: &EncodeOptions<'_>) {
    let out = EncodeOptions {
        any_length: true,
        ..*out
    };
    let options = DecodeOptions {
        fragment: out.fragment,
        any_length: true,
        ..DecodeOptions::default()
    };
    if let Ok(octets) = encode(grammar, &ValueSource, value, &out) {
        let again = decode(grammar, &octets, &options, &mut ValueBuilder::new(grammar)).unwrap();
        assert_eq!(again.value, *value);
    }
}

/// What was written is read again, without a note.
fn reads_as(grammar: &Grammar, fragment: bool, octets: &[u8], value: &Value) {
    let options = DecodeOptions {
        fragment,
        strict: true,
        ..DecodeOptions::default()
    };
    let again = decode(grammar, octets, &options, &mut ValueBuilder::new(grammar)).unwrap();
    assert_eq!(again.value, *value);
    assert_eq!(again.notes, []);
}

/// The name of a root element as `encode` takes it, with the namespace: some local names are there in two.
fn name_of(grammar: &Grammar, fragment: bool, root: usize) -> String {
    let root = &grammar.roots(fragment)[root];
    format!(
        "{{{}}}{}",
        grammar.string(root.uri),
        grammar.string(root.local)
    )
}

fn written_as(fragment: bool, root: &str) -> EncodeOptions<'_> {
    EncodeOptions {
        fragment,
        root: Some(root),
        ..EncodeOptions::default()
    }
}

/// The first octet says how many octets of a message follow; the rest is tables.
pub fn of_tables(data: &[u8]) -> bool {
    let Some((&length, rest)) = data.split_first() else {
        return false;
    };
    let Some((message, tables)) = rest.split_at_checked(length.into()) else {
        return false;
    };
    let grammar = match Grammar::load(tables) {
        Ok(grammar) => grammar,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    for fragment in [false, true] {
        let options = DecodeOptions {
            fragment,
            ..DecodeOptions::default()
        };
        match decode(
            &grammar,
            message,
            &options,
            &mut ValueBuilder::new(&grammar),
        ) {
            Ok(decoded) => {
                // Tables may be sound and still give a value two places, of which the encoder takes the first.
                let name = name_of(&grammar, fragment, decoded.root);
                let out = written_as(fragment, &name);
                if let Ok(octets) = encode(&grammar, &ValueSource, &decoded.value, &out) {
                    reads_as(&grammar, fragment, &octets, &decoded.value);
                }
            }
            Err(error) => assert!(error.bit_offset.is_some_and(|bit| bit <= message.len() * 8)),
        }
    }
    true
}

/// Changes one value somewhere in a message, to what may or may not be allowed there.
fn change(grammar: &Grammar, value: &mut Value, chance: &mut Chance) {
    if let Value::Struct(node) = value {
        let present: Vec<usize> = (0..node.fields.len())
            .filter(|&field| !node.fields[field].is_empty())
            .collect();
        if present.is_empty() || chance.below(12) == 0 {
            *value = bare(grammar, chance);
            return;
        }
        let number = present[chance.below(present.len())];
        let repeated = grammar.structs()[node.structure as usize].fields[number].repeated;
        let items = &mut node.fields[number];
        let index = chance.below(items.len());
        match chance.below(12) {
            0 => {
                items.remove(index);
            }
            1 if repeated => {
                let copies = [1, 2, 7, 40][chance.below(4)];
                let copy = items[index].clone();
                items.extend(std::iter::repeat_n(copy, copies));
            }
            _ => change(grammar, &mut items[index], chance),
        }
        return;
    }
    if chance.below(8) == 0 {
        *value = bare(grammar, chance);
        return;
    }
    let lengths = [0, 1, 7, 8, 20, 64, 65, 300];
    match value {
        Value::Boolean(value) => *value = !*value,
        Value::Integer(value) => {
            let near = [
                0,
                1,
                -1,
                128,
                1 << 16,
                -1 << 15,
                1 << 32,
                1 << 63,
                -1 << 63,
                1 << 64,
            ];
            *value = [*value, near[chance.below(near.len())]][chance.below(2)]
                + chance.below(3) as i128
                - 1;
        }
        Value::BigInteger(octets) => {
            *octets = vec![[0x55, 0xaa][chance.below(2)]; 1 + lengths[chance.below(8)]];
        }
        Value::Literal(_, literal) => *literal = chance.below(20) as u32,
        Value::Binary(octets) => octets.resize(lengths[chance.below(8)], 0x5a),
        Value::Text(text) => {
            let character = ['a', '\0', 'é', '日', '\u{1f50c}', '\u{10ffff}'][chance.below(6)];
            *text = character.to_string().repeat(lengths[chance.below(8)]);
        }
        Value::Struct(_) => {}
    }
}

/// A value of any kind, without content.
fn bare(grammar: &Grammar, chance: &mut Chance) -> Value {
    match chance.below(8) {
        0 => Value::Boolean(true),
        1 => Value::Integer(1),
        2 => Value::BigInteger(vec![1]),
        3 => Value::Literal(chance.below(30) as u32, 0),
        4 => Value::Binary(vec![1]),
        5 => Value::Text("1".into()),
        _ => {
            let structure = chance.below(grammar.structs().len().max(1));
            let fields = grammar
                .structs()
                .get(structure)
                .map_or(0, |one| one.fields.len());
            Value::Struct(Box::new(Structure {
                structure: structure as u32,
                fields: vec![Vec::new(); fields],
            }))
        }
    }
}

/// Numbers that follow from the input (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 |= 1;
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}
