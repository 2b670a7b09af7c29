//! A message from text. The schema leads: each value is read as what its name stands for, in one pass over the text.
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::decimal;
use super::names::{Content, Feed, FieldNames, Names, StructNames};
use super::tokens::{fail, shown, Tokens};
use crate::datatype::{describe, Datatype};
use crate::error::{Error, Result};
use crate::grammar::Grammar;
use crate::lexical::{self, Parsed};
use crate::value::{Structure, Value};

/// Structures inside structures, and structures in all: as the defaults of decoding have them.
const MAX_DEPTH: u32 = 32;
const MAX_ELEMENTS: u32 = 250_000;

/// The name of the root element, and the message.
pub(super) fn message(
    grammar: &Grammar,
    names: &Names,
    text: &str,
    fragment: bool,
) -> Result<(String, Value)> {
    let mut reader = Reader {
        grammar,
        names,
        tokens: Tokens::new(text),
        elements: MAX_ELEMENTS,
    };
    reader.tokens.expect('{')?;
    let name = reader.tokens.key()?;
    let roots = grammar.roots(fragment).iter();
    let contents = roots
        .filter(|root| grammar.string(root.local) == name)
        .map(|root| Names::of_root(grammar, root.content))
        .find(|contents| !contents.is_empty());
    let Some(contents) = contents else {
        let kind = if fragment { "fragment" } else { "document" };
        let reason = format!("{} is no root element of a {kind}", shown(&name));
        return Err(fail(reason, format!("a message of {}", grammar.name())));
    };
    let content = reader.which(&contents)?;
    let value = reader
        .value(content, MAX_DEPTH)
        .map_err(|error| error.inside(&name, None))?;
    reader.tokens.expect('}')?;
    match reader.tokens.peek() {
        None => Ok((name, value)),
        Some(_) => Err(reader.tokens.unexpected("the end of the text")),
    }
}

struct Reader<'t, 'g> {
    grammar: &'g Grammar,
    names: &'g Names,
    tokens: Tokens<'t>,
    /// Structures that may still come.
    elements: u32,
}

impl<'t, 'g> Reader<'t, 'g> {
    /// Of several types that share a name, one of simple content is an object only if it has attributes.
    fn which(&mut self, contents: &[Content]) -> Result<Content> {
        let object = self.tokens.peek() == Some('{');
        let bare = |content: &Content| match content {
            Content::Simple(_) => true,
            Content::Struct(index) => self.names.of_struct(*index).is_some_and(|one| one.bare),
        };
        let fitting = contents.iter().find(|content| bare(content) != object);
        let content = fitting.or(contents.first()).copied();
        content.ok_or_else(|| fail("an element without a type of its own", ""))
    }

    fn value(&mut self, content: Content, depth: u32) -> Result<Value> {
        match content {
            Content::Simple(datatype) => self.simple(datatype),
            Content::Struct(index) => self.structure(index, depth),
        }
    }

    fn structure(&mut self, index: u32, depth: u32) -> Result<Value> {
        let Some(names) = self.names.of_struct(index) else {
            return Err(fail("a lost struct", ""));
        };
        let (Some(depth), Some(elements)) = (depth.checked_sub(1), self.elements.checked_sub(1))
        else {
            let expected = format!("{MAX_DEPTH} levels and {MAX_ELEMENTS} elements at most");
            return Err(fail(
                "elements nested too deeply, or too many of them",
                expected,
            ));
        };
        self.elements = elements;
        let mut fields = alloc::vec![Vec::new(); names.fields.len()];
        if let (true, Some(content), [slot]) = (
            names.bare,
            names.fields.first().and_then(|field| field.feeds.first()),
            &mut fields[..],
        ) {
            slot.push(self.value(content.content, depth)?);
        } else {
            self.object(names, &mut fields, depth)?;
        }
        Ok(Value::Struct(Box::new(Structure {
            structure: index,
            fields,
        })))
    }

