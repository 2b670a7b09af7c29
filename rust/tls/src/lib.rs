//! TLS connections of ISO 15118 over memory buffers: bytes in, bytes out, no sockets, no clock.
//!
//! A [`Context`] holds what is costly and shared (keys, chains, lists of the profile), a [`Connection`] is one end of
//! one connection. OpenSSL proves that the peer holds its key; whether its certificates are acceptable is decided by
//! the [`ChainCheck`] that the context was given, and nothing is accepted without one.
#![deny(unsafe_code)]

mod alert;
mod connection;
mod context;
mod error;
mod extensions;
#[allow(unsafe_code)]
mod ffi;
mod shared;
mod wire;

pub use alert::{alert_name, RefusalAlert};
pub use connection::{Connection, Info};
pub use context::{
    ChainCheck, ClientCertificate, Context, Identity, OlderLists, PeerCertificates, Refusal, Role,
    Settings, StapleSource, TrustedCaChoice, VerifiedPath, Version,
};
pub use error::{Error, Kind};
