//! One end of one connection: ciphertext in and out, plaintext out and in, and what was agreed.

use crate::alert::{alert_name, RefusalAlert};
use crate::context::{Context, Identity, PeerCertificates, Role, Settings, Version};
use crate::error::{reasons, Error, Kind};
use crate::ffi;
use crate::wire::Wire;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{self, ErrorCode, Ssl, SslAlert, SslRef, SslStream, SslVersion, StatusType};
use std::ffi::{c_int, c_long};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Plaintext of one record, in octets: the unit in which we read.
const RECORD: usize = 16 * 1024;
/// Ciphertext that may wait to be sent, in octets. A driver that does not drain its connection is at fault.
const MAX_OUTGOING: usize = 4 * 1024 * 1024;
const NO_ALERT: i32 = -1;
/// KeyUpdates of a peer in a row, without a byte of data between them.
const MAX_KEY_UPDATES: u32 = 32;

/// What OpenSSL's callbacks and the connection both need; reached through the ex-data of the SSL.
pub(crate) struct Shared {
    settings: Arc<Settings>,
    peer_chain: Mutex<Vec<Vec<u8>>>,
    staples: Mutex<Vec<Vec<u8>>>,
    trusted_ca: Mutex<TrustedCa>,
    refusal: Mutex<Option<String>>,
    key_updates: AtomicU32,
    keylog: Mutex<Vec<String>>,
    alert_sent: AtomicI32,
    alert_received: AtomicI32,
}

/// What a client's trusted_ca_keys said: its data, and which chain of ours fits.
#[derive(Default)]
struct TrustedCa {
    data: Option<Vec<u8>>,
    choice: Option<usize>,
}

/// The shared state of a connection of ours.
pub(crate) fn shared(ssl: &SslRef) -> Option<&Arc<Shared>> {
    index().and_then(|index| ssl.ex_data(index))
}

fn index() -> Option<Index<Ssl, Arc<Shared>>> {
    static INDEX: OnceLock<Option<Index<Ssl, Arc<Shared>>>> = OnceLock::new();
    *INDEX.get_or_init(|| Ssl::new_ex_index().ok())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn check_chain(
        &self,
        ssl: &SslRef,
        chain: Vec<Vec<u8>>,
    ) -> Result<(), RefusalAlert> {
        *locked(&self.peer_chain) = chain;
        let version = version_of(ssl);
        if self.settings.role == Role::Server {
            return self.check(version, true); // vehicles send none; what OpenSSL has there are our own
        }
        if version == Version::Tls13 {
            *locked(&self.staples) = ffi::received_staples(ssl);
        }
        self.check(
            version,
            version == Version::Tls13 || !self.settings.status_request,
        )
    }

    /// TLS 1.2 sends the OCSP response of the leaf after the certificates.
    pub(crate) fn check_late_staples(&self, ssl: &SslRef) -> Result<(), RefusalAlert> {
        let version = version_of(ssl);
        if version == Version::Tls13 {
            return Ok(());
        }
        *locked(&self.staples) = ffi::received_staples(ssl);
        self.check(version, true)
    }

    fn check(&self, version: Version, complete: bool) -> Result<(), RefusalAlert> {
        let Some(check) = &self.settings.check else {
            return Err(RefusalAlert::InternalError);
        };
        let (chain, staples) = (
            locked(&self.peer_chain).clone(),
            locked(&self.staples).clone(),
        );
        let peer = PeerCertificates {
            chain: &chain,
            staples: complete.then_some(&staples[..]),
            version,
        };
        check(&peer).map_err(|refusal| {
            *locked(&self.refusal) = Some(refusal.reason);
            refusal.alert
        })
    }

    /// Responses for the chain with this leaf.
    pub(crate) fn staples_of(&self, leaf_der: Option<&[u8]>) -> Vec<Option<Vec<u8>>> {
        let place = self
            .settings
            .identities
            .iter()
            .position(|identity| Some(&identity.leaf_der[..]) == leaf_der);
        match (&self.settings.staples, place) {
            (Some(source), Some(place)) => source(place),
            _ => Vec::new(),
        }
    }

    pub(crate) fn note_trusted_ca_keys(&self, data: &[u8]) -> Result<(), SslAlert> {
        let Some(choose) = &self.settings.trusted_ca_choice else {
            return Ok(());
        };
        match choose(data) {
            Ok(choice) => {
                *locked(&self.trusted_ca) = TrustedCa {
                    data: Some(data.to_vec()),
                    choice,
                };
                Ok(())
            }
            Err(reason) => {
                *locked(&self.refusal) = Some(reason);
                Err(SslAlert::DECODE_ERROR)
            }
        }
    }

    pub(crate) fn note_key_update(&self) {
        self.key_updates.fetch_add(1, Ordering::Relaxed);
    }

    /// Leave only the chains under a root that the peer named. [V2G20-2379]
    pub(crate) fn choose_identity(&self, ssl: &mut SslRef) -> Result<(), ErrorStack> {
        let identities = &self.settings.identities;
        if let Some(chosen) = locked(&self.trusted_ca)
            .choice
            .and_then(|place| identities.get(place))
        {
            return ffi::restrict_identities(ssl, &[chosen]); // [V2G2-871]
        }
        let fitting: Vec<&Identity> = match ffi::peer_authorities(ssl) {
            Some(names) if !names.is_empty() => {
                identities.iter().filter(|i| i.is_under(names)).collect()
            }
            _ => return Ok(()), // free choice only where the peer names nothing [V2G20-2378]
        };
        if fitting.len() == identities.len() {
            return Ok(());
        }
        if fitting.is_empty() {
            if self.settings.role == Role::Client || !self.settings.named_authority_required {
                return Ok(()); // the peer will judge what we have
            }
            *locked(&self.refusal) =
                Some("no chain of ours ends in a root that the peer named".to_owned());
        }
        ffi::restrict_identities(ssl, &fitting)
    }

    pub(crate) fn note_alert(&self, code: u8, received: bool) {
        let slot = if received {
            &self.alert_received
        } else {
            &self.alert_sent
        };
        slot.store(i32::from(code), Ordering::Relaxed);
    }

    pub(crate) fn keep_keylog(&self, line: &str) {
        locked(&self.keylog).push(line.to_owned());
    }
}

fn noted(slot: &AtomicI32) -> Option<String> {
    u8::try_from(slot.load(Ordering::Relaxed))
        .ok()
        .map(alert_name)
}

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
    /// Certificates of the peer as DER, leaf first; empty if it sent none.
    pub peer_chain: Vec<Vec<u8>>,
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
        let failed = |e: ErrorStack| Error::configuration("connection", &e);
        let mut ssl = Ssl::new(&context.ssl).map_err(failed)?;
        let shared = Arc::new(Shared {
            settings: context.settings.clone(),
            peer_chain: Mutex::default(),
            staples: Mutex::default(),
            trusted_ca: Mutex::default(),
            key_updates: AtomicU32::new(0),
            refusal: Mutex::default(),
            keylog: Mutex::default(),
            alert_sent: AtomicI32::new(NO_ALERT),
            alert_received: AtomicI32::new(NO_ALERT),
        });
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
            Role::Server => ssl.set_accept_state(),
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

fn version_of(ssl: &SslRef) -> Version {
    if ssl.version2() == Some(SslVersion::TLS1_3) {
        Version::Tls13
    } else {
        Version::Tls12
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
