//! A message as a tree, for tests and for callers without types of their own; and a builder that keeps nothing.
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::bits::ByteRun;
use crate::decode::{Builder, Refusal};
use crate::encode::Source;
use crate::grammar::Grammar;

type Taken<T> = core::result::Result<T, Refusal>;

/// A simple value or a structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A boolean.
    Boolean(bool),
    /// An integer of at most 64 bits.
    Integer(i128),
    /// An integer of any size: two's complement, least significant octet first, no more octets than it needs.
    BigInteger(Vec<u8>),
    /// A literal of an enumeration, both by position.
    Literal(u32, u32),
    /// Octets.
    Binary(Vec<u8>),
    /// Characters.
    Text(String),
    /// A structure.
    Struct(Box<Structure>),
}

/// A structure: its number in the grammar and the content of its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    /// Number of the struct.
    pub structure: u32,
    /// One entry for each field; one that is not repeated holds none or one value.
    pub fields: Vec<Vec<Value>>,
}

/// Builds a [`Value`].
#[derive(Debug)]
pub struct ValueBuilder<'g> {
    grammar: &'g Grammar,
    open: Vec<Structure>,
}

impl<'g> ValueBuilder<'g> {
    /// A builder for messages of this grammar.
    #[must_use]
    pub fn new(grammar: &'g Grammar) -> Self {
        ValueBuilder {
            grammar,
            open: Vec::new(),
        }
    }
}

impl Builder for ValueBuilder<'_> {
    type Value = Value;

    fn boolean(&mut self, value: bool) -> Taken<Value> {
        Ok(Value::Boolean(value))
    }
    fn unsigned(&mut self, value: u64) -> Taken<Value> {
        Ok(Value::Integer(value.into()))
    }
    fn signed(&mut self, value: i64) -> Taken<Value> {
        Ok(Value::Integer(value.into()))
    }
    fn integer(&mut self, octets: &[u8]) -> Taken<Value> {
        Ok(Value::BigInteger(shortest(octets)))
    }
    fn enumeration(&mut self, enumeration: u32, literal: u32) -> Taken<Value> {
        Ok(Value::Literal(enumeration, literal))
    }
    fn binary(&mut self, run: ByteRun<'_>) -> Taken<Value> {
        Ok(Value::Binary(run.to_vec()))
    }
    fn text(&mut self, value: &str) -> Taken<Value> {
        Ok(Value::Text(value.into()))
    }
    fn start(&mut self, structure: u32) -> Taken<()> {
        let count = self
            .grammar
            .structs()
            .get(structure as usize)
            .map_or(0, |entry| entry.fields.len());
        self.open.push(Structure {
            structure,
            fields: alloc::vec![Vec::new(); count],
        });
        Ok(())
    }
    fn put(&mut self, field: u32, value: Value) -> Taken<()> {
        match self
            .open
            .last_mut()
            .and_then(|open| open.fields.get_mut(field as usize))
        {
            Some(content) => content.push(value),
            None => return Err("a value outside of any structure".into()),
        }
        Ok(())
    }
    fn finish(&mut self, _structure: u32) -> Taken<Value> {
        match self.open.pop() {
            Some(done) => Ok(Value::Struct(Box::new(done))),
            None => Err("an end outside of any structure".into()),
        }
    }
}

/// Two's complement without octets that only repeat the sign.
fn shortest(octets: &[u8]) -> Vec<u8> {
    let mut octets = octets.to_vec();
    while let [.., below, top] = octets[..] {
        let sign = if below & 0x80 == 0 { 0 } else { 0xff };
        if top != sign {
            break;
        }
        octets.pop();
    }
    octets
}

/// Hands out a [`Value`].
#[derive(Debug, Clone, Copy)]
pub struct ValueSource;

impl<'a> Source<'a> for ValueSource {
    type Value = &'a Value;
    type Fields = &'a [Vec<Value>];

