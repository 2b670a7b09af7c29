//! One end of one connection: ciphertext in and out, plaintext out and in, and what was agreed.

use crate::context::{Context, Role, Settings, VerifiedPath, Version};
use crate::error::{reasons, Error, Kind};
use crate::ffi;
use crate::shared::{index, locked, noted, Shared};
use crate::wire::Wire;
use openssl::error::ErrorStack;
use openssl::ssl::{self, ErrorCode, Ssl, SslStream, SslVersion, StatusType};
use std::ffi::{c_int, c_long};
use std::sync::atomic::Ordering;
use std::sync::Arc;

/// Plaintext of one record, in octets: the unit in which we read.
const RECORD: usize = 16 * 1024;
/// Ciphertext that may wait to be sent, in octets. A driver that does not drain its connection is at fault.
const MAX_OUTGOING: usize = 4 * 1024 * 1024;
/// KeyUpdates of a peer in a row, without a byte of data between them.
const MAX_KEY_UPDATES: u32 = 32;

/// What the handshake agreed on; names as IANA writes them.
#[derive(Clone, Debug)]
pub struct Info {
    pub version: String,
    pub cipher: String,
    pub group: String,
    /// Scheme of our own CertificateVerify, if we sent a certificate.
    pub signature: Option<String>,
    /// Scheme of the peer's CertificateVerify, if it sent a certificate.
    pub peer_signature: Option<String>,
    /// Certificates of the peer as DER, as it sent them: leaf first, the others in any order and of any worth; empty if it sent none.
    pub peer_chain: Vec<Vec<u8>>,
    /// Those of them that the check verified, if it says which.
    pub verified: Option<VerifiedPath>,
    /// Names (DER) that the peer sent as certificate_authorities.
    pub peer_authorities: Vec<Vec<u8>>,
    /// OCSP responses (DER) that came with the certificates of the peer.
    pub staples: Vec<Vec<u8>>,
    /// Data of the client's trusted_ca_keys extension, if it sent one that was read.
    pub trusted_ca_keys: Option<Vec<u8>>,
}

pub struct Connection {
    stream: SslStream<Wire>,
    shared: Arc<Shared>,
    info: Option<Info>,
    failure: Option<Error>,
    peer_closed: bool,
    closed: bool,
}

impl Connection {
    /// A client has its ClientHello to send at once.
    pub fn new(context: &Context) -> Result<Self, Error> {
        Self::made(context, false)
    }

    /// A server's end of TLS 1.2 on a port where another context serves TLS 1.3: its ServerHello carries the sentinel by which a client
    /// that has TLS 1.3 knows that somebody took it out of the ClientHello (RFC 8446 section 4.1.3).
    pub fn beside_newer(context: &Context) -> Result<Self, Error> {
        Self::made(context, true)
    }

    fn made(context: &Context, beside_newer: bool) -> Result<Self, Error> {
        let failed = |e: ErrorStack| Error::configuration("connection", &e);
        let mut ssl = Ssl::new(&context.ssl).map_err(failed)?;
        let shared = Arc::new(Shared::new(context.settings.clone()));
        let Some(index) = index() else {
            return Err(Error::new(
                Kind::Configuration,
                "OpenSSL has no place for the state of a connection",
            ));
        };
        ssl.set_ex_data(index, shared.clone());
        match context.settings.role {
            Role::Client => {
                if context.settings.status_request {
                    ssl.set_status_type(StatusType::OCSP).map_err(failed)?;
                }
                ssl.set_connect_state();
            }
            Role::Server => {
                if beside_newer && context.settings.max_version == Version::Tls12 {
                    // OpenSSL writes the sentinel where it could have agreed on TLS 1.3 itself. It never comes to that: a ClientHello with
                    // TLS 1.3 goes to the other context, and what is agreed here is held against the profile once more at the end.
                    ssl.set_max_proto_version(Some(SslVersion::TLS1_3))
                        .map_err(failed)?;
                    ffi::allow_newer_suite(&mut ssl).map_err(failed)?;
                }
                ssl.set_accept_state();
            }
        }
        let stream = SslStream::new(ssl, Wire::default()).map_err(failed)?;
        let mut new = Self {
            stream,
            shared,
            info: None,
            failure: None,
            peer_closed: false,
            closed: false,
        };
        if context.settings.role == Role::Client {
            new.shake_hands()?;
        }
        Ok(new)
    }

