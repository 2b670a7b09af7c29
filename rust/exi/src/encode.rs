//! Encoding: values drawn from a [`Source`] in, octets out.
//!
//! The grammar leads: in each state the first production that has a value waiting is written. A field that is set and
//! finds no production is an error, so that nothing the caller said is ever dropped.
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::bits::Writer;
use crate::datatype::{Datatype, MAX_INTEGER_OCTETS};
use crate::decode::{describe, span, Refusal, HEADER};
use crate::error::{Error, Result};
use crate::grammar::{expectation, Event, Grammar, Next, Production, RootContent, State};

type Taken<T> = core::result::Result<T, Refusal>;

/// Hands out the values of a message. `'a` is how long the message is borrowed.
pub trait Source<'a> {
    /// A simple value or a structure, borrowed.
    type Value: Copy;

    /// The struct that the value is an instance of.
    fn structure(&self, value: Self::Value) -> Option<u32>;
    /// Whether the value is an instance of this struct.
    fn is(&self, value: Self::Value, structure: u32) -> bool;
    /// Content of a field that is not repeated; None if absent. `value` is an instance of the struct.
    fn one(&self, value: Self::Value, structure: u32, field: u32) -> Option<Self::Value>;
    /// Number of items in a repeated field.
    fn count(&self, value: Self::Value, structure: u32, field: u32) -> Taken<usize>;
    /// An item of a repeated field.
    fn item(&self, value: Self::Value, structure: u32, field: u32, index: usize) -> Option<Self::Value>;

    /// The value as a boolean.
    fn boolean(&self, value: Self::Value) -> Taken<bool>;
    /// The value as an integer.
    fn integer(&self, value: Self::Value) -> Taken<i128>;
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
    /// Local name of the root element; None takes the first one with the message's struct.
    pub root: Option<&'o str>,
    /// Structures inside structures.
    pub max_depth: u32,
}

