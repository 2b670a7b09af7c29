//! The one error of this crate: whose fault it was, why, and the alert that went with it.

use openssl::error::ErrorStack;
use std::fmt;

/// Where the failure comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A setting, key or certificate that cannot be used or enforced.
    Configuration,
    /// The handshake or a record failed, on our side or on the peer's.
    Protocol,
    /// The transport ended without close_notify.
    Truncated,
    /// A call that the state of the connection does not allow.
    Misuse,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub kind: Kind,
    pub reason: String,
    /// Name of the alert sent or received, empty if there was none.
    pub alert: String,
}

impl Error {
    pub(crate) fn new(kind: Kind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            alert: String::new(),
        }
    }

    pub(crate) fn configuration(what: &str, stack: &ErrorStack) -> Self {
        Self::new(Kind::Configuration, format!("{what}: {}", reasons(stack)))
    }
}

/// Texts of OpenSSL's error queue, without file names and codes.
pub(crate) fn reasons(stack: &ErrorStack) -> String {
    let mut texts: Vec<&str> = Vec::new();
    for error in stack.errors() {
        if let Some(text) = error.reason() {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    if texts.is_empty() {
        "refused by OpenSSL".to_owned()
    } else {
        texts.join("; ")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        if self.alert.is_empty() {
            Ok(())
        } else {
            write!(f, " (alert {})", self.alert)
        }
    }
}

impl std::error::Error for Error {}
