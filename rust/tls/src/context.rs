//! What many connections share: keys, chains and the lists of a profile, checked to be enforced when they are built.

use crate::alert::RefusalAlert;
use crate::error::{Error, Kind};
use crate::extensions;
use crate::ffi;
use crate::shared::shared;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    cipher_name, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode,
    SslVerifyMode, SslVersion,
};
use openssl::stack::Stack;
use openssl::x509::{X509Name, X509};
use std::cmp::Ordering;
use std::ffi::c_long;
use std::sync::Arc;

/// Octets of a peer's Certificate message: four certificates of any edition, with room, and far below OpenSSL's default.
const MAX_CERTIFICATE_MESSAGE: c_long = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Tls12,
    Tls13,
}

impl Version {
    fn number(self) -> SslVersion {
        match self {
            Self::Tls12 => SslVersion::TLS1_2,
            Self::Tls13 => SslVersion::TLS1_3,
        }
    }

    /// As TLS libraries write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

/// Whether a server asks its client for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificate {
    Required,
    Optional,
    None,
}

/// Why a peer's chain is refused, and the alert to say so with.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub alert: RefusalAlert,
    pub reason: String,
}

/// What the peer presents.
pub struct PeerCertificates<'a> {
    /// As DER, leaf first.
    pub chain: &'a [Vec<u8>],
    /// OCSP responses (DER) that came with them, without gaps for certificates that have none. None as long as they are still to come:
    /// TLS 1.2 sends them later, and then the check is called again.
    pub staples: Option<&'a [Vec<u8>]>,
    pub version: Version,
}

/// What a check found good: not all that the peer sent, but the certificates that lead from its leaf to a trust anchor.
#[derive(Clone, Debug)]
pub struct VerifiedPath {
    /// As DER, leaf first, in order, without the anchor.
    pub chain: Vec<Vec<u8>>,
    /// As DER; None if the check accepts a chain without one.
    pub anchor: Option<Vec<u8>>,
}