    /// Feed ciphertext; appends the plaintext that it completes. On an error there may be an alert to send.
    pub fn receive(&mut self, ciphertext: &[u8], plaintext: &mut Vec<u8>) -> Result<(), Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.peer_closed {
            return Ok(()); // nothing counts after close_notify
        }
        self.stream.get_mut().feed(ciphertext);
        if self.info.is_none() {
            self.shake_hands()?;
        }
        while self.info.is_some()
            && (self.stream.get_ref().unread() > 0 || self.stream.ssl().pending() > 0)
        {
            let start = plaintext.len();
            let room = self
                .stream
                .get_ref()
                .unread()
                .max(self.stream.ssl().pending())
                .clamp(256, RECORD);
            plaintext.resize(start + room, 0);
            let read = self.stream.ssl_read(&mut plaintext[start..]);
            plaintext.truncate(start + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(_) => self.shared.key_updates.store(0, Ordering::Relaxed),
                Err(error) if error.code() == ErrorCode::WANT_READ => {}
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                    self.peer_closed = true;
                    self.stream.get_mut().discard_incoming();
                    break;
                }
                Err(error) => return Err(self.fail(&error)),
            }
            if self.shared.key_updates.load(Ordering::Relaxed) > MAX_KEY_UPDATES {
                let failure = Error::new(Kind::Protocol, "too many KeyUpdates in a row");
                self.stream.get_mut().discard_incoming();
                self.failure = Some(failure.clone());
                return Err(failure);
            }
        }
        Ok(())
    }

    /// Go on with new keys for what is sent (TLS 1.3); the peer may be asked to do the same.
    pub fn update_keys(&mut self, peer_too: bool) -> Result<(), Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.closed
            || self
                .info
                .as_ref()
                .is_none_or(|info| info.version != Version::Tls13.name())
        {
            return Err(Error::new(
                Kind::Misuse,
                "keys can be renewed on an open connection of TLS 1.3 only",
            ));
        }
        ffi::update_keys(self.stream.ssl(), peer_too)
            .map_err(|e| Error::configuration("KeyUpdate", &e))?;
        self.stream
            .do_handshake()
            .map_err(|error| self.fail(&error))
    }

    /// Encrypt plaintext; the records wait in [`Self::outgoing`].
    pub fn write(&mut self, plaintext: &[u8]) -> Result<(), Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.info.is_none() || self.closed {
            return Err(Error::new(
                Kind::Misuse,
                "data can be sent between the handshake and close() only",
            ));
        }
        if self.outgoing().len() > MAX_OUTGOING {
            return Err(Error::new(Kind::Misuse, "too much data waits to be sent"));
        }
        let mut rest = plaintext;
        while !rest.is_empty() {
            match self.stream.ssl_write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) => return Err(self.fail(&error)),
            }
        }
        Ok(())
    }

    /// Ciphertext to be sent to the peer.
    pub fn outgoing(&self) -> &[u8] {
        &self.stream.get_ref().outgoing
    }

    /// Forget the outgoing ciphertext, once it is sent or copied.
    pub fn clear_outgoing(&mut self) {
        self.stream.get_mut().outgoing.clear();
    }

    /// Send close_notify. Data may still come in. Without effect before the handshake is complete.
    pub fn close(&mut self) {
        if self.info.is_some() && self.failure.is_none() && !self.closed {
            // The result only says whether the peer has closed as well.
            let _ = self.stream.shutdown();
        }
        self.closed = true;
    }

    /// The transport ended. An error unless the peer had said so with close_notify.
    pub fn end_of_stream(&mut self) -> Result<(), Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        if self.peer_closed {
            return Ok(());
        }
        let reason = match self.info {
            Some(_) => "the stream ended without close_notify",
            None => "the stream ended during the handshake",
        };
        let failure = Error::new(Kind::Truncated, reason);
        self.failure = Some(failure.clone());
        Err(failure)
    }

    /// What was agreed, once the handshake is complete on our side.
    pub fn info(&self) -> Option<&Info> {
        self.info.as_ref()
    }

    /// True once the peer has sent close_notify.
    pub fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Name of the last alert that we sent.
    pub fn alert_sent(&self) -> Option<String> {
        noted(&self.shared.alert_sent)
    }

    /// Name of the last alert that came from the peer.
    pub fn alert_received(&self) -> Option<String> {
        noted(&self.shared.alert_received)
    }

    /// Key log lines collected since the last call; always empty unless the settings ask for them.
    pub fn take_keylog(&mut self) -> Vec<String> {
        std::mem::take(&mut *locked(&self.shared.keylog))
    }

    fn shake_hands(&mut self) -> Result<(), Error> {
        match self.stream.do_handshake() {
            Ok(()) => {
                let info = self.agreed();
                if let Some(breach) = breach(&self.shared.settings, &info) {
                    let failure = Error::new(Kind::Protocol, breach);
                    self.failure = Some(failure.clone());
                    return Err(failure);
                }
                self.info = Some(info);
                Ok(())
            }
            Err(error) if error.code() == ErrorCode::WANT_READ => Ok(()),
            Err(error) => Err(self.fail(&error)),
        }
    }

    fn agreed(&self) -> Info {
        let ssl = self.stream.ssl();
        let cipher = ssl
            .current_cipher()
            .and_then(|cipher| cipher.standard_name())
            .unwrap_or_default();
        let names = ffi::peer_authorities(ssl);
        Info {
            version: ssl.version_str().to_owned(),
            cipher: cipher.to_owned(),
            group: group_name(ffi::negotiated_group(ssl)),
            signature: ffi::own_signature(ssl).map(scheme_name),
            peer_signature: ffi::peer_signature(ssl).map(scheme_name),
            peer_chain: locked(&self.shared.peer_chain).clone(),
            verified: locked(&self.shared.verified).clone(),
            peer_authorities: names
                .map(|n| n.iter().filter_map(|n| n.to_der().ok()).collect())
                .unwrap_or_default(),
            staples: locked(&self.shared.staples).clone(),
            trusted_ca_keys: locked(&self.shared.trusted_ca).data.clone(),
        }
    }

    /// Turn an error of OpenSSL into ours, and keep it: a failed connection stays failed.
    fn fail(&mut self, error: &ssl::Error) -> Error {
        let mut failure = Error::new(
            Kind::Protocol,
            error
                .ssl_error()
                .map_or("refused by OpenSSL".to_owned(), reasons),
        );
        // An alert of our own says more about the failure than a warning that came earlier.
        if let Some(alert) = self.alert_sent().filter(|name| name != "close_notify") {
            failure.alert = alert;
        } else if let Some(alert) = self.alert_received().filter(|name| name != "close_notify") {
            failure.reason = format!("the peer refused: {}", alert.replace('_', " "));
            failure.alert = alert;
        }
        if let Some(reason) = locked(&self.shared.refusal).take() {
            failure.reason = reason;
        }
        self.stream.get_mut().discard_incoming();
        self.failure = Some(failure.clone());
        failure
    }
}

