//! Decoding: octets in, calls on a [`Builder`] out, one per value and two per structure.
//!
//! Nothing is allocated on the word of a length field: lengths are compared with what is left of the stream first.
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::bits::{BadUnsigned, ByteRun, Reader};
use crate::datatype::{Datatype, Lengths, MAX_INTEGER_OCTETS};
use crate::error::{Error, Result};
use crate::grammar::{expectation, Event, Grammar, Next, Production, RootContent, State};
use crate::lexical::{self, Parsed};
use crate::second_level::{self, truncated, Phase, Second};

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
    fn enumeration(&mut self, enumeration: u32, literal: u32) -> core::result::Result<Self::Value, Refusal>;
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
    pub lenient: bool,
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
        DecodeOptions { fragment: false, lenient: false, strict: false, max_depth: 32, max_elements: 250_000 }
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
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::TrailingOctets(count) => write!(f, "trailing-octets: {count} after the end"),
            Note::Padding => write!(f, "padding: not zero"),
            Note::EmptyByEnd(bit) => write!(f, "empty-by-end: an empty value coded as end of element at bit {bit}"),
            Note::UntypedCharacters(bit) => write!(f, "untyped-characters: a value coded as text at bit {bit}"),
            Note::OpenArray(bit) => write!(f, "open-array: a full array coded as one that may go on at bit {bit}"),
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
    let mut decoder =
        Decoder { grammar, reader: Reader::new(data), builder, options, notes: Vec::new(), elements: options.max_elements };
    let (value, root) = decoder.message()?;
    Ok(Decoded { value, root, notes: decoder.notes })
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