/// Decides about the peer's certificates. Called in the handshake, before anything is accepted. None accepts them without a word on
/// which path was verified.
pub type ChainCheck =
    Box<dyn Fn(&PeerCertificates<'_>) -> Result<Option<VerifiedPath>, Refusal> + Send + Sync>;

/// OCSP responses (DER) for the certificates of one of our chains, by its place among the identities; None where there is none.
pub type StapleSource = Box<dyn Fn(usize) -> Vec<Option<Vec<u8>>> + Send + Sync>;

/// Which of our chains ends in a root that the data of a trusted_ca_keys extension names; an error if the data is none.
pub type TrustedCaChoice = Box<dyn Fn(&[u8]) -> Result<Option<usize>, String> + Send + Sync>;

/// What TLS 1.2 may agree on where a profile allows it beside TLS 1.3.
#[derive(Clone, Debug)]
pub struct OlderLists {
    pub cipher_suites: Vec<String>,
    pub groups: Vec<String>,
    pub signature_schemes: Vec<String>,
}

/// A certificate chain to present, with the key of its leaf.
pub struct Identity {
    pub(crate) leaf: X509,
    pub(crate) leaf_der: Vec<u8>,
    pub(crate) key: PKey<Private>,
    pub(crate) chain: Stack<X509>,
    issuers: Vec<X509Name>,
}

impl Identity {
    /// `chain` is DER, leaf first, without the root; `key` is PKCS#8, as DER or PEM, with its passphrase if it has one.
    pub fn new(chain: &[Vec<u8>], key: &[u8], passphrase: Option<&[u8]>) -> Result<Self, Error> {
        let certificates: Vec<X509> = chain
            .iter()
            .map(|der| {
                X509::from_der(der)
                    .map_err(|e| Error::configuration("certificate of our own chain", &e))
            })
            .collect::<Result<_, _>>()?;
        let mut certificates = certificates.into_iter();
        let Some(leaf) = certificates.next() else {
            return Err(Error::new(
                Kind::Configuration,
                "a chain needs at least its leaf",
            ));
        };
        let failed = |e| Error::configuration("chain", &e);
        let mut issuers = vec![copy_name(leaf.issuer_name())?];
        let mut rest = Stack::new().map_err(failed)?;
        for certificate in certificates {
            issuers.push(copy_name(certificate.issuer_name())?);
            rest.push(certificate).map_err(failed)?;
        }
        Ok(Self {
            leaf,
            leaf_der: chain[0].clone(),
            key: read_key(key, passphrase)?,
            chain: rest,
            issuers,
        })
    }

    /// True if one of the names issued a certificate of this chain, its root among them.
    pub(crate) fn is_under(&self, names: &openssl::stack::StackRef<X509Name>) -> bool {
        let same = |a: &X509Name, b| matches!(a.try_cmp(b), Ok(Ordering::Equal));
        self.issuers
            .iter()
            .any(|issuer| names.iter().any(|name| same(issuer, name)))
    }
}

/// Lists and switches of a profile; names as IANA writes them.
pub struct Settings {
    pub role: Role,
    pub min_version: Version,
    pub max_version: Version,
    /// In order of preference; those of TLS 1.2 (with "WITH" in their names) only where that is allowed.
    pub cipher_suites: Vec<String>,
    pub groups: Vec<String>,
    pub signature_schemes: Vec<String>,
    pub client_certificate: ClientCertificate,
    pub identities: Vec<Identity>,
    /// Trust anchors (DER) whose names are sent as certificate_authorities.
    pub authorities: Vec<Vec<u8>>,
    /// A server without a chain under a root that the client named refuses, instead of offering another chain.
    pub named_authority_required: bool,
    /// A client asks for OCSP staples.
    pub status_request: bool,
    /// A client asks for records of at most 512, 1024, 2048 or 4096 octets.
    pub max_fragment_length: Option<u16>,
    /// A profile for TLS 1.3 that also takes TLS 1.2, with these lists.
    pub older: Option<OlderLists>,
    /// Data of the trusted_ca_keys extension that a client sends with TLS 1.2.
    pub trusted_ca_keys: Option<Vec<u8>>,
    /// A server answers trusted_ca_keys, and prefers a chain by it.
    pub trusted_ca_choice: Option<TrustedCaChoice>,
    /// A server staples these, if its client asks.
    pub staples: Option<StapleSource>,
    /// Collect key log lines in each connection. Whoever holds them can read the traffic.
    pub keylog: bool,
    pub check: Option<ChainCheck>,
}

impl Settings {
    /// Cipher suites, groups and signature schemes of all versions, those of the newer one first.
    fn all_lists(&self) -> (Vec<String>, Vec<String>, Vec<String>) {
        let joined = |new: &Vec<String>, old: Option<&Vec<String>>| {
            let mut all = new.clone();
            for name in old.into_iter().flatten() {
                if !all.contains(name) {
                    all.push(name.clone());
                }
            }
            all
        };
        let older = self.older.as_ref();
        (
            joined(&self.cipher_suites, older.map(|o| &o.cipher_suites)),
            joined(&self.groups, older.map(|o| &o.groups)),
            joined(&self.signature_schemes, older.map(|o| &o.signature_schemes)),
        )
    }
}

/// A profile ready for use. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    pub(crate) ssl: SslContext,
    pub(crate) settings: Arc<Settings>,
}

