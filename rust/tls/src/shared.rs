//! What OpenSSL's callbacks learn and decide in the course of one connection.

use crate::alert::{alert_name, RefusalAlert};
use crate::context::{Identity, PeerCertificates, Role, Settings, VerifiedPath, Version};
use crate::ffi;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::ssl::{Ssl, SslAlert, SslRef, SslVersion};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

const NO_ALERT: i32 = -1;

/// What OpenSSL's callbacks and the connection both need; reached through the ex-data of the SSL.
pub(crate) struct Shared {
    pub(crate) settings: Arc<Settings>,
    pub(crate) peer_chain: Mutex<Vec<Vec<u8>>>,
    pub(crate) verified: Mutex<Option<VerifiedPath>>,
    pub(crate) staples: Mutex<Vec<Vec<u8>>>,
    pub(crate) trusted_ca: Mutex<TrustedCa>,
    pub(crate) refusal: Mutex<Option<String>>,
    pub(crate) key_updates: AtomicU32,
    pub(crate) keylog: Mutex<Vec<String>>,
    pub(crate) alert_sent: AtomicI32,
    pub(crate) alert_received: AtomicI32,
}

/// What a client's trusted_ca_keys said: its data, and which chain of ours fits.
#[derive(Default)]
pub(crate) struct TrustedCa {
    pub(crate) data: Option<Vec<u8>>,
    pub(crate) choice: Option<usize>,
}

/// The shared state of a connection of ours.
pub(crate) fn shared(ssl: &SslRef) -> Option<&Arc<Shared>> {
    index().and_then(|index| ssl.ex_data(index))
}

pub(crate) fn index() -> Option<Index<Ssl, Arc<Shared>>> {
    static INDEX: OnceLock<Option<Index<Ssl, Arc<Shared>>>> = OnceLock::new();
    *INDEX.get_or_init(|| Ssl::new_ex_index().ok())
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        Self {
            settings,
            peer_chain: Mutex::default(),
            verified: Mutex::default(),
            staples: Mutex::default(),
            trusted_ca: Mutex::default(),
            refusal: Mutex::default(),
            key_updates: AtomicU32::new(0),
            keylog: Mutex::default(),
            alert_sent: AtomicI32::new(NO_ALERT),
            alert_received: AtomicI32::new(NO_ALERT),
        }
    }

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
        match check(&peer) {
            Ok(path) => {
                *locked(&self.verified) = path;
                Ok(())
            }
            Err(refusal) => {
                *locked(&self.verified) = None;
                *locked(&self.refusal) = Some(refusal.reason);
                Err(refusal.alert)
            }
        }
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

pub(crate) fn noted(slot: &AtomicI32) -> Option<String> {
    u8::try_from(slot.load(Ordering::Relaxed))
        .ok()
        .map(alert_name)
}

fn version_of(ssl: &SslRef) -> Version {
    if ssl.version2() == Some(SslVersion::TLS1_3) {
        Version::Tls13
    } else {
        Version::Tls12
    }
}
