//! Bit streams: a reader that looks at the octets through a 64-bit window and a writer with a 64-bit accumulator.
//! Octet runs (binaries, ASCII text) are moved as a whole with one shift, never bit by bit.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::{ByteRun, Reader};
pub(crate) use write::groups;
pub use write::Writer;

/// The stream ended before the bits that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncated;

/// Why an unsigned integer could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadUnsigned {
    /// The stream ended inside it.
    Truncated,
    /// It does not fit 64 bits, or has more octets than 64 bits need.
    TooLong,
}
