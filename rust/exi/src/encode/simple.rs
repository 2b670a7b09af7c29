//! Typed values: each datatype to its bits, after its facets.
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{fail, Encoder, Source};
use crate::bits::{groups, Writer};
use crate::datatype::{describe, span, Datatype, MAX_INTEGER_OCTETS};
use crate::decode::Refusal;
use crate::error::Result;

impl<'a, S: Source<'a>> Encoder<'_, '_, S> {
    /// SE, CH, the value and EE at one go.
    #[inline]
    pub(super) fn simple_element(
        &mut self,
        code: u32,
        width: u32,
        datatype: u32,
        value: S::Value,
    ) -> Result<()> {
        if let Some((bits, size)) = self.short_value(datatype, value) {
            let size = width + size + 2;
            if size <= 32 {
                // CH and EE are zero bits around the value.
                let code = u64::from(code) << (size - width);
                self.writer.bits(code as u32 | bits << 1, size);
                return Ok(());
            }
        }
        self.writer.bits(code << 1, width + 1);
        self.simple_value(datatype, value)?;
        self.writer.bits(0, 1);
        Ok(())
    }

    /// The bits of a value, and how many, for the types and values that nearly all elements have; None if it is long or
    /// if there is anything to be said about it.
    #[inline]
    fn short_value(&self, datatype: u32, value: S::Value) -> Option<(u32, u32)> {
        let source = self.source;
        match self.grammar.datatypes.get(datatype as usize)? {
            Datatype::Signed { min, max } => {
                let number = source.short_integer(value)?;
                if number < *min || number > *max {
                    return None;
                }
                // The sign, and -(magnitude + 1) when negative.
                let sign = number >> 63;
                let (code, width) = groups((number ^ sign) as u64)?;
                Some((code | (sign as u32 & 1) << width, width + 1))
            }
            Datatype::NBit {
                minimum,
                count,
                width,
            } => {
                let code = source.short_integer(value)?.checked_sub(*minimum)?;
                let code = u32::try_from(code).ok()?;
                (code < *count).then_some((code, *width))
            }
            Datatype::Enumeration {
                enumeration,
                count,
                width,
            } => {
                let code = source.enumeration(value, *enumeration).ok()?;
                (code < *count).then_some((code, *width))
            }
            Datatype::Unsigned { min, max } => {
                let number = u64::try_from(source.short_integer(value)?).ok()?;
                if number < *min || number > *max {
                    return None;
                }
                groups(number)
            }
            Datatype::Boolean => Some((source.boolean(value).ok()?.into(), 1)),
            Datatype::Binary { .. } | Datatype::Text { .. } | Datatype::Integer => None,
        }
    }

    /// The value alone.
    pub(super) fn simple_value(&mut self, datatype: u32, value: S::Value) -> Result<()> {
        let grammar = self.grammar;
        let Some(datatype) = grammar.datatypes.get(datatype as usize) else {
            return Err(fail("a lost datatype", ""));
        };
        let source = self.source;
        let writer = &mut self.writer;
        let beyond = |found: String| fail(found, describe(grammar, datatype));
        let refused = |refusal: Refusal| fail(refusal, describe(grammar, datatype));
        match datatype {
            Datatype::Boolean => writer.bits(u32::from(source.boolean(value).map_err(refused)?), 1),
            Datatype::NBit {
                minimum,
                count,
                width,
            } => {
                let number = source.integer(value).map_err(refused)?;
                match number.checked_sub(i128::from(*minimum)).map(u32::try_from) {
                    Some(Ok(code)) if code < *count => writer.bits(code, *width),
                    _ => return Err(beyond(format!("{number}"))),
                }
            }
            Datatype::Unsigned { min, max } => {
                let number = source.integer(value).map_err(refused)?;
                match u64::try_from(number) {
                    Ok(code) if *min <= code && code <= *max => writer.unsigned(code),
                    _ => return Err(beyond(format!("{number}"))),
                }
            }
            Datatype::Signed { min, max } => {
                let number = source.integer(value).map_err(refused)?;
                match i64::try_from(number) {
                    Ok(code) if *min <= code && code <= *max => {
                        writer.bits(u32::from(code < 0), 1);
                        // -(magnitude + 1) when negative
                        writer.unsigned(if code < 0 { !code } else { code } as u64);
                    }
                    _ => return Err(beyond(format!("{number}"))),
                }
            }
            Datatype::Enumeration {
                enumeration,
                count,
                width,
            } => match source.enumeration(value, *enumeration).map_err(refused)? {
                code if code < *count => writer.bits(code, *width),
                code => return Err(beyond(format!("literal number {code}"))),
            },
            Datatype::Binary { lengths, .. } => {
                let octets = source.binary(value).map_err(refused)?;
                let length = octets.len() as u64;
                if !lengths.allow(length) && !self.options.any_length {
                    return Err(fail(
                        format!("a length of {length}"),
                        span(lengths, "octets"),
                    ));
                }
                writer.unsigned(length);
                writer.run(octets);
            }
            Datatype::Text { lengths } => {
                let text = source.text(value).map_err(refused)?;
                let ascii = text.is_ascii();
                let length = if ascii {
                    text.len()
                } else {
                    text.chars().count()
                } as u64;
                if !lengths.allow(length) {
                    return Err(fail(
                        format!("a length of {length}"),
                        span(lengths, "characters"),
                    ));
                }
                // 0 and 1 announce string table hits, which a table without capacity never has.
                writer.unsigned(length.saturating_add(2));
                if ascii {
                    writer.run(text.as_bytes());
                } else {
                    text.chars()
                        .for_each(|character| writer.unsigned(u64::from(u32::from(character))));
                }
            }
            Datatype::Integer => {
                let mut octets = Vec::new();
                source.big_integer(value, &mut octets).map_err(refused)?;
                if !big_integer(writer, &octets) {
                    return Err(beyond("an integer too long".into()));
                }
            }
        }
        Ok(())
    }
}

/// Writes two's complement, least significant octet first, as sign and magnitude in groups of seven bits.
fn big_integer(writer: &mut Writer, octets: &[u8]) -> bool {
    let negative = octets.last().is_some_and(|octet| octet & 0x80 != 0);
    let flip = if negative { 0xff } else { 0 };
    let mut groups = Vec::with_capacity(octets.len() + 2);
    let (mut pending, mut count) = (0u32, 0);
    for octet in octets {
        pending |= u32::from(octet ^ flip) << count;
        count += 8;
        while count >= 7 {
            groups.push(pending & 0x7f);
            pending >>= 7;
            count -= 7;
        }
    }
    groups.push(pending & 0x7f);
    while groups.len() > 1 && groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.len() > MAX_INTEGER_OCTETS {
        return false;
    }
    writer.bits(u32::from(negative), 1);
    let last = groups.len() - 1;
    for (index, group) in groups.into_iter().enumerate() {
        writer.bits(if index < last { group | 0x80 } else { group }, 8);
    }
    true
}