impl Context {
    /// Fails if any entry of the profile cannot be enforced by the OpenSSL in use.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let asks =
            settings.role == Role::Client || settings.client_certificate != ClientCertificate::None;
        if asks && settings.check.is_none() {
            return Err(Error::new(
                Kind::Configuration,
                "no check for the certificates of the peer",
            ));
        }
        if settings.role == Role::Server && settings.identities.is_empty() {
            return Err(Error::new(
                Kind::Configuration,
                "a server needs a certificate chain and its key",
            ));
        }
        let method = match settings.role {
            Role::Client => SslMethod::tls_client(),
            Role::Server => SslMethod::tls_server(),
        };
        let mut ctx =
            SslContextBuilder::new(method).map_err(|e| Error::configuration("OpenSSL", &e))?;
        enforce_lists(&mut ctx, &settings)?;
        switch_off_resumption(&mut ctx)?;
        set_peer_rules(&mut ctx, &settings)?;
        extensions::install(&mut ctx, &settings)?;
        // Backwards, since a later chain replaces an earlier one of the same kind of key, and the first is preferred.
        for identity in settings.identities.iter().rev() {
            ffi::add_identity(&mut ctx, identity)
                .map_err(|e| Error::configuration("chain and key", &e))?;
        }
        if settings.keylog {
            ctx.set_keylog_callback(|ssl, line| {
                if let Some(shared) = shared(ssl) {
                    shared.keep_keylog(line);
                }
            });
        }
        ffi::install_callbacks(&mut ctx);
        Ok(Self {
            ssl: ctx.build(),
            settings: Arc::new(settings),
        })
    }
}

fn enforce_lists(ctx: &mut SslContextBuilder, settings: &Settings) -> Result<(), Error> {
    let failed = |what: &'static str| move |e| Error::configuration(what, &e);
    ctx.set_min_proto_version(Some(settings.min_version.number()))
        .map_err(failed("minimum version"))?;
    ctx.set_max_proto_version(Some(settings.max_version.number()))
        .map_err(failed("maximum version"))?;
    let (suites, groups, schemes) = settings.all_lists();
    for (what, list) in [
        ("cipher suites", &suites),
        ("groups", &groups),
        ("signature schemes", &schemes),
    ] {
        // OpenSSL's lists know prefixes ("?x": if known, "-x": remove) and tuples; a profile has plain names only.
        let plain = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if list.is_empty() || !list.iter().all(plain) {
            return Err(Error::new(
                Kind::Configuration,
                format!("{what}: empty list or a name that is none"),
            ));
        }
    }
    ctx.set_groups_list(&groups.join(":"))
        .map_err(failed("groups"))?;
    ctx.set_sigalgs_list(&schemes.join(":"))
        .map_err(failed("signature schemes"))?;
    enforce_suites(ctx, settings, &suites)
}

/// Suites of TLS 1.2 have "WITH" in their names; they and those of TLS 1.3 are separate lists in OpenSSL.
fn enforce_suites(
    ctx: &mut SslContextBuilder,
    settings: &Settings,
    suites: &[String],
) -> Result<(), Error> {
    let is_old = |name: &&String| name.contains("_WITH_");
    if let Some(name) = suites.iter().find(|name| name.starts_with("TLS_ECDH_")) {
        return Err(Error::new(
            Kind::Configuration,
            format!("cipher suite {name}: OpenSSL has had no static ECDH since 1.1.0, nothing can be done about it here"),
        ));
    }
    let old: Vec<&String> = suites.iter().filter(is_old).collect();
    let new: Vec<&String> = suites.iter().filter(|n| !is_old(n)).collect();
    let old_allowed = settings.min_version == Version::Tls12;
    let new_allowed = settings.max_version == Version::Tls13;
    if old.is_empty() == old_allowed || new.is_empty() == new_allowed {
        return Err(Error::new(
            Kind::Configuration,
            "cipher suites do not fit the versions",
        ));
    }
    let failed = |e| Error::configuration("cipher suites", &e);
    if !old.is_empty() {
        let names: Vec<&str> = old.iter().map(|name| cipher_name(name)).collect();
        ctx.set_cipher_list(&names.join(":")).map_err(failed)?;
    }
    let joined = new
        .iter()
        .map(|name| name.as_str())
        .collect::<Vec<_>>()
        .join(":");
    ctx.set_ciphersuites(&joined).map_err(failed)?;
    // Read back, since OpenSSL passes over names that it does not know without a word.
    let (old_set, new_set): (Vec<String>, Vec<String>) = ffi::cipher_suites(ctx)
        .into_iter()
        .partition(|name| is_old(&name));
    let enforced = new_set.iter().eq(new) && (old.is_empty() || old_set.iter().eq(old));
    if enforced {
        return Ok(());
    }
    Err(Error::new(
        Kind::Configuration,
        format!("cipher suites {} cannot be enforced", suites.join(":")),
    ))
}

