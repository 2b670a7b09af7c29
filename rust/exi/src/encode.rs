//! Encoding: values drawn from a [`Source`] in, octets out.
//!
//! The grammar leads: in each state the first production that has a value waiting is written. A field that is set and
//! finds no production is an error, so that nothing the caller said is ever dropped.
mod simple;
mod structure;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::bits::Writer;
use crate::decode::Refusal;
use crate::error::{Error, Result};
use crate::grammar::Grammar;

type Taken<T> = core::result::Result<T, Refusal>;

/// Hands out the values of a message. `'a` is how long the message is borrowed.
pub trait Source<'a> {
    /// A simple value or a structure, borrowed.
    type Value: Copy;
    /// A structure that is known to be an instance of its struct.
    type Fields: Copy;

    /// The struct that the value is an instance of.
    fn structure(&self, value: Self::Value) -> Option<u32>;
    /// The fields of the value if it is an instance of this struct.
    fn open(&self, value: Self::Value, structure: u32) -> Option<Self::Fields>;
    /// Content of a field that is not repeated; None if absent.
    fn one(&self, fields: Self::Fields, field: u32) -> Option<Self::Value>;
    /// The fields, of so many, that hold something, one bit each; repeated ones may be told wrongly.
    #[inline]
    fn present(&self, fields: Self::Fields, count: usize) -> u64 {
        (0..count as u32).fold(0, |present, field| {
            present | u64::from(self.one(fields, field).is_some()) << field
        })
    }
    /// Number of items in a repeated field.
    fn count(&self, fields: Self::Fields, field: u32) -> Taken<usize>;
    /// An item of a repeated field.
    fn item(&self, fields: Self::Fields, field: u32, index: usize) -> Option<Self::Value>;

    /// The value as a boolean.
    fn boolean(&self, value: Self::Value) -> Taken<bool>;
    /// The value as an integer.
    fn integer(&self, value: Self::Value) -> Taken<i128>;
    /// The value as an integer if it is one that fits: a short way, and [`integer`](Self::integer) says what is wrong.
    #[inline]
    fn short_integer(&self, value: Self::Value) -> Option<i64> {
        self.integer(value).ok()?.try_into().ok()
    }
    /// The value as an integer of any size: appends two's complement, least significant octet first, with a sign bit.
    fn big_integer(&self, value: Self::Value, octets: &mut Vec<u8>) -> Taken<()>;
    /// The value as a literal of this enumeration.
    fn enumeration(&self, value: Self::Value, enumeration: u32) -> Taken<u32>;
    /// The value as octets.
    fn binary(&self, value: Self::Value) -> Taken<&'a [u8]>;
    /// The value as characters.
    fn text(&self, value: Self::Value) -> Taken<&'a str>;
    /// What the value is, for errors: "a DCChargeLoopReq", "None".
    fn describe(&self, value: Self::Value) -> String;
}

/// What to encode as.
#[derive(Debug, Clone, Copy)]
pub struct EncodeOptions<'o> {
    /// A fragment instead of a document.
    pub fragment: bool,
    /// Name of the root element, `local` or `{uri}local`: some local names are there in two namespaces, of which the
    /// first is taken. None takes the first one with the message's struct.
    pub root: Option<&'o str>,
    /// Structures inside structures.
    pub max_depth: u32,
    /// Take binaries shorter or longer than their type allows: the caller has looked at them.
    pub any_length: bool,
}

impl Default for EncodeOptions<'_> {
    fn default() -> Self {
        EncodeOptions {
            fragment: false,
            root: None,
            max_depth: 32,
            any_length: false,
        }
    }
}

/// Encodes one message.
///
/// # Errors
/// [`Error`] if the message does not follow the grammar or the source refuses a value.
pub fn encode<'a, S: Source<'a>>(
    grammar: &Grammar,
    source: &S,
    message: S::Value,
    options: &EncodeOptions<'_>,
) -> Result<Vec<u8>> {
    let mut encoder = Encoder {
        grammar,
        source,
        writer: Writer::with_capacity(256),
        cursors: Vec::new(),
        options,
    };
    encoder.message(message)?;
    Ok(encoder.writer.finish())
}

struct Encoder<'g, 's, S> {
    grammar: &'g Grammar,
    source: &'s S,
    writer: Writer,
    /// Items written of each field of each open structure that has repeated ones, and items there are.
    cursors: Vec<(usize, usize)>,
    options: &'s EncodeOptions<'s>,
}

#[cold]
fn fail(reason: impl Into<String>, expected: impl Into<String>) -> Box<Error> {
    Error::new(reason, expected, None)
}
