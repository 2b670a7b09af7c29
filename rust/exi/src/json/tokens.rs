//! The tokens of JSON: punctuation, strings, and words, each behind any white space.
//! What does not follow is an error that says where in the text.
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use crate::error::{Error, Result};

#[cold]
pub(super) fn fail(reason: impl Into<String>, expected: impl Into<String>) -> Box<Error> {
    Error::new(reason, expected, None)
}

/// Somebody else's text, not too much of it.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// A place in the text.
pub(super) struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    pub fn new(text: &'t str) -> Self {
        Tokens { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// The next character behind white space.
    pub fn peek(&mut self) -> Option<char> {
        let rest = self.rest();
        let left = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.at += rest.len() - left.len();
        left.chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    pub fn expect(&mut self, wanted: char) -> Result<()> {
        if self.take(wanted) {
            return Ok(());
        }
        Err(self.unexpected(&format!("'{wanted}'")))
    }

    #[cold]
    pub fn unexpected(&mut self, expected: &str) -> Box<Error> {
        let found = match self.peek() {
            Some(character) => format!("{character:?}"),
            None => "the end".into(),
        };
        let reason = format!("no such JSON: {found} at octet {} of the text", self.at);
        fail(reason, expected)
    }

    /// A name and the colon behind it.
    pub fn key(&mut self) -> Result<String> {
        let name = self.string()?;
        self.expect(':')?;
        Ok(name)
    }

    /// Whether another item follows: the first one, or one behind a comma; takes the closing bracket if not.
    pub fn more(&mut self, first: &mut bool, close: char) -> Result<bool> {
        let first = core::mem::take(first);
        if self.take(close) {
            return Ok(false);
        }
        if first || self.take(',') {
            return Ok(true);
        }
        Err(self.unexpected(&format!("',' or '{close}'")))
    }

    pub fn string(&mut self) -> Result<String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let plain = rest
                .find(|character: char| matches!(character, '"' | '\\' | '\0'..='\u{1f}'))
                .unwrap_or(rest.len());
            text.push_str(rest.get(..plain).unwrap_or(""));
            self.at += plain;
            match self.rest().chars().next() {
                Some('"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some('\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                _ => return Err(self.unexpected("'\"'")),
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Result<char> {
        let Some(letter) = self.rest().chars().next() else {
            return Err(self.unexpected("an escape"));
        };
        let plain = match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.code_point(),
            _ => return Err(self.unexpected("an escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// `uXXXX`, or two of them that are a surrogate pair.
    fn code_point(&mut self) -> Result<char> {
        let digits = |text: &str, from: usize| {
            let digits = text.get(from..from + 4)?;
            let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            hex.then(|| u32::from_str_radix(digits, 16).ok())?
        };
        let rest = self.rest();
        let mut length = 5;
        let mut point = digits(rest, 1);
        if let (Some(high @ 0xd800..=0xdbff), Some("\\u")) = (point, rest.get(5..7)) {
            if let Some(low @ 0xdc00..=0xdfff) = digits(rest, 7) {
                point = Some(0x1_0000 + ((high & 0x3ff) << 10 | low & 0x3ff));
                length = 11;
            }
        }
        match point.and_then(char::from_u32) {
            Some(character) => {
                self.at += length;
                Ok(character)
            }
            None => Err(self.unexpected("four hexadecimal digits of a character")),
        }
    }

    /// Everything up to white space or punctuation: a number, true, false.
    pub fn word(&mut self) -> Result<&'t str> {
        self.peek();
        let rest = self.rest();
        let end = |character: char| " \t\r\n,:]}[{\"".contains(character);
        let word = rest.find(end).and_then(|length| rest.get(..length));
        let word = word.unwrap_or(rest);
        if word.is_empty() {
            return Err(self.unexpected("a number, true or false"));
        }
        self.at += word.len();
        Ok(word)
    }
}