    fn structure(&self, value: &'a Value) -> Option<u32> {
        match value {
            Value::Struct(node) => Some(node.structure),
            _ => None,
        }
    }
    #[inline]
    fn open(&self, value: &'a Value, structure: u32) -> Option<&'a [Vec<Value>]> {
        match value {
            Value::Struct(node) if node.structure == structure => Some(&node.fields),
            _ => None,
        }
    }
    #[inline]
    fn one(&self, fields: &'a [Vec<Value>], field: u32) -> Option<&'a Value> {
        fields.get(field as usize)?.first()
    }
    #[inline]
    fn present(&self, fields: &'a [Vec<Value>], _count: usize) -> u64 {
        // The first field is the lowest bit.
        let filled = |present, content: &Vec<Value>| present << 1 | u64::from(!content.is_empty());
        fields.iter().rev().fold(0, filled)
    }
    #[inline]
    fn count(&self, fields: &'a [Vec<Value>], field: u32) -> Taken<usize> {
        let items = fields.get(field as usize).map(Vec::len);
        items.ok_or_else(|| "a field that the struct has not".into())
    }
    #[inline]
    fn item(&self, fields: &'a [Vec<Value>], field: u32, index: usize) -> Option<&'a Value> {
        fields.get(field as usize)?.get(index)
    }
    #[inline]
    fn boolean(&self, value: &'a Value) -> Taken<bool> {
        match value {
            Value::Boolean(value) => Ok(*value),
            other => Err(self.describe(other)),
        }
    }
    fn integer(&self, value: &'a Value) -> Taken<i128> {
        match value {
            Value::Integer(value) => Ok(*value),
            other => Err(self.describe(other)),
        }
    }
    #[inline]
    fn short_integer(&self, value: &'a Value) -> Option<i64> {
        match value {
            Value::Integer(value) => i64::try_from(*value).ok(),
            _ => None,
        }
    }
    fn big_integer(&self, value: &'a Value, octets: &mut Vec<u8>) -> Taken<()> {
        match value {
            Value::BigInteger(value) => octets.extend_from_slice(value),
            other => return Err(self.describe(other)),
        }
        Ok(())
    }
    #[inline]
    fn enumeration(&self, value: &'a Value, enumeration: u32) -> Taken<u32> {
        match value {
            Value::Literal(of, literal) if *of == enumeration => Ok(*literal),
            other => Err(self.describe(other)),
        }
    }
    #[inline]
    fn binary(&self, value: &'a Value) -> Taken<&'a [u8]> {
        match value {
            Value::Binary(value) => Ok(value),
            other => Err(self.describe(other)),
        }
    }
    #[inline]
    fn text(&self, value: &'a Value) -> Taken<&'a str> {
        match value {
            Value::Text(value) => Ok(value),
            other => Err(self.describe(other)),
        }
    }
    fn describe(&self, value: &'a Value) -> String {
        match value {
            Value::Struct(node) => format!("struct {}", node.structure),
            other => format!("{other:?}"),
        }
    }
}

/// A builder that keeps nothing: to check octets, and to measure the engine alone.
#[derive(Debug, Clone, Copy)]
pub struct Discard;

impl Builder for Discard {
    type Value = ();

    fn boolean(&mut self, _value: bool) -> Taken<()> {
        Ok(())
    }
    fn unsigned(&mut self, _value: u64) -> Taken<()> {
        Ok(())
    }
    fn signed(&mut self, _value: i64) -> Taken<()> {
        Ok(())
    }
    fn integer(&mut self, _octets: &[u8]) -> Taken<()> {
        Ok(())
    }
    fn enumeration(&mut self, _enumeration: u32, _literal: u32) -> Taken<()> {
        Ok(())
    }
    fn binary(&mut self, _run: ByteRun<'_>) -> Taken<()> {
        Ok(())
    }
    fn text(&mut self, _value: &str) -> Taken<()> {
        Ok(())
    }
    fn start(&mut self, _structure: u32) -> Taken<()> {
        Ok(())
    }
    fn put(&mut self, _field: u32, _value: ()) -> Taken<()> {
        Ok(())
    }
    fn finish(&mut self, _structure: u32) -> Taken<()> {
        Ok(())
    }
}
