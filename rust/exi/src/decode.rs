//! Decoding: octets in, calls on a [`Builder`] out, one per value and two per structure.
//!
//! Nothing is allocated on the word of a length field: lengths are compared with what is left of the stream first.
mod simple;
mod structure;
mod untyped;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::bits::{BadUnsigned, ByteRun, Reader};
use crate::error::{Error, Result};
use crate::grammar::Grammar;
use crate::second_level::truncated;

/// Distinguishing bits 10, no options, final version 1: the only header in V2G.
pub(crate) const HEADER: u8 = 0x80;

/// Why a builder does not take a value.
pub type Refusal = String;

/// Takes the values of a message as they are read.
///
/// `start`, `put` for every field that is present (in order of arrival, several times for a repeated one), `finish`;
/// structures nest in between, and the value of an inner `finish` is `put` into the outer one.
pub trait Builder {
    /// A finished simple value or structure.
    type Value;

    /// A boolean.
    fn boolean(&mut self, value: bool) -> core::result::Result<Self::Value, Refusal>;
    /// An integer that is never negative.
    fn unsigned(&mut self, value: u64) -> core::result::Result<Self::Value, Refusal>;
    /// Any other integer of at most 64 bits.
    fn signed(&mut self, value: i64) -> core::result::Result<Self::Value, Refusal>;
    /// An integer of any size: two's complement, least significant octet first.
    fn integer(&mut self, octets: &[u8]) -> core::result::Result<Self::Value, Refusal>;
    /// A literal of an enumeration.
    fn enumeration(
        &mut self,
        enumeration: u32,
        literal: u32,
    ) -> core::result::Result<Self::Value, Refusal>;
    /// Octets.
    fn binary(&mut self, run: ByteRun<'_>) -> core::result::Result<Self::Value, Refusal>;
    /// Characters.
    fn text(&mut self, value: &str) -> core::result::Result<Self::Value, Refusal>;
    /// A structure begins.
    fn start(&mut self, structure: u32) -> core::result::Result<(), Refusal>;
    /// A value for a field of the innermost open structure.
    fn put(&mut self, field: u32, value: Self::Value) -> core::result::Result<(), Refusal>;
    /// The innermost open structure is complete.
    fn finish(&mut self, structure: u32) -> core::result::Result<Self::Value, Refusal>;
}

/// What to decode, and how much to bear with.
#[derive(Debug, Clone, Copy)]
pub struct DecodeOptions {
    /// A fragment instead of a document.
    pub fragment: bool,
    /// Read an array at its greatest length with the codes it has below that, as one code generator in the field writes.
    pub open_arrays: bool,
    /// Take strings and binaries that are shorter or longer than their type allows, such as an empty EVSEID or an eMAID
    /// of 18 characters. What the stream has room for bounds them.
    pub any_length: bool,
    /// Refuse octets after the document and padding that is not zero.
    pub strict: bool,
    /// Elements inside elements. The deepest V2G message has about ten.
    pub max_depth: u32,
    /// Elements in all. The greatest schedules of ISO 15118-20 have some ten thousand; an element takes at least two
    /// bits, and many times more in memory, so that the size of the input alone would bound it too loosely.
    pub max_elements: u32,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        DecodeOptions {
            fragment: false,
            open_arrays: false,
            any_length: false,
            strict: false,
            max_depth: 32,
            max_elements: 250_000,
        }
    }
}

/// A deviation from what this engine would have written, borne with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Octets after the end.
    TrailingOctets(usize),
    /// The bits that fill up the last octet are not zero.
    Padding,
    /// An empty value as a missing one (EE instead of CH); at this bit.
    EmptyByEnd(usize),
    /// A value as untyped characters; at this bit.
    UntypedCharacters(usize),
    /// An array at its greatest length, coded as if it could go on; at this bit.
    OpenArray(usize),
    /// The abstract head of a substitution group, empty, where one of its members belongs: left out; at this bit.
    EmptyAbstract(usize),
    /// A string or a binary shorter than its type allows; at this bit.
    Short(usize),
    /// A string or a binary longer than its type allows; at this bit.
    Long(usize),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::TrailingOctets(count) => write!(f, "trailing-octets: {count} after the end"),
            Note::Padding => write!(f, "padding: not zero"),
            Note::EmptyByEnd(bit) => write!(
                f,
                "empty-by-end: an empty value coded as end of element at bit {bit}"
            ),
            Note::UntypedCharacters(bit) => {
                write!(f, "untyped-characters: a value coded as text at bit {bit}")
            }
            Note::EmptyAbstract(bit) => write!(
                f,
                "empty-abstract: an abstract element without content left out at bit {bit}"
            ),
            Note::Short(bit) => write!(
                f,
                "short: a value shorter than its type allows at bit {bit}"
            ),
            Note::Long(bit) => write!(f, "long: a value longer than its type allows at bit {bit}"),
            Note::OpenArray(bit) => write!(
                f,
                "open-array: a full array coded as one that may go on at bit {bit}"
            ),
        }
    }
}

/// A decoded message.
#[derive(Debug)]
pub struct Decoded<V> {
    /// What the builder made of the root element.
    pub value: V,
    /// Index of the root among [`Grammar::roots`].
    pub root: usize,
    /// Deviations, the first sixteen.
    pub notes: Vec<Note>,
}

const MAX_NOTES: usize = 16;

/// Decodes one message.
///
/// # Errors
/// [`Error`] for anything that is not a message of the grammar, or that the builder refuses.
pub fn decode<B: Builder>(
    grammar: &Grammar,
    data: &[u8],
    options: &DecodeOptions,
    builder: &mut B,
) -> Result<Decoded<B::Value>> {
    let mut decoder = Decoder {
        grammar,
        reader: Reader::new(data),
        builder,
        options,
        notes: Vec::new(),
        elements: options.max_elements,
    };
    let (value, root) = decoder.message()?;
    Ok(Decoded {
        value,
        root,
        notes: decoder.notes,
    })
}

struct Decoder<'g, 'd, 'b, B> {
    grammar: &'g Grammar,
    reader: Reader<'d>,
    builder: &'b mut B,
    options: &'b DecodeOptions,
    notes: Vec<Note>,
    /// Elements that may still come.
    elements: u32,
}

impl<B> Decoder<'_, '_, '_, B> {
    #[inline]
    fn bits(&mut self, width: u32) -> Result<u32> {
        let at = self.reader.position();
        self.reader.bits(width).map_err(|_| truncated(at))
    }

    #[inline]
    fn unsigned(&mut self) -> Result<u64> {
        let at = self.reader.position();
        self.reader.unsigned().map_err(|bad| match bad {
            BadUnsigned::Truncated => truncated(at),
            BadUnsigned::TooLong => Error::new("an integer beyond 64 bits", "", Some(at)),
        })
    }

    #[cold]
    fn error(&self, reason: impl Into<String>, expected: impl Into<String>) -> Box<Error> {
        Error::new(reason, expected, Some(self.reader.position()))
    }

    #[cold]
    fn note(&mut self, note: Note) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        }
    }
}
