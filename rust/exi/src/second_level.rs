//! The second level of the non-strict element grammar: the productions behind the escape code of every state.
//!
//! Only EE (an empty value) and untyped characters mean anything in V2G; the others are told apart to name them.
use alloc::boxed::Box;
use alloc::format;

use crate::bits::Reader;
use crate::datatype::code_width;
use crate::error::{Error, Result};

/// How far into an element a state is; the second level shrinks on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing but SE has been read.
    Start,
    /// Attributes have been read.
    Attributes,
    /// Content has been read.
    Content,
}

/// What stands behind an escape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Second {
    EndElement,
    UntypedCharacters,
}

const EVENTS: [&str; 7] = [
    "end of element",
    "attribute xsi:type",
    "attribute xsi:nil",
    "an undeclared attribute",
    "an attribute without type",
    "an undeclared element",
    "text without type",
];
const END: usize = 0;
const UNTYPED_CHARACTERS: usize = 6;

/// Reads a second-level code in a state that has EE on the first level or not.
pub(crate) fn read(reader: &mut Reader<'_>, has_end: bool, phase: Phase) -> Result<Second> {
    let at = reader.position();
    let mut present = [true; 7];
    present[END] = !has_end;
    for (index, slot) in present.iter_mut().enumerate() {
        match index {
            1 | 2 => *slot = phase == Phase::Start,
            3 | 4 => *slot = phase != Phase::Content,
            _ => {}
        }
    }
    let count = present.iter().filter(|here| **here).count();
    let code = reader
        .bits(code_width(count as u32))
        .map_err(|_| truncated(at))?;
    let event = present
        .iter()
        .enumerate()
        .filter(|(_, here)| **here)
        .nth(code as usize);
    match event {
        Some((END, _)) => Ok(Second::EndElement),
        Some((UNTYPED_CHARACTERS, _)) => Ok(Second::UntypedCharacters),
        Some((index, _)) => {
            let name = EVENTS.get(index).copied().unwrap_or_default();
            Err(Error::new(format!("{name} is not supported"), "", Some(at)))
        }
        None => Err(Error::new(
            format!("second-level code {code} of {count}"),
            "",
            Some(at),
        )),
    }
}

pub(crate) fn truncated(at: usize) -> Box<Error> {
    Error::new("the stream ends here", "", Some(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(
        octet: u8,
        has_end: bool,
        phase: Phase,
    ) -> core::result::Result<(Second, usize), alloc::string::String> {
        let octets = [octet];
        let mut reader = Reader::new(&octets);
        read(&mut reader, has_end, phase)
            .map(|event| (event, reader.position()))
            .map_err(|error| error.reason)
    }

    #[test]
    fn codes_and_widths_of_every_phase() {
        use Second::{EndElement, UntypedCharacters};
        // Seven, six, five, four, three and two productions.
        assert_eq!(
            outcome(0b000_00000, false, Phase::Start),
            Ok((EndElement, 3))
        );
        assert_eq!(
            outcome(0b110_00000, false, Phase::Start),
            Ok((UntypedCharacters, 3))
        );
        assert_eq!(
            outcome(0b101_00000, true, Phase::Start),
            Ok((UntypedCharacters, 3))
        );
        assert_eq!(
            outcome(0b100_00000, false, Phase::Attributes),
            Ok((UntypedCharacters, 3))
        );
        assert_eq!(
            outcome(0b11_000000, true, Phase::Attributes),
            Ok((UntypedCharacters, 2))
        );
        assert_eq!(
            outcome(0b00_000000, false, Phase::Content),
            Ok((EndElement, 2))
        );
        assert_eq!(
            outcome(0b10_000000, false, Phase::Content),
            Ok((UntypedCharacters, 2))
        );
        assert_eq!(
            outcome(0b1_0000000, true, Phase::Content),
            Ok((UntypedCharacters, 1))
        );
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let refusal = |octet, has_end, phase| outcome(octet, has_end, phase).unwrap_err();
        assert!(refusal(0b001_00000, false, Phase::Start).contains("xsi:type"));
        assert!(refusal(0b010_00000, false, Phase::Start).contains("xsi:nil"));
        assert!(refusal(0b011_00000, false, Phase::Start).contains("undeclared attribute"));
        assert!(refusal(0b010_00000, false, Phase::Attributes).contains("attribute without type"));
        assert!(refusal(0b0_0000000, true, Phase::Content).contains("undeclared element"));
        assert_eq!(
            refusal(0b111_00000, false, Phase::Start),
            "second-level code 7 of 7"
        );
        assert!(read(&mut Reader::new(&[]), true, Phase::Content).is_err());
    }
}