impl<B: Builder> Decoder<'_, '_, '_, B> {
    fn message(&mut self) -> Result<(B::Value, usize)> {
        let header = self.bits(8)?;
        if header != u32::from(HEADER) {
            return Err(Error::new(format!("header octet 0x{header:02x}"), "0x80", Some(0)));
        }
        let grammar = self.grammar;
        let fragment = self.options.fragment;
        let roots = if fragment { &grammar.fragment } else { &grammar.document };
        let at = self.reader.position();
        let code = self.bits(roots.width)? as usize;
        let Some(root) = roots.roots.get(code) else {
            let found = match code - roots.roots.len() {
                0 => "an undeclared root element".into(),
                1 if fragment => "an empty fragment".into(),
                _ => format!("root element code {code}"),
            };
            return Err(Error::new(found, format!("a code below {}", roots.roots.len()), Some(at)));
        };
        let name = grammar.string(root.local);
        let value = match root.content {
            RootContent::Struct(index) => self.structure(index, self.options.max_depth),
            RootContent::Simple(index) => self.simple_element(index),
            RootContent::Unusable => Err(Error::new("an element without a type of its own", "", Some(at))),
        }
        .map_err(|error| error.inside(name, None))?;
        if fragment {
            let at = self.reader.position();
            let end = self.bits(roots.width)? as usize;
            if end != roots.roots.len() + 1 {
                return Err(Error::new(format!("code {end} after the element"), "the end of the fragment", Some(at)));
            }
        }
        self.tail()?;
        Ok((value, code))
    }

    /// What comes after the end: padding, and octets that some peers append.
    fn tail(&mut self) -> Result<()> {
        let at = self.reader.position();
        if !self.reader.align() {
            if self.options.strict {
                return Err(Error::new("padding that is not zero", "zero bits", Some(at)));
            }
            self.note(Note::Padding);
        }
        let left = self.reader.remaining() / 8;
        if left > 0 {
            if self.options.strict {
                let at = self.reader.position();
                return Err(Error::new(format!("{left} octets after the end"), "the end of the stream", Some(at)));
            }
            self.note(Note::TrailingOctets(left));
        }
        Ok(())
    }

    fn structure(&mut self, index: u32, depth: u32) -> Result<B::Value> {
        let grammar = self.grammar;
        let (Some(depth), Some(structure)) = (depth.checked_sub(1), grammar.structs.get(index as usize)) else {
            let most = self.options.max_depth;
            return Err(self.error("elements nested too deeply", format!("{most} levels at most")));
        };
        self.count_element()?;
        self.builder.start(index).map_err(|refusal| self.error(refusal, ""))?;
        let mut state = structure.start;
        let mut phase = Phase::Start;
        let mut counter = 0u32;
        loop {
            let Some(rules) = grammar.states.get(state as usize) else { return Err(self.error("a lost state", "")) };
            let at = self.reader.position();
            let code = self.bits(u32::from(rules.width))?;
            let production = match grammar.productions.get(rules.first as usize + code as usize) {
                Some(production) if code < u32::from(rules.count) => production,
                _ => {
                    self.escape(rules, code, at, phase)?;
                    break;
                }
            };
            let value = match production.event {
                Event::SimpleElement => self.simple_element(production.target),
                Event::StructElement => self.structure(production.target, depth),
                Event::EndElement => break,
                Event::Attribute | Event::Characters => self.simple_value(production.target),
                Event::AbstractElement | Event::WildcardElement | Event::UntypedCharacters => {
                    return Err(self.unusable(production, rules, at));
                }
            };
            let (next, taken) = self.advance(production.next, counter);
            let value = match value {
                Ok(value) => value,
                Err(error) if production.event == Event::Characters => return Err(error),
                Err(error) => return Err(error.inside(grammar.string(production.name), taken)),
            };
            self.builder.put(u32::from(production.field), value).map_err(|refusal| self.error(refusal, ""))?;
            phase = if production.event == Event::Attribute { Phase::Attributes } else { Phase::Content };
            state = next;
            counter = taken.unwrap_or(0);
        }
        self.builder.finish(index).map_err(|refusal| self.error(refusal, ""))
    }

    #[inline]
    fn count_element(&mut self) -> Result<()> {
        match self.elements.checked_sub(1) {
            Some(left) => {
                self.elements = left;
                Ok(())
            }
            None => Err(self.error("too many elements", format!("{} at most", self.options.max_elements))),
        }
    }

    /// The state after an arc, and how often a counted arc has now been taken.
    #[inline]
    fn advance(&mut self, next: Next, counter: u32) -> (u32, Option<u32>) {
        match next {
            Next::State(state) => (state, None),
            Next::Loop(index) => {
                let Some(entry) = self.grammar.loops.get(index as usize) else { return (u32::MAX, None) };
                let count = if entry.entering { 1 } else { counter.saturating_add(1) };
                let state = if count < entry.min {
                    entry.below
                } else if count < entry.max {
                    entry.within
                } else if self.options.lenient && count == entry.max && entry.within != entry.at_max {
                    self.note(Note::OpenArray(self.reader.position()));
                    entry.within
                } else if count == entry.max {
                    entry.at_max
                } else {
                    u32::MAX
                };
                (state, Some(count))
            }
        }
    }

    /// SE was read: CH, the value, EE.
    #[inline]
    fn simple_element(&mut self, datatype: u32) -> Result<B::Value> {
        self.count_element()?;
        if self.bits(1)? != 0 {
            return self.escaped_value(datatype);
        }
        let value = self.simple_value(datatype)?;
        let at = self.reader.position();
        if self.bits(1)? == 0 {
            return Ok(value);
        }
        match second_level::read(&mut self.reader, true, Phase::Content)? {
            Second::EndElement | Second::UntypedCharacters => Err(Error::new("text after a value", "end of element", Some(at))),
        }
    }

    /// The escape instead of CH in an element of simple type.
    #[cold]
    fn escaped_value(&mut self, datatype: u32) -> Result<B::Value> {
        let at = self.reader.position() - 1;
        match second_level::read(&mut self.reader, false, Phase::Start)? {
            Second::EndElement => self.empty_value(datatype, at),
            Second::UntypedCharacters => self.untyped_value(datatype, at),
        }
    }

    /// An escape code in a state of a structure: an empty or an untyped text content ends it, all else is refused.
    #[cold]
    fn escape(&mut self, rules: &State, code: u32, at: usize, phase: Phase) -> Result<()> {
        let productions = self.grammar.productions(rules);
        let expected = || expectation(self.grammar, productions);
        if code > u32::from(rules.count) {
            return Err(Error::new(format!("event code {code} of {}", rules.count), expected(), Some(at)));
        }
        let text = productions.iter().find(|production| production.event == Event::Characters);
        let second = second_level::read(&mut self.reader, rules.has_end, phase)?;
        let (value, field) = match (second, text) {
            (Second::EndElement, Some(text)) => (self.empty_value(text.target, at)?, text.field),
            (Second::UntypedCharacters, Some(text)) => (self.untyped_value(text.target, at)?, text.field),
            (Second::EndElement, None) => return Err(Error::new("the element ends too early", expected(), Some(at))),
            (Second::UntypedCharacters, None) => return Err(Error::new("text without type", expected(), Some(at))),
        };
        self.builder.put(u32::from(field), value).map_err(|refusal| self.error(refusal, ""))
    }

    /// EE where a value was due: fine for types that may be empty.
    fn empty_value(&mut self, datatype: u32, at: usize) -> Result<B::Value> {
        let value = match self.grammar.datatypes.get(datatype as usize) {
            Some(Datatype::Text { lengths }) if lengths.allow(0) => self.builder.text(""),
            Some(Datatype::Binary { lengths, .. }) if lengths.allow(0) => match Reader::new(&[]).run(0) {
                Ok(run) => self.builder.binary(run),
                Err(_) => return Err(truncated(at)),
            },
            _ => return Err(Error::new("an empty element", "a value", Some(at))),
        };
        self.note(Note::EmptyByEnd(at));
        value.map_err(|refusal| self.error(refusal, ""))
    }

    /// A value as text, and the end of the element after it: CH may follow again, so EE is on the second level.
    fn untyped_value(&mut self, datatype: u32, at: usize) -> Result<B::Value> {
        let grammar = self.grammar;
        let Some(datatype) = grammar.datatypes.get(datatype as usize) else { return Err(truncated(at)) };
        let mut text = String::new();
        let any = Lengths { min: 0, max: u64::MAX };
        self.text(&any, |_, value| {
            text.push_str(value);
            Ok(())
        })?;
        let Some(parsed) = lexical::parse(grammar, datatype, text) else {
            return Err(Error::new("text that is no value of the type", describe(grammar, datatype), Some(at)));
        };
        let value = self.parsed_value(datatype, parsed, at)?;
        let end = self.reader.position();
        if self.bits(1)? == 0 || second_level::read(&mut self.reader, false, Phase::Content)? != Second::EndElement {
            return Err(Error::new("more text after a value", "end of element", Some(end)));
        }
        self.note(Note::UntypedCharacters(at));
        Ok(value)
    }

    fn parsed_value(&mut self, datatype: &Datatype, parsed: Parsed, at: usize) -> Result<B::Value> {
        let within = match (datatype, &parsed) {
            (Datatype::NBit { minimum, count, .. }, Parsed::NBit(value)) => {
                *minimum <= *value && *value < *minimum + i64::from(*count)
            }
            (Datatype::Unsigned { min, max }, Parsed::Unsigned(value)) => min <= value && value <= max,
            (Datatype::Signed { min, max }, Parsed::Signed(value)) => min <= value && value <= max,
            (Datatype::Binary { lengths, .. }, Parsed::Binary(octets)) => lengths.allow(octets.len() as u64),
            (Datatype::Text { lengths }, Parsed::Text(text)) => lengths.allow(text.chars().count() as u64),
            _ => true,
        };
        if !within {
            return Err(Error::new("text beyond the limits of the type", describe(self.grammar, datatype), Some(at)));
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
                Datatype::Enumeration { enumeration, .. } => self.builder.enumeration(*enumeration, literal),
                _ => return Err(truncated(at)),
            },
        }
        .map_err(|refusal| self.error(refusal, ""))
    }

    /// The typed value itself.
    #[inline]
    fn simple_value(&mut self, datatype: u32) -> Result<B::Value> {
        let grammar = self.grammar;
        let Some(datatype) = grammar.datatypes.get(datatype as usize) else {
            return Err(self.error("a lost datatype", ""));
        };
        let at = self.reader.position();
        let value = match datatype {
            Datatype::NBit { minimum, count, width } => {
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
            Datatype::Enumeration { enumeration, count, width } => {
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
                    Ok(value) if negative && *min <= !value && !value <= *max => self.builder.signed(!value),
                    Ok(value) if !negative && *min <= value && value <= *max => self.builder.signed(value),
                    _ => {
                        let value = if negative { -1 - i128::from(magnitude) } else { i128::from(magnitude) };
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
    fn fits(&self, length: u64, lengths: &Lengths, unit: &str, at: usize) -> Result<usize> {
        let left = self.reader.remaining() / 8;
        match usize::try_from(length) {
            Ok(short) if short <= left => {
                if lengths.allow(length) {
                    Ok(short)
                } else {
                    Err(Error::new(format!("a length of {length}"), span(lengths, unit), Some(at)))
                }
            }
            _ => Err(Error::new(format!("a length of {length} with {left} octets left"), span(lengths, unit), Some(at))),
        }
    }

    fn text<T>(
        &mut self,
        lengths: &Lengths,
        take: impl FnOnce(&mut B, &str) -> core::result::Result<T, Refusal>,
    ) -> Result<T> {
        let at = self.reader.position();
        let code = self.unsigned()?;
        let Some(length) = code.checked_sub(2) else {
            return Err(Error::new("a string table hit, whose capacity is 0", "a string in full", Some(at)));
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
                None => return Err(Error::new(format!("code point {point}"), "a Unicode character", Some(at))),
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
                return Err(Error::new("an integer too long", format!("{MAX_INTEGER_OCTETS} octets at most"), Some(at)));
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
    fn beyond(&self, datatype: &Datatype, found: String, at: usize) -> Box<Error> {
        Error::new(found, describe(self.grammar, datatype), Some(at))
    }

    #[cold]
    fn unusable(&self, production: &Production, rules: &State, at: usize) -> Box<Error> {
        let name = self.grammar.string(production.name);
        let reason = match production.event {
            Event::AbstractElement => format!("the abstract element {name}"),
            Event::WildcardElement => format!("an undeclared element ({name}) is not supported"),
            _ => "text between elements is not supported".into(),
        };
        Error::new(reason, expectation(self.grammar, self.grammar.productions(rules)), Some(at))
    }

    #[cold]
    fn note(&mut self, note: Note) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(note);
        }
    }
}

/// What a datatype allows, in words.
pub(crate) fn describe(grammar: &Grammar, datatype: &Datatype) -> String {
    match datatype {
        Datatype::Boolean => "true or false".into(),
        Datatype::NBit { minimum, count, .. } => format!("{minimum} to {}", *minimum + i64::from(*count) - 1),
        Datatype::Unsigned { min, max } => format!("{min} to {max}"),
        Datatype::Signed { min, max } => format!("{min} to {max}"),
        Datatype::Enumeration { enumeration, count, .. } => {
            let class = grammar.enumerations().get(*enumeration as usize).map_or("", |entry| grammar.string(entry.class));
            format!("one of the {count} literals of {class}")
        }
        Datatype::Binary { lengths, .. } => span(lengths, "octets"),
        Datatype::Text { lengths } => span(lengths, "characters"),
        Datatype::Integer => "an integer".into(),
    }
}

pub(crate) fn span(lengths: &Lengths, unit: &str) -> String {
    match (lengths.min, lengths.max) {
        (0, u64::MAX) => String::new(),
        (min, u64::MAX) => format!("{min} {unit} or more"),
        (min, max) if min == max => format!("{min} {unit}"),
        (min, max) => format!("{min} to {max} {unit}"),
    }
}
