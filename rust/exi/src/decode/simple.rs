//! Typed values: each datatype from its bits, with its facets.
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Builder, Decoder, Note, Refusal};
use crate::datatype::{describe, span, Datatype, Lengths, MAX_INTEGER_OCTETS};
use crate::error::{Error, Result};
use crate::second_level::{self, truncated, Phase, Second};

impl<B: Builder> Decoder<'_, '_, '_, B> {
    /// SE was read: CH, the value, EE.
    #[inline]
    pub(super) fn simple_element(&mut self, datatype: u32) -> Result<B::Value> {
        self.count_element()?;
        match self.framed_value(datatype) {
            Some(value) => value.map_err(|refusal| self.error(refusal, "")),
            None => self.unframed_value(datatype),
        }
    }

    /// CH, value and EE in one look, for the types and values that nearly all elements have. None, and nothing read, if
    /// there is anything to be said about it.
    #[inline]
    fn framed_value(&mut self, datatype: u32) -> Option<core::result::Result<B::Value, Refusal>> {
        let grammar = self.grammar;
        let mut ahead = self.reader.clone();
        let datatype = grammar.datatypes.get(datatype as usize)?;
        // The two of a physical value first, and compared one by one: a jump through a table is predicted badly here.
        if let Datatype::Signed { min, max } = datatype {
            let (negative, magnitude) = ahead.framed_integer(true)?;
            // -(magnitude + 1) when negative; a framed magnitude has 42 bits at most
            let value = magnitude as i64 ^ -i64::from(negative);
            if value < *min || value > *max {
                return None;
            }
            self.reader = ahead;
            return Some(self.builder.signed(value));
        }
        if let Datatype::NBit {
            minimum,
            count,
            width,
        } = datatype
        {
            let code = ahead.framed_bits(*width)?;
            if code >= *count {
                return None;
            }
            self.reader = ahead;
            return Some(self.builder.signed(*minimum + i64::from(code)));
        }
        self.other_framed_value(datatype)
    }

    #[inline(never)]
    fn other_framed_value(
        &mut self,
        datatype: &Datatype,
    ) -> Option<core::result::Result<B::Value, Refusal>> {
        let mut ahead = self.reader.clone();
        match datatype {
            Datatype::Unsigned { min, max } => {
                let (_, value) = ahead.framed_integer(false)?;
                if value < *min || value > *max {
                    return None;
                }
                self.reader = ahead;
                Some(self.builder.unsigned(value))
            }
            Datatype::Enumeration {
                enumeration,
                count,
                width,
            } => {
                let code = ahead.framed_bits(*width)?;
                if code >= *count {
                    return None;
                }
                self.reader = ahead;
                Some(self.builder.enumeration(*enumeration, code))
            }
            Datatype::Boolean => {
                let code = self.reader.framed_bits(1)?;
                Some(self.builder.boolean(code != 0))
            }
            _ => None,
        }
    }

    fn unframed_value(&mut self, datatype: u32) -> Result<B::Value> {
        if self.bits(1)? != 0 {
            return self.escaped_value(datatype);
        }
        let value = self.simple_value(datatype)?;
        let at = self.reader.position();
        if self.bits(1)? == 0 {
            return Ok(value);
        }
        match second_level::read(&mut self.reader, true, Phase::Content)? {
            Second::EndElement | Second::UntypedCharacters => {
                Err(Error::new("text after a value", "end of element", Some(at)))
            }
        }
    }

    /// The typed value itself.
    #[inline]
    pub(super) fn simple_value(&mut self, datatype: u32) -> Result<B::Value> {
        let grammar = self.grammar;
        let Some(datatype) = grammar.datatypes.get(datatype as usize) else {
            return Err(self.error("a lost datatype", ""));
        };
        let at = self.reader.position();
        let value = match datatype {
            Datatype::NBit {
                minimum,
                count,
                width,
            } => {
                let code = self.bits(*width)?;
                if code >= *count {
                    return Err(self.beyond(datatype, format!("code {code}"), at));
                }
                self.builder.signed(*minimum + i64::from(code))
            }
            Datatype::Unsigned { min, max } => {
                let value = self.unsigned()?;
                if value < *min || value > *max {
                    return Err(self.beyond(datatype, format!("{value}"), at));
                }
                self.builder.unsigned(value)
            }
            Datatype::Enumeration {
                enumeration,
                count,
                width,
            } => {
                let code = self.bits(*width)?;
                if code >= *count {
                    return Err(self.beyond(datatype, format!("literal number {code}"), at));
                }
                self.builder.enumeration(*enumeration, code)
            }
            Datatype::Boolean => {
                let value = self.bits(1)? != 0;
                self.builder.boolean(value)
            }
            Datatype::Signed { min, max } => {
                let negative = self.bits(1)? != 0;
                let magnitude = self.unsigned()?;
                match i64::try_from(magnitude) {
                    // -(magnitude + 1)
                    Ok(value) if negative && *min <= !value && !value <= *max => {
                        self.builder.signed(!value)
                    }
                    Ok(value) if !negative && *min <= value && value <= *max => {
                        self.builder.signed(value)
                    }
                    _ => {
                        let value = if negative {
                            -1 - i128::from(magnitude)
                        } else {
                            i128::from(magnitude)
                        };
                        return Err(self.beyond(datatype, format!("{value}"), at));
                    }
                }
            }
            Datatype::Binary { lengths, .. } => {
                let length = self.length(lengths, at)?;
                let run = self.reader.run(length).map_err(|_| truncated(at))?;
                self.builder.binary(run)
            }
            Datatype::Text { lengths } => return self.text(lengths, B::text),
            Datatype::Integer => {
                let octets = self.big_integer()?;
                self.builder.integer(&octets)
            }
        };
        value.map_err(|refusal| Error::new(refusal, "", Some(at)))
    }

    fn length(&mut self, lengths: &Lengths, at: usize) -> Result<usize> {
        let length = self.unsigned()?;
        self.fits(length, lengths, "octets", at)
    }

    /// Compares a length with the octets that are left, each item taking one at least, and with the facets.
    pub(super) fn fits(
        &mut self,
        length: u64,
        lengths: &Lengths,
        unit: &str,
        at: usize,
    ) -> Result<usize> {
        let left = self.reader.remaining() / 8;
        match usize::try_from(length) {
            Ok(fitting) if fitting <= left => {
                if !lengths.allow(length) {
                    if !self.options.any_length {
                        let expected = span(lengths, unit);
                        return Err(Error::new(
                            format!("a length of {length}"),
                            expected,
                            Some(at),
                        ));
                    }
                    self.note(if length < lengths.min {
                        Note::Short(at)
                    } else {
                        Note::Long(at)
                    });
                }
                Ok(fitting)
            }
            _ => Err(Error::new(
                format!("a length of {length} with {left} octets left"),
                span(lengths, unit),
                Some(at),
            )),
        }
    }

    pub(super) fn text<T>(
        &mut self,
        lengths: &Lengths,
        take: impl FnOnce(&mut B, &str) -> core::result::Result<T, Refusal>,
    ) -> Result<T> {
        let at = self.reader.position();
        let code = self.unsigned()?;
        let Some(length) = code.checked_sub(2) else {
            return Err(Error::new(
                "a string table hit, whose capacity is 0",
                "a string in full",
                Some(at),
            ));
        };
        let length = self.fits(length, lengths, "characters", at)?;
        // ASCII is one octet a character, so that the run is the text unless an octet has its top bit set.
        let mut ahead = self.reader.clone();
        let run = ahead.run(length).map_err(|_| truncated(at))?;
        let mut short = [0u8; 64];
        let mut long = Vec::new();
        let buffer = match short.get_mut(..length) {
            Some(buffer) => buffer,
            None => {
                long.resize(length, 0);
                &mut long[..]
            }
        };
        run.copy_to(buffer);
        let taken = match core::str::from_utf8(buffer) {
            Ok(text) if buffer.is_ascii() => {
                self.reader = ahead;
                take(self.builder, text)
            }
            _ => {
                let text = self.code_points(length)?;
                take(self.builder, &text)
            }
        };
        taken.map_err(|refusal| Error::new(refusal, "", Some(at)))
    }

    #[cold]
    fn code_points(&mut self, length: usize) -> Result<String> {
        let mut text = String::with_capacity(length);
        for _ in 0..length {
            let at = self.reader.position();
            let point = self.unsigned()?;
            match u32::try_from(point).ok().and_then(char::from_u32) {
                Some(character) => text.push(character),
                None => {
                    return Err(Error::new(
                        format!("code point {point}"),
                        "a Unicode character",
                        Some(at),
                    ))
                }
            }
        }
        Ok(text)
    }

    /// Two's complement, least significant octet first.
    #[cold]
    fn big_integer(&mut self) -> Result<Vec<u8>> {
        let at = self.reader.position();
        let negative = self.bits(1)? != 0;
        let mut octets = Vec::new();
        let (mut pending, mut count) = (0u32, 0);
        for index in 0.. {
            let octet = self.bits(8)?;
            if index == MAX_INTEGER_OCTETS {
                return Err(Error::new(
                    "an integer too long",
                    format!("{MAX_INTEGER_OCTETS} octets at most"),
                    Some(at),
                ));
            }
            pending |= (octet & 0x7f) << count;
            count += 7;
            if count >= 8 {
                octets.push(pending as u8);
                pending >>= 8;
                count -= 8;
            }
            if octet & 0x80 == 0 {
                break;
            }
        }
        // The bits left and one octet for the sign.
        octets.extend([pending as u8, 0]);
        if negative {
            octets.iter_mut().for_each(|octet| *octet = !*octet);
        }
        Ok(octets)
    }

    #[cold]
    fn beyond(&self, datatype: &Datatype, found: String, at: usize) -> Box<Error> {
        Error::new(found, describe(self.grammar, datatype), Some(at))
    }
}