impl Default for EncodeOptions<'_> {
    fn default() -> Self {
        EncodeOptions { fragment: false, root: None, max_depth: 32 }
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
    let mut encoder = Encoder { grammar, source, writer: Writer::with_capacity(256), cursors: Vec::new(), options };
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

impl<'a, 'g, S: Source<'a>> Encoder<'g, '_, S> {
    fn message(&mut self, message: S::Value) -> Result<()> {
        let grammar = self.grammar;
        let roots = if self.options.fragment { &grammar.fragment } else { &grammar.document };
        let code = self.root(message)?;
        let Some(root) = roots.roots.get(code as usize) else { return Err(fail("a lost root", "")) };
        self.writer.bits(u32::from(HEADER), 8);
        self.writer.bits(code, roots.width);
        match root.content {
            RootContent::Struct(index) => self.structure(index, message, self.options.max_depth),
            RootContent::Simple(datatype) => {
                self.writer.bits(0, 1);
                let done = self.simple_value(datatype, message);
                self.writer.bits(0, 1);
                done
            }
            RootContent::Unusable => Err(fail("an element without a type of its own", "")),
        }
        .map_err(|error| error.inside(grammar.string(root.local), None))?;
        if self.options.fragment {
            self.writer.bits(roots.roots.len() as u32 + 1, roots.width);
        }
        Ok(())
    }

    /// The code of the root element: by name if there is one, else by the struct of the message.
    fn root(&self, message: S::Value) -> Result<u32> {
        let grammar = self.grammar;
        let roots = if self.options.fragment { &grammar.fragment } else { &grammar.document };
        let structure = self.source.structure(message);
        let code = match self.options.root {
            None => structure.and_then(|index| roots.by_struct.get(index as usize).copied().flatten()),
            Some(name) => {
                let holds = |content| match content {
                    RootContent::Struct(index) => structure == Some(index),
                    RootContent::Simple(_) => structure.is_none(),
                    RootContent::Unusable => false,
                };
                let found = roots.roots.iter().position(|root| grammar.string(root.local) == name && holds(root.content));
                found.map(|code| code as u32)
            }
        };
        code.ok_or_else(|| {
            let kind = if self.options.fragment { "fragment" } else { "document" };
            let name = self.options.root.map_or_else(String::new, |name| format!(" {name}"));
            fail(
                format!("{} is no root element{name} of a {kind}", self.source.describe(message)),
                format!("a message of {}", grammar.name()),
            )
        })
    }

    fn structure(&mut self, index: u32, value: S::Value, depth: u32) -> Result<()> {
        let grammar = self.grammar;
        let (Some(depth), Some(structure)) = (depth.checked_sub(1), grammar.structs.get(index as usize)) else {
            return Err(fail("elements nested too deeply", format!("{} levels at most", self.options.max_depth)));
        };
        let base = self.cursors.len();
        let mut waiting = 0u64;
        for (number, field) in structure.fields.iter().enumerate() {
            let present = if field.repeated {
                let count = self.source.count(value, index, number as u32);
                let count = count.map_err(|refusal| fail(refusal, "a tuple").inside(grammar.string(field.name), None))?;
                self.cursors.resize(base + structure.fields.len(), (0, 0));
                if let Some(cursor) = self.cursors.get_mut(base + number) {
                    cursor.1 = count;
                }
                count > 0
            } else {
                self.source.one(value, index, number as u32).is_some()
            };
            waiting |= u64::from(present) << number;
        }
        let mut state = structure.start;
        let mut counter = 0u32;
        loop {
            let Some(rules) = grammar.states.get(state as usize) else { return Err(fail("a lost state", "")) };
            let Some((code, production, item)) = self.choose(rules, index, value, waiting, base) else {
                return Err(self.stuck(rules, index, value, waiting, base));
            };
            let width = u32::from(rules.width);
            let Some(item) = item else {
                if waiting != 0 {
                    return Err(self.stuck(rules, index, value, waiting, base));
                }
                self.writer.bits(code, width);
                break;
            };
            let (next, taken) = advance(grammar, production.next, counter);
            let done = match production.event {
                Event::StructElement => {
                    self.writer.bits(code, width);
                    self.structure(production.target, item, depth)
                }
                Event::SimpleElement => {
                    // SE and CH in one, then EE.
                    self.writer.bits(code << 1, width + 1);
                    let done = self.simple_value(production.target, item);
                    self.writer.bits(0, 1);
                    done
                }
                _ => {
                    self.writer.bits(code, width);
                    self.simple_value(production.target, item)
                }
            };
            if let Err(error) = done {
                let text = production.event == Event::Characters;
                return Err(if text { error } else { error.inside(grammar.string(production.name), taken) });
            }
            let bit = 1u64 << production.field;
            match self.cursors.get_mut(base + usize::from(production.field)) {
                Some(cursor) if cursor.1 > 0 => {
                    cursor.0 += 1;
                    if cursor.0 == cursor.1 {
                        waiting &= !bit;
                    }
                }
                _ => waiting &= !bit,
            }
            state = next;
            counter = taken.unwrap_or(0);
        }
        self.cursors.truncate(base);
        Ok(())
    }

    /// The first production of a state that has a value waiting, or EE.
    #[inline]
    fn choose(
        &self,
        rules: &State,
        structure: u32,
        value: S::Value,
        waiting: u64,
        base: usize,
    ) -> Option<(u32, &'g Production, Option<S::Value>)> {
        let grammar: &'g Grammar = self.grammar;
        for (code, production) in grammar.productions(rules).iter().enumerate() {
            match production.event {
                Event::EndElement => return Some((code as u32, production, None)),
                Event::AbstractElement | Event::WildcardElement | Event::UntypedCharacters => continue,
                Event::Attribute | Event::Characters | Event::SimpleElement | Event::StructElement => {}
            }
            if waiting >> production.field & 1 == 0 {
                continue;
            }
            let item = self.waiting_item(structure, value, production.field, base)?;
            if production.event != Event::StructElement || self.source.is(item, production.target) {
                return Some((code as u32, production, Some(item)));
            }
        }
        None
    }

    #[inline]
    fn waiting_item(&self, structure: u32, value: S::Value, field: u8, base: usize) -> Option<S::Value> {
        match self.cursors.get(base + usize::from(field)) {
            Some(&(next, count)) if count > 0 => self.source.item(value, structure, u32::from(field), next),
            _ => self.source.one(value, structure, u32::from(field)),
        }
    }

    fn simple_value(&mut self, datatype: u32, value: S::Value) -> Result<()> {
        let grammar = self.grammar;
        let Some(datatype) = grammar.datatypes.get(datatype as usize) else { return Err(fail("a lost datatype", "")) };
        let source = self.source;
        let writer = &mut self.writer;
        let beyond = |found: String| fail(found, describe(grammar, datatype));
        let refused = |refusal: Refusal| fail(refusal, describe(grammar, datatype));
        match datatype {
            Datatype::Boolean => writer.bits(u32::from(source.boolean(value).map_err(refused)?), 1),
            Datatype::NBit { minimum, count, width } => {
                let number = source.integer(value).map_err(refused)?;
                match u32::try_from(number - i128::from(*minimum)) {
                    Ok(code) if code < *count => writer.bits(code, *width),
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
            Datatype::Enumeration { enumeration, count, width } => {
                match source.enumeration(value, *enumeration).map_err(refused)? {
                    code if code < *count => writer.bits(code, *width),
                    code => return Err(beyond(format!("literal number {code}"))),
                }
            }
            Datatype::Binary { lengths, .. } => {
                let octets = source.binary(value).map_err(refused)?;
                let length = octets.len() as u64;
                if !lengths.allow(length) {
                    return Err(fail(format!("a length of {length}"), span(lengths, "octets")));
                }
                writer.unsigned(length);
                writer.run(octets);
            }
            Datatype::Text { lengths } => {
                let text = source.text(value).map_err(refused)?;
                let ascii = text.is_ascii();
                let length = if ascii { text.len() } else { text.chars().count() } as u64;
                if !lengths.allow(length) {
                    return Err(fail(format!("a length of {length}"), span(lengths, "characters")));
                }
                // 0 and 1 announce string table hits, which a table without capacity never has.
                writer.unsigned(length.saturating_add(2));
                if ascii {
                    writer.run(text.as_bytes());
                } else {
                    text.chars().for_each(|character| writer.unsigned(u64::from(u32::from(character))));
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

    /// Why no production of a state could be written.
    #[cold]
    fn stuck(&self, rules: &State, structure: u32, value: S::Value, waiting: u64, base: usize) -> Box<Error> {
        let grammar = self.grammar;
        let productions = grammar.productions(rules);
        let fields = grammar.structs.get(structure as usize).map_or(&[][..], |entry| &entry.fields);
        let expected = expectation(grammar, productions);
        // A value is there for one of the productions, but it is of another class.
        for production in productions.iter().filter(|production| production.feeds()) {
            if waiting >> production.field & 1 != 0 {
                let item = self.waiting_item(structure, value, production.field, base);
                let found = item.map_or_else(|| "nothing".into(), |item| self.source.describe(item));
                let classes: Vec<&str> = productions
                    .iter()
                    .filter(|other| other.event == Event::StructElement && other.field == production.field)
                    .filter_map(|other| grammar.structs.get(other.target as usize))
                    .map(|entry| grammar.string(entry.class))
                    .collect();
                let name = fields.get(usize::from(production.field)).map_or("", |field| grammar.string(field.name));
                return fail(format!("{name} holds {found}"), classes.join(" or ")).inside(grammar.string(production.name), None);
            }
        }
        let left: Vec<&str> = fields
            .iter()
            .enumerate()
            .filter(|(number, _)| waiting >> number & 1 != 0)
            .map(|(_, field)| grammar.string(field.name))
            .collect();
        if !rules.has_end {
            let rest = if left.is_empty() { String::new() } else { format!(" before {}", left.join(", ")) };
            return fail(format!("a required value is missing{rest}"), expected);
        }
        let full = fields.iter().enumerate().any(|(number, field)| {
            field.repeated && waiting >> number & 1 != 0 && self.cursors.get(base + number).is_some_and(|cursor| cursor.0 > 0)
        });
        let reason = if full { "has too many items" } else { "is set, but has no place beside the other fields that are set" };
        fail(format!("{} {reason}", left.join(", ")), expected)
    }
}

/// The state after an arc, and how often a counted arc has now been taken.
#[inline]
fn advance(grammar: &Grammar, next: Next, counter: u32) -> (u32, Option<u32>) {
    match next {
        Next::State(state) => (state, None),
        Next::Loop(index) => {
            let Some(entry) = grammar.loops.get(index as usize) else { return (u32::MAX, None) };
            let count = if entry.entering { 1 } else { counter.saturating_add(1) };
            let state = if count < entry.min {
                entry.below
            } else if count < entry.max {
                entry.within
            } else {
                entry.at_max
            };
            (state, Some(count))
        }
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

#[cold]
fn fail(reason: impl Into<String>, expected: impl Into<String>) -> Box<Error> {
    Error::new(reason, expected, None)
}