    fn object(
        &mut self,
        names: &'g StructNames,
        fields: &mut [Vec<Value>],
        depth: u32,
    ) -> Result<()> {
        self.tokens.expect('{')?;
        let mut first = true;
        let mut seen = 0u64; // the loader allows no more fields than it has bits
        while self.tokens.more(&mut first, '}')? {
            let key = self.tokens.key()?;
            let Some((number, field, feed)) = self.find(names, &key) else {
                return Err(fail(format!("no {} here", shown(&key)), self.keys(names)));
            };
            let bit = 1u64 << number;
            if seen & bit != 0 {
                return Err(fail(format!("{key} twice, or two of a choice"), ""));
            }
            seen |= bit;
            if let Some(slot) = fields.get_mut(number) {
                self.field(field, feed, &key, slot, depth)?;
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        field: &'g FieldNames,
        feed: &'g Feed,
        key: &str,
        slot: &mut Vec<Value>,
        depth: u32,
    ) -> Result<()> {
        let inside = |error: Box<Error>, occurrence| error.inside(key, occurrence);
        if !field.repeated {
            let value = self.value(feed.content, depth);
            slot.push(value.map_err(|error| inside(error, None))?);
            return Ok(());
        }
        self.tokens
            .expect('[')
            .map_err(|error| inside(error, None))?;
        let mut first = true;
        while self.tokens.more(&mut first, ']')? {
            let occurrence = u32::try_from(slot.len() + 1).ok();
            let value = if field.is_items() {
                self.item(field, depth)
            } else {
                self.value(feed.content, depth)
            };
            slot.push(value.map_err(|error| inside(error, occurrence))?);
        }
        Ok(())
    }

    /// An item of a repeated choice.
    fn item(&mut self, field: &'g FieldNames, depth: u32) -> Result<Value> {
        self.tokens.expect('{')?;
        let key = self.tokens.key()?;
        let mut feeds = field.feeds.iter();
        let Some(feed) = feeds.find(|feed| feed.key(self.grammar) == key) else {
            let names: Vec<&str> = field
                .feeds
                .iter()
                .map(|feed| feed.key(self.grammar))
                .collect();
            return Err(fail(format!("no {} here", shown(&key)), names.join(" or ")));
        };
        let value = self.value(feed.content, depth);
        let value = value.map_err(|error| error.inside(&key, None))?;
        self.tokens.expect('}')?;
        Ok(value)
    }

    /// The field that a key stands for, and what feeds it.
    fn find(&self, names: &'g StructNames, key: &str) -> Option<(usize, &'g FieldNames, &'g Feed)> {
        let fields = names.fields.iter().enumerate();
        fields.into_iter().find_map(|(number, field)| {
            let feed = if field.is_items() {
                let own = self.grammar.string(field.name) == key;
                field.feeds.first().filter(|_| own)?
            } else {
                let mut feeds = field.feeds.iter();
                feeds.find(|feed| feed.key(self.grammar) == key)?
            };
            Some((number, field, feed))
        })
    }

    #[cold]
    fn keys(&self, names: &StructNames) -> String {
        let of_field = |field: &FieldNames| match field.feeds.first() {
            Some(feed) if !field.is_items() => feed.key(self.grammar).to_owned(),
            _ => self.grammar.string(field.name).to_owned(),
        };
        let keys: Vec<String> = names.fields.iter().map(of_field).collect();
        keys.join(", ")
    }

    fn simple(&mut self, datatype: u32) -> Result<Value> {
        let Some(datatype) = self.grammar.datatypes.get(datatype as usize) else {
            return Err(fail("a lost datatype", ""));
        };
        let wrong = |found: &str| fail(shown(found), describe(self.grammar, datatype));
        let value = match datatype {
            Datatype::Boolean => match self.tokens.word()? {
                "true" => Value::Boolean(true),
                "false" => Value::Boolean(false),
                other => return Err(wrong(other)),
            },
            Datatype::NBit { .. } | Datatype::Unsigned { .. } | Datatype::Signed { .. } => {
                let word = self.tokens.word()?;
                let number = word.parse().ok().filter(|_| is_integer(word));
                Value::Integer(number.ok_or_else(|| wrong(word))?)
            }
            Datatype::Integer => {
                let word = self.tokens.word()?;
                let number = decimal::parse(word).filter(|_| is_integer(word));
                Value::BigInteger(number.ok_or_else(|| wrong(word))?)
            }
            Datatype::Enumeration { enumeration, .. } => {
                let text = self.tokens.string()?;
                let literals = self.grammar.enumerations().get(*enumeration as usize);
                let mut literals = literals.map_or(&[][..], |entry| &entry.literals).iter();
                let index = literals.position(|&literal| self.grammar.string(literal) == text);
                let index = index.and_then(|index| u32::try_from(index).ok());
                Value::Literal(*enumeration, index.ok_or_else(|| wrong(&text))?)
            }
            Datatype::Binary { .. } => {
                let text = self.tokens.string()?;
                match lexical::parse(self.grammar, datatype, text.clone()) {
                    Some(Parsed::Binary(octets)) => Value::Binary(octets),
                    _ => return Err(wrong(&text)),
                }
            }
            Datatype::Text { .. } => Value::Text(self.tokens.string()?),
        };
        Ok(value)
    }
}

/// An integer as JSON has them: no plus sign, no zeros in front.
fn is_integer(word: &str) -> bool {
    let digits = word.strip_prefix('-').unwrap_or(word);
    !digits.is_empty()
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
}
