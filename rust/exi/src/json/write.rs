//! A decoded message as text.
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt::Write;

use super::decimal;
use super::names::{Content, Feed, FieldNames, Names};
use crate::datatype::{BinaryText, Datatype};
use crate::error::{Error, Result};
use crate::grammar::Grammar;
use crate::value::{Structure, Value};

pub(super) fn text(
    grammar: &Grammar,
    names: &Names,
    value: &Value,
    root: usize,
    fragment: bool,
) -> Result<String> {
    let Some(root) = grammar.roots(fragment).get(root) else {
        return Err(lost());
    };
    let mut writer = Writer {
        grammar,
        names,
        out: String::new(),
    };
    let contents = Names::of_root(grammar, root.content);
    let content = fitting(contents.iter(), value).ok_or_else(lost)?;
    writer.out.push('{');
    writer.key(grammar.string(root.local));
    writer.value(value, content)?;
    writer.out.push('}');
    Ok(writer.out)
}

/// The builder and the tables are of one grammar, so this never shows.
#[cold]
fn lost() -> Box<Error> {
    Error::new("a value that fits no element", "", None)
}

fn fitting<'c>(mut contents: impl Iterator<Item = &'c Content>, value: &Value) -> Option<Content> {
    let fits = |content: &&Content| match (content, value) {
        (Content::Struct(index), Value::Struct(node)) => *index == node.structure,
        (Content::Simple(_), Value::Struct(_)) | (Content::Struct(_), _) => false,
        (Content::Simple(_), _) => true,
    };
    contents.find(fits).copied()
}

struct Writer<'g> {
    grammar: &'g Grammar,
    names: &'g Names,
    out: String,
}

impl Writer<'_> {
    fn key(&mut self, name: &str) {
        self.string(name);
        self.out.push_str(": ");
    }

    fn value(&mut self, value: &Value, content: Content) -> Result<()> {
        match (value, content) {
            (Value::Struct(node), Content::Struct(_)) => self.structure(node),
            (_, Content::Simple(datatype)) => self.simple(value, datatype),
            _ => Err(lost()),
        }
    }

    fn structure(&mut self, node: &Structure) -> Result<()> {
        let names = self.names.of_struct(node.structure).ok_or_else(lost)?;
        let fields = names.fields.iter().zip(&node.fields);
        if names.bare {
            let only = fields
                .flat_map(|(field, items)| items.first().map(|item| (field, item)))
                .next();
            let (field, item) = only.ok_or_else(lost)?;
            let feed = feed(field, item)?;
            return self.value(item, feed.content);
        }
        self.out.push('{');
        let mut first = true;
        for (field, items) in fields {
            let Some(item) = items.first() else { continue };
            self.comma(&mut first);
            if field.is_items() {
                self.key(self.grammar.string(field.name));
                self.list(items, |writer, item| {
                    let feed = feed(field, item)?;
                    writer.out.push('{');
                    writer.key(feed.key(writer.grammar));
                    writer.value(item, feed.content)?;
                    writer.out.push('}');
                    Ok(())
                })?;
                continue;
            }
            let feed = feed(field, item)?;
            self.key(feed.key(self.grammar));
            if field.repeated {
                self.list(items, |writer, item| writer.value(item, feed.content))?;
            } else {
                self.value(item, feed.content)?;
            }
        }
        self.out.push('}');
        Ok(())
    }

    fn list(
        &mut self,
        items: &[Value],
        mut write: impl FnMut(&mut Self, &Value) -> Result<()>,
    ) -> Result<()> {
        self.out.push('[');
        let mut first = true;
        for item in items {
            self.comma(&mut first);
            write(self, item)?;
        }
        self.out.push(']');
        Ok(())
    }

    fn comma(&mut self, first: &mut bool) {
        if !core::mem::take(first) {
            self.out.push_str(", ");
        }
    }

    fn simple(&mut self, value: &Value, datatype: u32) -> Result<()> {
        match value {
            Value::Boolean(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Integer(value) => {
                let _ = write!(self.out, "{value}"); // into a String, which takes everything
            }
            Value::BigInteger(octets) => decimal::write(&mut self.out, octets),
            Value::Text(text) => self.string(text),
            Value::Literal(enumeration, literal) => {
                let literals = self.grammar.enumerations().get(*enumeration as usize);
                let index = literals.and_then(|entry| entry.literals.get(*literal as usize));
                let literal = self.grammar.string(*index.ok_or_else(lost)?);
                self.string(literal);
            }
            Value::Binary(octets) => match self.grammar.datatypes.get(datatype as usize) {
                Some(Datatype::Binary { text, .. }) => self.binary(octets, *text),
                _ => return Err(lost()),
            },
            Value::Struct(_) => return Err(lost()),
        }
        Ok(())
    }

    fn binary(&mut self, octets: &[u8], text: BinaryText) {
        self.out.push('"');
        match text {
            BinaryText::Hex => {
                for octet in octets {
                    let _ = write!(self.out, "{octet:02X}"); // as above
                }
            }
            BinaryText::Base64 => base64(&mut self.out, octets),
        }
        self.out.push('"');
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                '\0'..='\u{1f}' => {
                    let _ = write!(self.out, "\\u{:04x}", u32::from(character));
                    // as above
                }
                _ => self.out.push(character),
            }
        }
        self.out.push('"');
    }
}

fn feed<'f>(field: &'f FieldNames, item: &Value) -> Result<&'f Feed> {
    let mut feeds = field.feeds.iter();
    let fits = |feed: &&Feed| fitting(core::iter::once(&feed.content), item).is_some();
    feeds.find(fits).ok_or_else(lost)
}

fn base64(out: &mut String, octets: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in octets.chunks(3) {
        let mut bits = 0u32;
        for index in 0..3 {
            bits = bits << 8 | u32::from(group.get(index).copied().unwrap_or(0));
        }
        for index in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * index) & 0x3f) as usize];
            out.push(if index <= group.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
}
