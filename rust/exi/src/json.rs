//! Messages as JSON text, for callers without message types of their own: firmware, tools, other languages.
//!
//! The text is that of the Python package's `to_json`, character for character, so that either side reads what the other
//! wrote. One object `{root element: content}`; an element is its name with its content, a repeated one with a list;
//! attributes stand beside the elements; simple content is `"value"`, or stands alone where there are no attributes.
//! Binaries are text as their schema has them, in hexadecimal or base 64. The items of a repeated choice are a list of
//! `{element: content}` under the name of their field. Integers of any size are numbers.
mod decimal;
mod names;
mod read;
#[cfg(test)]
mod tests;
mod tokens;
mod write;

use alloc::string::String;
use alloc::vec::Vec;

use crate::decode::{decode, DecodeOptions, Note};
use crate::encode::{encode, EncodeOptions};
use crate::error::{Result, TableError};
use crate::grammar::Grammar;
use crate::value::{ValueBuilder, ValueSource};

use names::Names;

/// A message as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json {
    /// The message.
    pub text: String,
    /// Deviations from the specification that were borne with.
    pub notes: Vec<Note>,
}

/// One schema set, between EXI and JSON text.
#[derive(Debug)]
pub struct JsonCodec {
    grammar: Grammar,
    names: Names,
}

impl JsonCodec {
    /// Reads and validates tables (`TABLES.md`).
    ///
    /// # Errors
    /// [`TableError`] as [`Grammar::load`].
    pub fn load(tables: &[u8]) -> core::result::Result<Self, TableError> {
        Ok(Self::new(Grammar::load(tables)?))
    }

    /// For a grammar that is loaded already.
    #[must_use]
    pub fn new(grammar: Grammar) -> Self {
        let names = Names::of(&grammar);
        JsonCodec { grammar, names }
    }

    /// The grammar.
    #[must_use]
    pub fn grammar(&self) -> &Grammar {
        &self.grammar
    }

    /// The message in an EXI stream, as text.
    ///
    /// # Errors
    /// [`Error`](crate::Error) as [`decode`].
    pub fn decode(&self, octets: &[u8], options: &DecodeOptions) -> Result<Json> {
        let mut builder = ValueBuilder::new(&self.grammar);
        let decoded = decode(&self.grammar, octets, options, &mut builder)?;
        let text = write::text(
            &self.grammar,
            &self.names,
            &decoded.value,
            decoded.root,
            options.fragment,
        )?;
        Ok(Json {
            text,
            notes: decoded.notes,
        })
    }

    /// The EXI stream of a message in text. Order of the names and white space do not matter.
    ///
    /// # Errors
    /// [`Error`](crate::Error) for what is no JSON, or no message of the schema set; the reason says where in the text
    /// if it is about the text.
    pub fn encode(&self, text: &str, fragment: bool) -> Result<Vec<u8>> {
        let (root, value) = read::message(&self.grammar, &self.names, text, fragment)?;
        let options = EncodeOptions {
            fragment,
            root: Some(&root),
            ..EncodeOptions::default()
        };
        encode(&self.grammar, &ValueSource, &value, &options)
    }
}