/// Every connection is a full handshake: no rule of the standard uses resumption, and pause and resume have their own.
fn switch_off_resumption(ctx: &mut SslContextBuilder) -> Result<(), Error> {
    ctx.set_session_cache_mode(SslSessionCacheMode::OFF);
    ctx.set_num_tickets(0)
        .map_err(|e| Error::configuration("session tickets", &e))?;
    ctx.set_max_early_data(0)
        .map_err(|e| Error::configuration("early data", &e))?;
    ctx.set_options(
        SslOptions::NO_TICKET
            | SslOptions::NO_COMPRESSION
            | SslOptions::NO_RENEGOTIATION
            | SslOptions::CIPHER_SERVER_PREFERENCE,
    );
    Ok(())
}

fn set_peer_rules(ctx: &mut SslContextBuilder, settings: &Settings) -> Result<(), Error> {
    let required = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    ctx.set_verify(match (settings.role, settings.client_certificate) {
        (Role::Client, _) => SslVerifyMode::PEER,
        (Role::Server, ClientCertificate::Required) => required,
        (Role::Server, ClientCertificate::Optional) => SslVerifyMode::PEER,
        (Role::Server, ClientCertificate::None) => SslVerifyMode::NONE,
    });
    ffi::set_max_cert_list(ctx, MAX_CERTIFICATE_MESSAGE);
    let failed = |e| Error::configuration("certificate_authorities", &e);
    let mut names = Stack::<X509Name>::new().map_err(failed)?;
    for der in &settings.authorities {
        let anchor = X509::from_der(der).map_err(|e| Error::configuration("trust anchor", &e))?;
        let name = anchor.subject_name();
        if !names
            .iter()
            .any(|known| matches!(known.try_cmp(name), Ok(Ordering::Equal)))
        {
            names.push(copy_name(name)?).map_err(failed)?;
        }
    }
    if !names.is_empty() {
        ffi::set_authorities(ctx, names);
    }
    if let Some(octets) = settings.max_fragment_length {
        let code = match octets {
            512 => 1,
            1024 => 2,
            2048 => 3,
            4096 => 4,
            _ => {
                return Err(Error::new(
                    Kind::Configuration,
                    "max_fragment_length is 512, 1024, 2048 or 4096",
                ))
            }
        };
        ffi::set_max_fragment_length(ctx, code)
            .map_err(|e| Error::configuration("max_fragment_length", &e))?;
    }
    Ok(())
}

fn copy_name(name: &openssl::x509::X509NameRef) -> Result<X509Name, Error> {
    name.to_owned()
        .map_err(|e| Error::configuration("name of a certificate", &e))
}

fn read_key(key: &[u8], passphrase: Option<&[u8]>) -> Result<PKey<Private>, Error> {
    let read = if key.starts_with(b"-----BEGIN") {
        // With a callback in any case: OpenSSL would ask on the terminal otherwise.
        PKey::private_key_from_pem_callback(key, |buffer| {
            let secret = passphrase.unwrap_or_default();
            let count = secret.len().min(buffer.len());
            buffer[..count].copy_from_slice(&secret[..count]);
            Ok(count)
        })
    } else {
        match passphrase {
            None => PKey::private_key_from_der(key),
            Some(secret) => PKey::private_key_from_pkcs8_passphrase(key, secret),
        }
    };
    read.map_err(|e| Error::configuration("private key", &e))
}
