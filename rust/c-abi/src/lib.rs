//! C interface of the EXI engine: load the tables of a schema set, decode octets to JSON text, encode text to octets.
//!
//! The engine has no `unsafe`; all that a C boundary cannot do without is here and in `boundary.rs`. Every pointer is
//! compared with NULL and every length with its greatest value, results go to memory of the caller, and a panic, should
//! there be one, ends at the boundary. The header `include/iso15118_exi.h` is generated from this file and `types.rs`.
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(missing_docs)]

extern crate alloc;

mod boundary;
#[cfg(not(any(feature = "std", test)))]
mod freestanding;
#[cfg(test)]
mod tests;
mod types;

use alloc::boxed::Box;
use core::ffi::c_char;

use boundary::{bounded, guarded, input, output, Failure};
use iso15118_exi::{DecodeOptions, JsonCodec};
pub use types::*;

/// Reads and checks the grammar tables of a schema set, and gives out a codec in `*codec`.
///
/// `tables` are the octets of one of the files `*.exig`; they are not needed any more after the call. `max_elements` bounds
/// the elements of a decoded message, and so the memory that a peer can make decoding take; 0 stands for 250000. A codec
/// never changes: any number of threads may use it at once. Free it with `iso15118_exi_free`.
///
/// `error` may be NULL here and in every other function; it is written if the function returns anything but
/// `ISO15118_EXI_STATUS_OK`.
///
/// # Safety
/// `tables` points to `tables_length` octets, `codec` and `error` to one object each, or they are NULL.
#[no_mangle]
pub unsafe extern "C" fn iso15118_exi_load(
    tables: *const u8,
    tables_length: usize,
    max_elements: u32,
    codec: *mut *mut Iso15118ExiCodec,
    error: *mut Iso15118ExiError,
) -> Iso15118ExiStatus {
    let load = || {
        if codec.is_null() {
            return Err(Failure::argument("codec is NULL"));
        }
        // SAFETY: as this function's caller promises.
        let tables = unsafe { input(tables, tables_length, "tables") }?;
        let loaded = JsonCodec::load(tables).map_err(|refused| Failure::tables(&refused))?;
        let options = DecodeOptions::default();
        let handle = Box::new(Iso15118ExiCodec {
            name: boundary::terminated(loaded.grammar().name()),
            codec: loaded,
            max_elements: if max_elements == 0 {
                options.max_elements
            } else {
                max_elements
            },
        });
        // SAFETY: not NULL, and one pointer has room there, as this function's caller promises.
        unsafe { codec.write(Box::into_raw(handle)) };
        Ok(())
    };
    // SAFETY: `error` is NULL or points to one object, as this function's caller promises.
    unsafe { guarded(error, load) }
}

/// Frees a codec; NULL is left alone.
///
/// # Safety
/// `codec` is NULL or comes from `iso15118_exi_load`, was not freed before, and nobody uses it any more.
#[no_mangle]
pub unsafe extern "C" fn iso15118_exi_free(codec: *mut Iso15118ExiCodec) {
    if !codec.is_null() {
        // SAFETY: it was made by Box::into_raw in iso15118_exi_load, and is given back once.
        drop(unsafe { Box::from_raw(codec) });
    }
}

/// Name of the schema set, such as "iso20-dc"; lives as long as the codec. NULL for NULL.
///
/// # Safety
/// `codec` is NULL or comes from `iso15118_exi_load` and was not freed.
#[no_mangle]
pub unsafe extern "C" fn iso15118_exi_name(codec: *const Iso15118ExiCodec) -> *const c_char {
    // SAFETY: NULL or a living codec, as this function's caller promises.
    match unsafe { codec.as_ref() } {
        Some(codec) => codec.name.as_ptr().cast(),
        None => core::ptr::null(),
    }
}

