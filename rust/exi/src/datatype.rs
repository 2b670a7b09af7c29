//! The datatypes of the tables, with their facets, and the code widths that follow from them.

use alloc::format;
use alloc::string::String;

use crate::grammar::Grammar;

/// Octets that an unlimited integer may take; 160 bits (23 octets) is the longest a certificate serial number needs.
pub const MAX_INTEGER_OCTETS: usize = 64;

/// Lengths that a string (code points) or a binary (octets) may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// Shortest.
    pub min: u64,
    /// Longest; `u64::MAX` for no limit.
    pub max: u64,
}

impl Lengths {
    /// Whether `length` is allowed.
    #[inline]
    #[must_use]
    pub fn allow(&self, length: u64) -> bool {
        self.min <= length && length <= self.max
    }
}

/// How a binary is written in XML; the EXI code is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryText {
    /// Two hexadecimal digits an octet.
    Hex,
    /// RFC 4648 base 64.
    Base64,
}

/// A simple type as EXI sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datatype {
    /// One bit.
    Boolean,
    /// Offset from the minimum of a range of at most 4096 values.
    NBit {
        /// Smallest value.
        minimum: i64,
        /// Number of values, 1 to 4096.
        count: u32,
        /// Bits of the code.
        width: u32,
    },
    /// Groups of seven bits, at most 64 bits in all.
    Unsigned {
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
    },
    /// Sign bit, then the magnitude (less one when negative) as an unsigned integer.
    Signed {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// Position among the literals.
    Enumeration {
        /// Index in [`Grammar::enumerations`](crate::Grammar::enumerations).
        enumeration: u32,
        /// Number of literals.
        count: u32,
        /// Bits of the code.
        width: u32,
    },
    /// Length, then octets.
    Binary {
        /// In octets.
        lengths: Lengths,
        /// The lexical form, for untyped values only.
        text: BinaryText,
    },
    /// Length + 2, then code points as unsigned integers.
    Text {
        /// In code points.
        lengths: Lengths,
    },
    /// Signed, of any size up to [`MAX_INTEGER_OCTETS`].
    Integer,
}

/// Bits that tell `count` codes apart.
#[must_use]
pub fn code_width(count: u32) -> u32 {
    count
        .saturating_sub(1)
        .checked_ilog2()
        .map_or(0, |log| log + 1)
}

/// What a datatype allows, in words.
pub(crate) fn describe(grammar: &Grammar, datatype: &Datatype) -> String {
    match datatype {
        Datatype::Boolean => "true or false".into(),
        Datatype::NBit { minimum, count, .. } => {
            format!("{minimum} to {}", *minimum + i64::from(*count) - 1)
        }
        Datatype::Unsigned { min, max } => format!("{min} to {max}"),
        Datatype::Signed { min, max } => format!("{min} to {max}"),
        Datatype::Enumeration {
            enumeration, count, ..
        } => {
            let class = grammar
                .enumerations()
                .get(*enumeration as usize)
                .map_or("", |entry| grammar.string(entry.class));
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

#[cfg(test)]
mod tests {
    use super::code_width;

    #[test]
    fn widths_are_the_logarithm_rounded_up() {
        let expected = [
            (0, 0),
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 3),
            (8, 3),
            (9, 4),
            (4096, 12),
            (4097, 13),
        ];
        for (count, width) in expected {
            assert_eq!(code_width(count), width, "{count} codes");
        }
    }
}
