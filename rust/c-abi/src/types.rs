//! The types and constants of the C header.
use alloc::vec::Vec;
use core::ffi::c_char;

use iso15118_exi::{JsonCodec, Note};

/// What a function returns.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Iso15118ExiStatus {
    /// All is well.
    Ok = 0,
    /// NULL where it may not be, a length beyond half the address space, a flag that there is not.
    InvalidArgument = 1,
    /// The grammar tables are not of format 1, or broken.
    InvalidTables = 2,
    /// The octets are no message of the schema set.
    InvalidMessage = 3,
    /// The text is no JSON, or no message of the schema set.
    InvalidText = 4,
    /// The result does not fit the buffer; the length that it needs has been told.
    BufferTooSmall = 5,
    /// A fault of this library; please report it.
    Internal = 6,
}

/// Octets of each text of an error, the NUL included; what is longer is cut between two characters.
pub const ISO15118_EXI_ERROR_TEXT: usize = 256;

/// What went wrong, and where. The texts are UTF-8 with a NUL behind them, empty where there is nothing to say.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Iso15118ExiError {
    /// What the function returned.
    pub status: Iso15118ExiStatus,
    /// Position in the EXI stream in bits; -1 if it is not about a place in a stream.
    pub bit_offset: i64,
    /// Element names from the outside in, such as `DC_ChargeLoopReq/Header/SessionID`; `Service[3]` for a repeated one.
    pub path: [c_char; ISO15118_EXI_ERROR_TEXT],
    /// What was found.
    pub reason: [c_char; ISO15118_EXI_ERROR_TEXT],
    /// What would have been allowed.
    pub expected: [c_char; ISO15118_EXI_ERROR_TEXT],
}

/// A fragment instead of a document: a single element, as signatures use it.
pub const ISO15118_EXI_FRAGMENT: u32 = 1;
/// Refuse octets after the message and padding that is not zero.
pub const ISO15118_EXI_STRICT: u32 = 2;
/// Read an array at its greatest length as if it could go on, as one code generator in the field writes it. Worth a second
/// attempt where the first one failed, as is `ISO15118_EXI_ANY_LENGTH`.
pub const ISO15118_EXI_OPEN_ARRAYS: u32 = 4;
/// Take strings and binaries that are shorter or longer than their type allows.
pub const ISO15118_EXI_ANY_LENGTH: u32 = 8;

/// Deviation: octets after the message.
pub const ISO15118_EXI_TRAILING_OCTETS: u32 = 1;
/// Deviation: the bits that fill up the last octet are not zero.
pub const ISO15118_EXI_PADDING: u32 = 2;
/// Deviation: an empty value as a missing one.
pub const ISO15118_EXI_EMPTY_BY_END: u32 = 4;
/// Deviation: a value as untyped characters.
pub const ISO15118_EXI_UNTYPED_CHARACTERS: u32 = 8;
/// Deviation: an array at its greatest length, coded as if it could go on.
pub const ISO15118_EXI_OPEN_ARRAY: u32 = 16;
/// Deviation: a string or binary shorter than its type allows.
pub const ISO15118_EXI_SHORT: u32 = 32;
/// Deviation: a string or binary longer than its type allows.
pub const ISO15118_EXI_LONG: u32 = 64;

/// Deviation: an abstract element without content, left out.
pub const ISO15118_EXI_EMPTY_ABSTRACT: u32 = 128;

/// The bit of a deviation.
pub(crate) fn deviation(note: &Note) -> u32 {
    match note {
        Note::TrailingOctets(_) => ISO15118_EXI_TRAILING_OCTETS,
        Note::Padding => ISO15118_EXI_PADDING,
        Note::EmptyByEnd(_) => ISO15118_EXI_EMPTY_BY_END,
        Note::UntypedCharacters(_) => ISO15118_EXI_UNTYPED_CHARACTERS,
        Note::OpenArray(_) => ISO15118_EXI_OPEN_ARRAY,
        Note::EmptyAbstract(_) => ISO15118_EXI_EMPTY_ABSTRACT,
        Note::Short(_) => ISO15118_EXI_SHORT,
        Note::Long(_) => ISO15118_EXI_LONG,
    }
}

/// The messages of one schema set.
pub struct Iso15118ExiCodec {
    pub(crate) codec: JsonCodec,
    /// With a NUL behind it.
    pub(crate) name: Vec<u8>,
    pub(crate) max_elements: u32,
}