/// Decodes one message to JSON text in UTF-8, with a NUL behind it.
///
/// The text is written to `text` if its `capacity` is enough for it and the NUL; `*length`, which may be NULL, is the
/// length without the NUL in any case. So `text` NULL with `capacity` 0 asks for the length, and is answered by
/// `ISO15118_EXI_STATUS_BUFFER_TOO_SMALL`. `flags` are those of `ISO15118_EXI_FRAGMENT`, `ISO15118_EXI_STRICT`,
/// `ISO15118_EXI_OPEN_ARRAYS` and `ISO15118_EXI_ANY_LENGTH` that apply. `*deviations`, which may be NULL, tells by the bits
/// `ISO15118_EXI_TRAILING_OCTETS` to `ISO15118_EXI_LONG` what was borne with.
///
/// # Safety
/// `codec` comes from `iso15118_exi_load`; `octets` points to `octets_length` octets and `text` to `capacity`; `length`,
/// `deviations` and `error` point to one object each; or they are NULL.
#[no_mangle]
pub unsafe extern "C" fn iso15118_exi_decode(
    codec: *const Iso15118ExiCodec,
    octets: *const u8,
    octets_length: usize,
    flags: u32,
    text: *mut c_char,
    capacity: usize,
    length: *mut usize,
    deviations: *mut u32,
    error: *mut Iso15118ExiError,
) -> Iso15118ExiStatus {
    let decode = || {
        let known = ISO15118_EXI_FRAGMENT
            | ISO15118_EXI_STRICT
            | ISO15118_EXI_OPEN_ARRAYS
            | ISO15118_EXI_ANY_LENGTH;
        bounded(flags, known)?;
        // SAFETY: NULL or a living codec, as this function's caller promises.
        let codec = unsafe { codec.as_ref() }.ok_or_else(|| Failure::argument("codec is NULL"))?;
        // SAFETY: as this function's caller promises.
        let octets = unsafe { input(octets, octets_length, "octets") }?;
        let options = DecodeOptions {
            fragment: flags & ISO15118_EXI_FRAGMENT != 0,
            strict: flags & ISO15118_EXI_STRICT != 0,
            open_arrays: flags & ISO15118_EXI_OPEN_ARRAYS != 0,
            any_length: flags & ISO15118_EXI_ANY_LENGTH != 0,
            max_elements: codec.max_elements,
            ..DecodeOptions::default()
        };
        let json = codec.codec.decode(octets, &options);
        let json = json.map_err(|refused| Failure::message(&refused))?;
        if !deviations.is_null() {
            let bits = json
                .notes
                .iter()
                .fold(0, |bits, note| bits | deviation(note));
            // SAFETY: not NULL, and one number has room there, as this function's caller promises.
            unsafe { deviations.write(bits) };
        }
        // SAFETY: as this function's caller promises.
        unsafe {
            output(
                &[json.text.as_bytes(), b"\0"],
                1,
                text.cast(),
                capacity,
                length,
            )
        }
    };
    // SAFETY: `error` is NULL or points to one object, as this function's caller promises.
    unsafe { guarded(error, decode) }
}

/// Encodes one message of JSON text, as `iso15118_exi_decode` writes it; `text_length` does not count a NUL.
///
/// The octets are written to `octets` if its `capacity` is enough; `*length`, which may be NULL, is their number in any
/// case. `flags` is 0 or `ISO15118_EXI_FRAGMENT`.
///
/// # Safety
/// `codec` comes from `iso15118_exi_load`; `text` points to `text_length` octets and `octets` to `capacity`; `length` and
/// `error` point to one object each; or they are NULL.
#[no_mangle]
pub unsafe extern "C" fn iso15118_exi_encode(
    codec: *const Iso15118ExiCodec,
    text: *const c_char,
    text_length: usize,
    flags: u32,
    octets: *mut u8,
    capacity: usize,
    length: *mut usize,
    error: *mut Iso15118ExiError,
) -> Iso15118ExiStatus {
    let encode = || {
        bounded(flags, ISO15118_EXI_FRAGMENT)?;
        // SAFETY: NULL or a living codec, as this function's caller promises.
        let codec = unsafe { codec.as_ref() }.ok_or_else(|| Failure::argument("codec is NULL"))?;
        // SAFETY: as this function's caller promises.
        let text = unsafe { input(text.cast::<u8>(), text_length, "text") }?;
        let text =
            core::str::from_utf8(text).map_err(|_| Failure::text("the text is not UTF-8"))?;
        let fragment = flags & ISO15118_EXI_FRAGMENT != 0;
        let encoded = codec.codec.encode(text, fragment);
        let encoded = encoded.map_err(|refused| Failure::refused_text(&refused))?;
        // SAFETY: as this function's caller promises.
        unsafe { output(&[&encoded], 0, octets, capacity, length) }
    };
    // SAFETY: `error` is NULL or points to one object, as this function's caller promises.
    unsafe { guarded(error, encode) }
}
