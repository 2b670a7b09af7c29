//! Measures the engine alone, without Python: `measure TABLES.exig HEX [fragment]` prints nanoseconds a message, as JSON.
//!
//! Decoding goes to a builder that keeps nothing; encoding draws from a tree that was decoded before.
use std::hint::black_box;
use std::time::Instant;

use iso15118_exi::value::{Discard, ValueBuilder, ValueSource};
use iso15118_exi::{decode, encode, DecodeOptions, EncodeOptions, Grammar};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, tables, hex, rest @ ..] = &arguments[..] else {
        return Err("usage: measure TABLES.exig HEX [fragment]".into());
    };
    let fragment = rest.first().is_some_and(|word| word == "fragment");
    let octets = (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16))
        .collect::<Result<Vec<u8>, _>>()?;
    let grammar = Grammar::load(&std::fs::read(tables)?)?;

    let options = DecodeOptions {
        fragment,
        ..DecodeOptions::default()
    };
    let message = decode(
        &grammar,
        &octets,
        &options,
        &mut ValueBuilder::new(&grammar),
    )?;
    let root = grammar.string(grammar.roots(fragment)[message.root].local);
    let options_out = EncodeOptions {
        fragment,
        root: Some(root),
        ..EncodeOptions::default()
    };
    let same = encode(&grammar, &ValueSource, &message.value, &options_out)? == octets;

    let decoding =
        best(|| black_box(decode(&grammar, black_box(&octets), &options, &mut Discard)).is_ok());
    let encoding = best(|| {
        black_box(encode(
            &grammar,
            &ValueSource,
            black_box(&message.value),
            &options_out,
        ))
        .is_ok()
    });
    println!(
        r#"{{"schema": "{}", "message": "{root}", "octets": {}, "same": {same}, "decode_ns": {decoding}, "encode_ns": {encoding}}}"#,
        grammar.name(),
        octets.len(),
    );
    Ok(())
}

/// The shortest of many rounds, in nanoseconds a call: what the machine can do when nothing else disturbs it.
fn best(mut run: impl FnMut() -> bool) -> u128 {
    const CALLS: u128 = 2000;
    let mut best = u128::MAX;
    for _ in 0..200 {
        let start = Instant::now();
        for _ in 0..CALLS {
            assert!(run());
        }
        best = best.min(start.elapsed().as_nanos() / CALLS);
    }
    best
}
