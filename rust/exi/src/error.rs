//! What can go wrong, with where: a message that is refused ([`Error`]) or tables that are ([`TableError`]).
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Why a message could not be decoded or encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What was found.
    pub reason: String,
    /// What the grammar or the datatype would have allowed, empty where nothing can be said.
    pub expected: String,
    /// Position in the stream in bits; None when encoding.
    pub bit_offset: Option<usize>,
    /// Element names, innermost first, with the occurrence (from 1) of repeated ones.
    trail: Vec<(String, Option<u32>)>,
}

/// Boxed, so that the way without errors stays cheap.
pub type Result<T> = core::result::Result<T, Box<Error>>;

impl Error {
    pub(crate) fn new(
        reason: impl Into<String>,
        expected: impl Into<String>,
        bit_offset: Option<usize>,
    ) -> Box<Self> {
        Box::new(Error {
            reason: reason.into(),
            expected: expected.into(),
            bit_offset,
            trail: Vec::new(),
        })
    }

    /// Notes the element that the error happened in, from the inside out.
    #[cold]
    pub(crate) fn inside(mut self: Box<Self>, name: &str, occurrence: Option<u32>) -> Box<Self> {
        self.trail.push((name.into(), occurrence));
        self
    }

    /// The element path, outermost first: `DC_ChargeLoopReq/Header/SessionID`, `Service[3]` for a repeated element.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for (name, occurrence) in self.trail.iter().rev() {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(name);
            if let Some(number) = occurrence {
                path.push_str(&alloc::format!("[{number}]"));
            }
        }
        path
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path(), self.reason)?;
        if let Some(bit) = self.bit_offset {
            write!(f, " (bit {bit})")?;
        }
        if !self.expected.is_empty() {
            write!(f, "; expected {}", self.expected)?;
        }
        Ok(())
    }
}

#[cfg(feature = "std")]
impl std::error::Error for Error {}

/// Why grammar tables were refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError(pub String);

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "grammar tables: {}", self.0)
    }
}

#[cfg(feature = "std")]
impl std::error::Error for TableError {}
