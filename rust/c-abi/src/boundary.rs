//! Pointers and lengths from C, and errors to it. What is `unsafe` here is only reading from and writing to memory that
//! the caller has promised; everything that can be checked about it is.
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ffi::c_char;

use crate::types::{Iso15118ExiError, Iso15118ExiStatus as Status, ISO15118_EXI_ERROR_TEXT};

/// Why a function does not return OK.
pub(crate) struct Failure {
    status: Status,
    bit_offset: Option<usize>,
    path: String,
    reason: String,
    expected: String,
}

impl Failure {
    fn new(status: Status, reason: impl Into<String>) -> Box<Self> {
        Box::new(Failure {
            status,
            bit_offset: None,
            path: String::new(),
            reason: reason.into(),
            expected: String::new(),
        })
    }

    pub fn argument(reason: impl Into<String>) -> Box<Self> {
        Self::new(Status::InvalidArgument, reason)
    }

    pub fn tables(refused: &iso15118_exi::TableError) -> Box<Self> {
        Self::new(Status::InvalidTables, refused.to_string())
    }

    pub fn text(reason: &str) -> Box<Self> {
        Self::new(Status::InvalidText, reason)
    }

    pub fn message(refused: &iso15118_exi::Error) -> Box<Self> {
        Self::refused(Status::InvalidMessage, refused)
    }

    pub fn refused_text(refused: &iso15118_exi::Error) -> Box<Self> {
        Self::refused(Status::InvalidText, refused)
    }

    fn refused(status: Status, refused: &iso15118_exi::Error) -> Box<Self> {
        Box::new(Failure {
            status,
            bit_offset: refused.bit_offset,
            path: refused.path(),
            reason: refused.reason.clone(),
            expected: refused.expected.clone(),
        })
    }
}

pub(crate) type Done<T> = Result<T, Box<Failure>>;

/// Refuses flags that there are not.
pub(crate) fn bounded(flags: u32, known: u32) -> Done<()> {
    if flags & !known == 0 {
        return Ok(());
    }
    Err(Failure::argument(format!("flags 0x{flags:x}")))
}

/// Octets of the caller.
///
/// # Safety
/// `start` is NULL or points to `length` octets that do not change while the result lives.
pub(crate) unsafe fn input<'a>(start: *const u8, length: usize, name: &str) -> Done<&'a [u8]> {
    if length > isize::MAX as usize {
        return Err(Failure::argument(format!("{name} of {length} octets")));
    }
    if start.is_null() {
        return Err(Failure::argument(format!("{name} is NULL")));
    }
    // SAFETY: not NULL, not too long for a slice, and there, as this function's caller promises.
    Ok(unsafe { core::slice::from_raw_parts(start, length) })
}

/// Hands parts of a result to the caller, one behind the other, and their length less `uncounted`.
///
/// # Safety
/// `start` is NULL or points to `capacity` octets, and `length` is NULL or points to one number.
pub(crate) unsafe fn output(
    parts: &[&[u8]],
    uncounted: usize,
    start: *mut u8,
    capacity: usize,
    length: *mut usize,
) -> Done<()> {
    let whole: usize = parts.iter().map(|part| part.len()).sum();
    if !length.is_null() {
        // SAFETY: not NULL, and one number has room there, as this function's caller promises.
        unsafe { length.write(whole - uncounted) };
    }
    if whole > capacity {
        let reason = format!("{whole} octets into {capacity}");
        return Err(Failure::new(Status::BufferTooSmall, reason));
    }
    if start.is_null() {
        return Err(Failure::argument("the buffer is NULL"));
    }
    let mut at = 0;
    for part in parts {
        // SAFETY: `at` and the part's length are within `capacity`, which the caller has promised; the parts lie in memory
        // of our own.
        unsafe { core::ptr::copy_nonoverlapping(part.as_ptr(), start.add(at), part.len()) };
        at += part.len();
    }
    Ok(())
}

/// Runs the work of a function, and turns what it says into a status and an error.
///
/// # Safety
/// `error` is NULL or points to one object.
pub(crate) unsafe fn guarded(
    error: *mut Iso15118ExiError,
    work: impl FnOnce() -> Done<()>,
) -> Status {
    // The engine does not panic. Should it be wrong about that, C must not see it: unwinding into C is undefined.
    #[cfg(feature = "std")]
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Failure::new(Status::Internal, "a panic, which is a fault")));
    #[cfg(not(feature = "std"))]
    let done = work();
    let Err(failure) = done else {
        return Status::Ok;
    };
    if !error.is_null() {
        let offset = failure.bit_offset.and_then(|bit| bit.try_into().ok());
        let told = Iso15118ExiError {
            status: failure.status,
            bit_offset: offset.unwrap_or(-1),
            path: cut(&failure.path),
            reason: cut(&failure.reason),
            expected: cut(&failure.expected),
        };
        // SAFETY: not NULL, and one object has room there, as this function's caller promises.
        unsafe { error.write(told) };
    }
    failure.status
}

/// A text with a NUL behind it.
pub(crate) fn terminated(text: &str) -> Vec<u8> {
    // A NUL inside would end it early, which is all that it would do.
    let mut octets = text.as_bytes().to_vec();
    octets.push(0);
    octets
}

/// As much of a text as fits, in whole characters, and NULs behind it.
fn cut(text: &str) -> [c_char; ISO15118_EXI_ERROR_TEXT] {
    let mut most = text.len().min(ISO15118_EXI_ERROR_TEXT - 1);
    while !text.is_char_boundary(most) {
        most -= 1;
    }
    let mut octets = [0; ISO15118_EXI_ERROR_TEXT];
    for (to, from) in octets.iter_mut().zip(text.bytes().take(most)) {
        // A peer's NUL would end the text; it is shown as what it is not.
        *to = if from == 0 { b'?' } else { from } as c_char;
    }
    octets
}