/// A profile that OpenSSL did not hold to after all; None if everything agreed on is in its lists.
fn breach(settings: &Settings, info: &Info) -> Option<String> {
    let (suites, groups, known_schemes) = match &settings.older {
        Some(older) if info.version == Version::Tls12.name() => (
            &older.cipher_suites,
            &older.groups,
            &older.signature_schemes,
        ),
        _ => (
            &settings.cipher_suites,
            &settings.groups,
            &settings.signature_schemes,
        ),
    };
    let versions = [settings.min_version.name(), settings.max_version.name()];
    if !versions.contains(&info.version.as_str()) {
        return Some(format!("{} is outside the profile", info.version));
    }
    if !suites.contains(&info.cipher) {
        return Some(format!(
            "cipher suite {} is outside the profile",
            info.cipher
        ));
    }
    if !groups.contains(&info.group) {
        return Some(format!("group {} is outside the profile", info.group));
    }
    let schemes = info.signature.iter().chain(&info.peer_signature);
    schemes
        .into_iter()
        .find(|s| !known_schemes.contains(s))
        .map(|s| format!("{s} is outside the profile"))
}

/// IANA name of a group by OpenSSL's object number.
fn group_name(number: c_long) -> String {
    match number {
        415 => "secp256r1".to_owned(),
        715 => "secp384r1".to_owned(),
        716 => "secp521r1".to_owned(),
        1034 => "x25519".to_owned(),
        1035 => "x448".to_owned(),
        other => format!("group_{other}"),
    }
}

/// IANA name of a TLS 1.3 signature scheme by OpenSSL's object numbers of key type and digest.
fn scheme_name((key, digest): (c_int, c_int)) -> String {
    match (key, digest) {
        (408, 672) => "ecdsa_secp256r1_sha256".to_owned(),
        (408, 673) => "ecdsa_secp384r1_sha384".to_owned(),
        (408, 674) => "ecdsa_secp521r1_sha512".to_owned(),
        (1087, _) => "ed25519".to_owned(),
        (1088, _) => "ed448".to_owned(),
        (key, digest) => format!("scheme_{key}_{digest}"),
    }
}
