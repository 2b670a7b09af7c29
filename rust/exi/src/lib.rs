//! Table-driven EXI engine for V2G messages: schema-informed, bit-packed, non-strict, no string table.
//!
//! A [`Grammar`] is loaded from the tables that `iso15118/codegen` writes (`TABLES.md`) and validated completely;
//! [`decode`] then drives any [`Builder`], and [`encode`] draws from any [`Source`], so that no tree stands between
//! the octets and the caller's own objects. [`value::Value`] is a tree for callers that have none, and [`JsonCodec`] goes
//! all the way to text and back.
#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]
#![warn(missing_docs)]

extern crate alloc;

pub mod bits;
mod check;
pub mod datatype;
pub mod decode;
pub mod encode;
pub mod error;
pub mod grammar;
pub mod json;
mod lexical;
mod load;
mod second_level;
pub mod value;

pub use bits::ByteRun;
pub use decode::{decode, Builder, DecodeOptions, Decoded, Note};
pub use encode::{encode, EncodeOptions, Source};
pub use error::{Error, TableError};
pub use grammar::Grammar;
pub use json::JsonCodec;

/// The example in README.md is run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
