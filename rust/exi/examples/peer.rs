//! The engine alone, without Python, as a codec of `benchmarks/exi_peers`: `peer TABLES_DIR MESSAGES`, the latter a file with one
//! message a line, `SCHEMA HEX`. Then on stdin, one answer a line each: `decode I N`, `encode I N` -> nanoseconds for N codings of
//! message I; `same I` -> the octets as they come out again, in hex.
//!
//! Decoding goes to a builder that keeps nothing; encoding draws from a tree that was decoded before.
use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::hint::black_box;
use std::io::{stdin, stdout, BufRead, Write as _};
use std::path::Path;
use std::time::Instant;

use iso15118_exi::value::{Discard, Value, ValueBuilder, ValueSource};
use iso15118_exi::{decode, encode, DecodeOptions, EncodeOptions, Grammar};

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Message {
    schema: String,
    octets: Vec<u8>,
    value: Value,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, tables, file] = &arguments[..] else {
        return Err("usage: peer TABLES_DIR MESSAGES".into());
    };
    let lines = std::fs::read_to_string(file)?;
    let lines: Vec<(&str, &str)> = lines
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    let mut grammars = HashMap::new();
    for (schema, _) in &lines {
        if !grammars.contains_key(*schema) {
            let path = Path::new(tables).join(format!("{schema}.exig"));
            grammars.insert((*schema).to_owned(), Grammar::load(&std::fs::read(path)?)?);
        }
    }
    let mut messages = Vec::new();
    for (schema, hex) in &lines {
        let octets = from_hex(hex)?;
        let grammar = &grammars[*schema];
        let mut tree = ValueBuilder::new(grammar);
        let value = decode(grammar, &octets, &DecodeOptions::default(), &mut tree)?.value;
        messages.push(Message {
            schema: (*schema).to_owned(),
            octets,
            value,
        });
    }
    for line in stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let (verb, index, calls) = match words[..] {
            [verb, index] => (verb, index.parse::<usize>()?, 0),
            [verb, index, calls] => (verb, index.parse()?, calls.parse()?),
            _ => return Err("no such command".into()),
        };
        let message = messages.get(index).ok_or("no such message")?;
        println!(
            "{}",
            answer(&grammars[&message.schema], message, verb, calls)?
        );
        stdout().flush()?;
    }
    Ok(())
}

fn answer(grammar: &Grammar, message: &Message, verb: &str, calls: u64) -> Outcome<String> {
    match verb {
        "decode" => timed(calls, || {
            let octets = black_box(&message.octets);
            black_box(decode(
                grammar,
                octets,
                &DecodeOptions::default(),
                &mut Discard,
            ))
            .is_ok()
        }),
        "encode" => timed(calls, || {
            let value = black_box(&message.value);
            black_box(encode(
                grammar,
                &ValueSource,
                value,
                &EncodeOptions::default(),
            ))
            .is_ok()
        }),
        "same" => {
            let octets = encode(
                grammar,
                &ValueSource,
                &message.value,
                &EncodeOptions::default(),
            )?;
            Ok(octets.iter().fold(String::new(), |mut hex, octet| {
                let _ = write!(hex, "{octet:02x}");
                hex
            }))
        }
        _ => Err("no such command".into()),
    }
}

fn timed(calls: u64, mut call: impl FnMut() -> bool) -> Outcome<String> {
    let start = Instant::now();
    for _ in 0..calls {
        if !call() {
            return Err("a message is refused".into());
        }
    }
    Ok(start.elapsed().as_nanos().to_string())
}

fn from_hex(hex: &str) -> Outcome<Vec<u8>> {
    let octet = |at: usize| hex.get(at..at + 2).ok_or("half an octet");
    (0..hex.len())
        .step_by(2)
        .map(|at| Ok(u8::from_str_radix(octet(at)?, 16)?))
        .collect()
}
