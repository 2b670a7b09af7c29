//! Messages of the example grammar as trees, and the bits that they begin with.
#![allow(dead_code)] // each test file uses its own part

use iso15118_exi::value::{Structure, Value, ValueBuilder};
use iso15118_exi::{decode, DecodeOptions, Decoded, Error, Grammar};

use super::car;

pub fn grammar() -> Grammar {
    Grammar::load(&car().bytes()).unwrap()
}

pub fn read(
    grammar: &Grammar,
    data: &[u8],
    options: &DecodeOptions,
) -> Result<Decoded<Value>, Box<Error>> {
    decode(grammar, data, options, &mut ValueBuilder::new(grammar))
}

pub fn node(structure: u32, fields: Vec<Vec<Value>>) -> Value {
    Value::Struct(Box::new(Structure { structure, fields }))
}

pub fn text(value: &str) -> Vec<Value> {
    vec![Value::Text(value.into())]
}

pub fn wheel(size: i128, spare: Option<bool>) -> Value {
    node(
        1,
        vec![
            vec![Value::Integer(size)],
            spare.map(Value::Boolean).into_iter().collect(),
        ],
    )
}

pub fn electric(power: i128) -> Vec<Value> {
    vec![node(2, vec![vec![Value::Integer(power)]])]
}

pub fn petrol() -> Vec<Value> {
    vec![node(3, vec![])]
}

pub fn plate(country: Option<u32>, value: &[u8]) -> Vec<Value> {
    let country = country
        .map(|literal| Value::Literal(0, literal))
        .into_iter()
        .collect();
    vec![node(4, vec![country, vec![Value::Binary(value.into())]])]
}

pub const HEAD: &str = "10000000 00";
// A wheel of size 5 with nothing else: SE Size, CH, 5, EE; then EE is the second of two productions.
pub const WHEEL: &str = "0 0 00000101 0 01";
