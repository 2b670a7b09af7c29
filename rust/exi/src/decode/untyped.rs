//! What stands behind an escape code: empty values and values as text, which other codecs may write and this one never does.
use alloc::format;
use alloc::string::String;

use super::{Builder, Decoder, Note};
use crate::bits::Reader;
use crate::datatype::{describe, Datatype, Lengths};
use crate::error::{Error, Result};
use crate::grammar::{expectation, Event, State};
use crate::lexical::{self, Parsed};
use crate::second_level::{self, truncated, Phase, Second};

impl<B: Builder> Decoder<'_, '_, '_, B> {
    /// The escape instead of CH in an element of simple type.
    #[cold]
    pub(super) fn escaped_value(&mut self, datatype: u32) -> Result<B::Value> {
        let at = self.reader.position() - 1;
        match second_level::read(&mut self.reader, false, Phase::Start)? {
            Second::EndElement => self.empty_value(datatype, at),
            Second::UntypedCharacters => self.untyped_value(datatype, at),
        }
    }

    /// An escape code in a state of a structure: an empty or an untyped text content ends it, all else is refused.
    #[cold]
    pub(super) fn escape(
        &mut self,
        rules: &State,
        code: u32,
        at: usize,
        phase: Phase,
    ) -> Result<()> {
        let productions = self.grammar.productions(rules);
        let expected = || expectation(self.grammar, productions);
        if code > u32::from(rules.count) {
            return Err(Error::new(
                format!("event code {code} of {}", rules.count),
                expected(),
                Some(at),
            ));
        }
        let text = productions
            .iter()
            .find(|production| production.event == Event::Characters);
        let second = second_level::read(&mut self.reader, rules.has_end, phase)?;
        let (value, field) = match (second, text) {
            (Second::EndElement, Some(text)) => (self.empty_value(text.target, at)?, text.field),
            (Second::UntypedCharacters, Some(text)) => {
                (self.untyped_value(text.target, at)?, text.field)
            }
            (Second::EndElement, None) => {
                return Err(Error::new(
                    "the element ends too early",
                    expected(),
                    Some(at),
                ))
            }
            (Second::UntypedCharacters, None) => {
                return Err(Error::new("text without type", expected(), Some(at)))
            }
        };
        self.builder
            .put(u32::from(field), value)
            .map_err(|refusal| self.error(refusal, ""))
    }

    /// EE where a value was due: fine for types that may be empty.
    fn empty_value(&mut self, datatype: u32, at: usize) -> Result<B::Value> {
        let grammar = self.grammar;
        let value = match grammar.datatypes.get(datatype as usize) {
            Some(Datatype::Text { lengths }) => {
                self.fits(0, lengths, "characters", at)?;
                self.builder.text("")
            }
            Some(Datatype::Binary { lengths, .. }) => {
                self.fits(0, lengths, "octets", at)?;
                match Reader::new(&[]).run(0) {
                    Ok(run) => self.builder.binary(run),
                    Err(_) => return Err(truncated(at)),
                }
            }
            _ => return Err(Error::new("an empty element", "a value", Some(at))),
        };
        self.note(Note::EmptyByEnd(at));
        value.map_err(|refusal| self.error(refusal, ""))
    }

    /// A value as text, and the end of the element after it: CH may follow again, so EE is on the second level.
    fn untyped_value(&mut self, datatype: u32, at: usize) -> Result<B::Value> {
        let grammar = self.grammar;
        let Some(datatype) = grammar.datatypes.get(datatype as usize) else {
            return Err(truncated(at));
        };
        let mut text = String::new();
        let any = Lengths {
            min: 0,
            max: u64::MAX,
        };
        self.text(&any, |_, value| {
            text.push_str(value);
            Ok(())
        })?;
        let Some(parsed) = lexical::parse(grammar, datatype, text) else {
            return Err(Error::new(
                "text that is no value of the type",
                describe(grammar, datatype),
                Some(at),
            ));
        };
        let value = self.parsed_value(datatype, parsed, at)?;
        let end = self.reader.position();
        if self.bits(1)? == 0
            || second_level::read(&mut self.reader, false, Phase::Content)? != Second::EndElement
        {
            return Err(Error::new(
                "more text after a value",
                "end of element",
                Some(end),
            ));
        }
        self.note(Note::UntypedCharacters(at));
        Ok(value)
    }

    fn parsed_value(&mut self, datatype: &Datatype, parsed: Parsed, at: usize) -> Result<B::Value> {
        let within = match (datatype, &parsed) {
            (Datatype::NBit { minimum, count, .. }, Parsed::NBit(value)) => {
                *minimum <= *value && *value < *minimum + i64::from(*count)
            }
            (Datatype::Unsigned { min, max }, Parsed::Unsigned(value)) => {
                min <= value && value <= max
            }
            (Datatype::Signed { min, max }, Parsed::Signed(value)) => min <= value && value <= max,
            (Datatype::Binary { lengths, .. }, Parsed::Binary(octets)) => {
                lengths.allow(octets.len() as u64)
            }
            (Datatype::Text { lengths }, Parsed::Text(text)) => {
                lengths.allow(text.chars().count() as u64)
            }
            _ => true,
        };
        if !within {
            return Err(Error::new(
                "text beyond the limits of the type",
                describe(self.grammar, datatype),
                Some(at),
            ));
        }
        match parsed {
            Parsed::Boolean(value) => self.builder.boolean(value),
            Parsed::Unsigned(value) => self.builder.unsigned(value),
            Parsed::NBit(value) | Parsed::Signed(value) => self.builder.signed(value),
            Parsed::Integer(octets) => self.builder.integer(&octets),
            Parsed::Text(text) => self.builder.text(&text),
            Parsed::Binary(octets) => match Reader::new(&octets).run(octets.len()) {
                Ok(run) => self.builder.binary(run),
                Err(_) => return Err(truncated(at)),
            },
            Parsed::Enumeration(literal) => match datatype {
                Datatype::Enumeration { enumeration, .. } => {
                    self.builder.enumeration(*enumeration, literal)
                }
                _ => return Err(truncated(at)),
            },
        }
        .map_err(|refusal| self.error(refusal, ""))
    }
}
