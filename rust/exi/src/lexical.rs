//! The lexical form of typed values, for peers that send a value as untyped characters.
use alloc::string::String;
use alloc::vec::Vec;

use crate::datatype::{BinaryText, Datatype};
use crate::grammar::Grammar;

/// A value read from text, its facets not yet checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    Boolean(bool),
    NBit(i64),
    Unsigned(u64),
    Signed(i64),
    Enumeration(u32),
    Binary(Vec<u8>),
    Text(String),
    /// Two's complement, least significant octet first.
    Integer(Vec<u8>),
}

/// Reads `text` as `datatype`; None if it has not the form.
pub(crate) fn parse(grammar: &Grammar, datatype: &Datatype, text: String) -> Option<Parsed> {
    if let Datatype::Text { .. } = datatype {
        return Some(Parsed::Text(text));
    }
    // Every other type collapses the white space around the value (XML Schema part 2, 4.3.6).
    let word = text.trim_matches([' ', '\t', '\r', '\n']);
    Some(match datatype {
        Datatype::Boolean => Parsed::Boolean(match word {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => return None,
        }),
        Datatype::NBit { .. } => Parsed::NBit(word.parse().ok()?),
        Datatype::Unsigned { .. } => Parsed::Unsigned(word.parse().ok()?),
        Datatype::Signed { .. } => Parsed::Signed(word.parse().ok()?),
        Datatype::Integer => Parsed::Integer(word.parse::<i128>().ok()?.to_le_bytes().to_vec()),
        Datatype::Enumeration { enumeration, .. } => {
            let literals = &grammar.enumerations().get(*enumeration as usize)?.literals;
            let index = literals
                .iter()
                .position(|&literal| grammar.string(literal) == word)?;
            Parsed::Enumeration(u32::try_from(index).ok()?)
        }
        Datatype::Binary {
            text: BinaryText::Hex,
            ..
        } => Parsed::Binary(hex(word.as_bytes())?),
        Datatype::Binary {
            text: BinaryText::Base64,
            ..
        } => Parsed::Binary(base64(word.as_bytes())?),
        Datatype::Text { .. } => return None,
    })
}

fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    if digits.len() % 2 != 0 {
        return None;
    }
    let digit = |octet: u8| char::from(octet).to_digit(16);
    digits
        .chunks(2)
        .map(|pair| u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok())
        .collect()
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len() / 4 * 3);
    let (mut group, mut digits, mut padding) = (0u32, 0, 0);
    for &character in text {
        let value = match character {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if digits >= 2 => {
                padding += 1;
                0
            }
            _ => return None,
        };
        if padding > 0 && character != b'=' {
            return None;
        }
        group = group << 6 | u32::from(value);
        digits += 1;
        if digits == 4 {
            let [_, first, second, third] = group.to_be_bytes();
            octets.extend([first, second, third].into_iter().take(3 - padding));
            // Padding ends the text: a digit or a second group after it is refused above.
            digits = 0;
            group = 0;
        }
    }
    (digits == 0).then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_with_and_without_padding() {
        let cases: [(&str, &[u8]); 6] = [
            ("", b""),
            ("Zg==", b"f"),
            ("Zm8=", b"fo"),
            ("Zm9v", b"foo"),
            ("Zm9v\nYg==", b"foob"),
            ("+/+/", b"\xfb\xff\xbf"),
        ];
        for (text, octets) in cases {
            assert_eq!(base64(text.as_bytes()).as_deref(), Some(octets), "{text}");
        }
        for text in [
            "Z", "Zg", "Zg=", "Zg===", "Zg==Zg==", "Z===", "====", "Zg=A", "Z*==",
        ] {
            assert_eq!(base64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn hex_of_either_case() {
        assert_eq!(hex(b"00fFa9").as_deref(), Some(&[0, 0xff, 0xa9][..]));
        assert_eq!(hex(b"0"), None);
        assert_eq!(hex(b"0g"), None);
    }
}
