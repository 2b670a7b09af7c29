//! The calls that the `openssl` crate does not offer, each behind a safe function. Nothing else in this crate is unsafe.
//!
//! Callbacks find their connection through the ex-data of the `SSL`, so no pointer of ours is stored in C, and no
//! panic crosses into C.

use crate::context::Identity;
use crate::shared::shared;
use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::error::ErrorStack;
use openssl::ocsp::{OcspResponse, OcspResponseRef};
use openssl::ssl::{SslContextBuilder, SslRef};
use openssl::stack::{Stack, StackRef};
use openssl::x509::{X509Name, X509StoreContext, X509StoreContextRef, X509VerifyResult, X509};
use openssl_sys as sys;
use std::ffi::{c_char, c_int, c_long, c_void, CStr};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr;

const SSL_CTRL_SET_MAX_CERT_LIST: c_int = 51;
const SSL_CTRL_GET_PEER_SIGNATURE_NID: c_int = 108;
const SSL_CTRL_GET_SIGNATURE_NID: c_int = 132;
const SSL_CTRL_GET_NEGOTIATED_GROUP: c_int = 134;
const SSL_CTRL_GET_STAPLES: c_int = 142; // of OpenSSL 3.6
const SSL_CTRL_SET_STAPLES: c_int = 143;
const SSL_KEY_UPDATE_NOT_REQUESTED: c_int = 0;
const SSL_KEY_UPDATE_REQUESTED: c_int = 1;
const HANDSHAKE_RECORD: c_int = 22;
const KEY_UPDATE: u8 = 24;
const SSL_CB_READ: c_int = 0x04;
const SSL_CB_ALERT: c_int = 0x4000;
const X509_V_ERR_UNSPECIFIED: c_int = 1;

type CheckCallback = extern "C" fn(*mut sys::X509_STORE_CTX, *mut c_void) -> c_int;
type CertCallback = extern "C" fn(*mut sys::SSL, *mut c_void) -> c_int;
type MessageCallback =
    extern "C" fn(c_int, c_int, c_int, *const c_void, usize, *mut sys::SSL, *mut c_void);
type InfoCallback = extern "C" fn(*const sys::SSL, c_int, c_int);

// Declared as in <openssl/ssl.h>, <openssl/tls1.h> and <openssl/x509_vfy.h> of OpenSSL 3.
extern "C" {
    fn SSL_CTX_set_cert_verify_callback(
        ctx: *mut sys::SSL_CTX,
        callback: Option<CheckCallback>,
        arg: *mut c_void,
    );
    fn SSL_CTX_set_cert_cb(
        ctx: *mut sys::SSL_CTX,
        callback: Option<CertCallback>,
        arg: *mut c_void,
    );
    fn SSL_CTX_set_msg_callback(ctx: *mut sys::SSL_CTX, callback: Option<MessageCallback>);
    fn SSL_key_update(ssl: *mut sys::SSL, kind: c_int) -> c_int;
    fn SSL_CTX_set_info_callback(ctx: *mut sys::SSL_CTX, callback: Option<InfoCallback>);
    fn SSL_CTX_set0_CA_list(ctx: *mut sys::SSL_CTX, names: *mut sys::stack_st_X509_NAME);
    fn SSL_get0_peer_CA_list(ssl: *const sys::SSL) -> *const sys::stack_st_X509_NAME;
    fn SSL_CTX_get_ciphers(ctx: *const sys::SSL_CTX) -> *mut sys::stack_st_SSL_CIPHER;
    fn SSL_CTX_use_cert_and_key(
        ctx: *mut sys::SSL_CTX,
        leaf: *mut sys::X509,
        key: *mut sys::EVP_PKEY,
        chain: *mut sys::stack_st_X509,
        replace: c_int,
    ) -> c_int;
    fn SSL_use_cert_and_key(
        ssl: *mut sys::SSL,
        leaf: *mut sys::X509,
        key: *mut sys::EVP_PKEY,
        chain: *mut sys::stack_st_X509,
        replace: c_int,
    ) -> c_int;
    fn SSL_certs_clear(ssl: *mut sys::SSL);
    fn SSL_set_ciphersuites(ssl: *mut sys::SSL, names: *const c_char) -> c_int;
    fn SSL_get_peer_signature_type_nid(ssl: *const sys::SSL, nid: *mut c_int) -> c_int;
    fn SSL_get_signature_type_nid(ssl: *const sys::SSL, nid: *mut c_int) -> c_int;
    fn SSL_CTX_set_tlsext_max_fragment_length(ctx: *mut sys::SSL_CTX, mode: u8) -> c_int;
    fn X509_STORE_CTX_get0_untrusted(store: *const sys::X509_STORE_CTX) -> *mut sys::stack_st_X509;
}

/// Route chain checks, choice of identity and alerts of every connection of this context to its shared state.
pub(crate) fn install_callbacks(ctx: &mut SslContextBuilder) {
    // SAFETY: the context is valid and unshared while it is built; the callbacks are static functions that take no argument.
    unsafe {
        SSL_CTX_set_cert_verify_callback(ctx.as_ptr(), Some(check_chain), ptr::null_mut());
        SSL_CTX_set_cert_cb(ctx.as_ptr(), Some(choose_identity), ptr::null_mut());
        SSL_CTX_set_info_callback(ctx.as_ptr(), Some(note_alert));
        SSL_CTX_set_msg_callback(ctx.as_ptr(), Some(note_message));
    }
}

extern "C" fn check_chain(store: *mut sys::X509_STORE_CTX, _: *mut c_void) -> c_int {
    let verdict = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: OpenSSL passes a valid context for the time of this call.
        let store = unsafe { X509StoreContextRef::from_ptr(store) };
        // SAFETY: get0: borrowed from the store context for the time of this call; null is handled.
        let chain = unsafe { X509_STORE_CTX_get0_untrusted(store.as_ptr()) };
        if chain.is_null() {
            return Err(X509_V_ERR_UNSPECIFIED);
        }
        // SAFETY: checked for null above; the stack holds X509 objects.
        let chain: &StackRef<X509> = unsafe { StackRef::from_ptr(chain) };
        let ssl = X509StoreContext::ssl_idx()
            .ok()
            .and_then(|index| store.ex_data(index));
        let Some((ssl, shared)) = ssl.and_then(|ssl| Some((ssl, shared(ssl)?))) else {
            return Err(X509_V_ERR_UNSPECIFIED);
        };
        let mut certificates = Vec::with_capacity(chain.len());
        for certificate in chain {
            certificates.push(certificate.to_der().map_err(|_| X509_V_ERR_UNSPECIFIED)?);
        }
        shared
            .check_chain(ssl, certificates)
            .map_err(|alert| alert.verify_result())
    }));
    let Err(result) = verdict.unwrap_or(Err(X509_V_ERR_UNSPECIFIED)) else {
        return 1;
    };
    // SAFETY: valid for the time of this call, and the result is one of OpenSSL's constants.
    unsafe {
        X509StoreContextRef::from_ptr_mut(store).set_error(X509VerifyResult::from_raw(result))
    };
    0
}

extern "C" fn choose_identity(ssl: *mut sys::SSL, _: *mut c_void) -> c_int {
    // 0 makes the handshake fail with internal_error: right for a panic of ours.
    catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: OpenSSL passes a valid SSL for the time of this call.
        let ssl = unsafe { SslRef::from_ptr_mut(ssl) };
        // Out of the ex-data first, so that the SSL can be changed below.
        let Some(shared) = shared(ssl).cloned() else {
            return 0;
        };
        c_int::from(shared.choose_identity(ssl).is_ok())
    }))
    .unwrap_or(0)
}

extern "C" fn note_alert(ssl: *const sys::SSL, at: c_int, value: c_int) {
    if at & SSL_CB_ALERT == 0 {
        return;
    }
    // The value of an alert is its level and its code, one octet each.
    let code = u8::try_from(value & 0xff).unwrap_or(u8::MAX);
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: OpenSSL passes a valid SSL for the time of this call; only its ex-data is read.
        let ssl = unsafe { SslRef::from_ptr(ssl.cast_mut()) };
        if let Some(shared) = shared(ssl) {
            shared.note_alert(code, at & SSL_CB_READ != 0);
        }
    }));
}

extern "C" fn note_message(
    sent: c_int,
    _version: c_int,
    content: c_int,
    data: *const c_void,
    length: usize,
    ssl: *mut sys::SSL,
    _: *mut c_void,
) {
    if sent != 0 || content != HANDSHAKE_RECORD || length == 0 || data.is_null() {
        return;
    }
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: OpenSSL passes at least `length` octets and a valid SSL for the time of this call.
        let (kind, ssl) = unsafe { (*data.cast::<u8>(), SslRef::from_ptr(ssl)) };
        if kind == KEY_UPDATE {
            if let Some(shared) = shared(ssl) {
                shared.note_key_update();
            }
        }
    }));
}

/// New keys for what is sent; the message goes out with the next step of the handshake.
pub(crate) fn update_keys(ssl: &SslRef, peer_too: bool) -> Result<(), ErrorStack> {
    let kind = if peer_too {
        SSL_KEY_UPDATE_REQUESTED
    } else {
        SSL_KEY_UPDATE_NOT_REQUESTED
    };
    // SAFETY: the SSL is valid, and of a connection that its caller has borrowed exclusively.
    succeeded(unsafe { SSL_key_update(ssl.as_ptr(), kind) })
}

/// OCSP responses (DER) that a server sent, in their order. Certificates without one leave no gap.
pub(crate) fn received_staples(ssl: &SslRef) -> Vec<Vec<u8>> {
    let mut stack: *mut sys::OPENSSL_STACK = ptr::null_mut();
    // SAFETY: the command writes one pointer; the stack belongs to the SSL and lives through this function, which only reads it.
    unsafe {
        sys::SSL_ctrl(
            ssl.as_ptr(),
            SSL_CTRL_GET_STAPLES,
            0,
            ptr::addr_of_mut!(stack).cast(),
        );
        if stack.is_null() {
            return Vec::new();
        }
        (0..sys::OPENSSL_sk_num(stack))
            .map(|place| sys::OPENSSL_sk_value(stack, place).cast::<sys::OCSP_RESPONSE>())
            .filter(|response| !response.is_null())
            .filter_map(|response| OcspResponseRef::from_ptr(response).to_der().ok())
            .collect()
    }
}

/// Send these OCSP responses (DER) with the certificates of the chain, by their places. What is no response is left out.
pub(crate) fn set_staples(ssl: &mut SslRef, staples: &[Option<Vec<u8>>]) -> Result<(), ErrorStack> {
    // SAFETY: the stack is ours until the SSL takes it over with its responses; null entries are gaps, which OpenSSL knows.
    unsafe {
        let stack = sys::OPENSSL_sk_new_null();
        if stack.is_null() {
            return Err(ErrorStack::get());
        }
        for staple in staples {
            let response = staple
                .as_deref()
                .and_then(|der| OcspResponse::from_der(der).ok())
                .map_or(ptr::null_mut(), |response| {
                    let pointer = response.as_ptr();
                    std::mem::forget(response);
                    pointer
                });
            sys::OPENSSL_sk_push(stack, response.cast());
        }
        sys::SSL_ctrl(ssl.as_ptr(), SSL_CTRL_SET_STAPLES, 0, stack.cast());
    }
    let _ = ErrorStack::get(); // of responses that are none
    Ok(())
}

/// Names sent as certificate_authorities: by a client in its ClientHello, by a server in its CertificateRequest.
pub(crate) fn set_authorities(ctx: &mut SslContextBuilder, names: Stack<X509Name>) {
    let pointer = names.as_ptr();
    std::mem::forget(names);
    // SAFETY: set0: ownership of the stack, given up above, passes to the context.
    unsafe { SSL_CTX_set0_CA_list(ctx.as_ptr(), pointer) };
}

/// Names that the peer sent as certificate_authorities; None if it sent none.
pub(crate) fn peer_authorities(ssl: &SslRef) -> Option<&StackRef<X509Name>> {
    // SAFETY: get0: the list belongs to the SSL and lives as long as the borrow, during which the handshake cannot go on.
    unsafe {
        let names = SSL_get0_peer_CA_list(ssl.as_ptr());
        if names.is_null() {
            None
        } else {
            Some(StackRef::from_ptr(names.cast_mut()))
        }
    }
}

/// IANA names of the suites a context will really use: OpenSSL skips names it does not know without a word.
pub(crate) fn cipher_suites(ctx: &SslContextBuilder) -> Vec<String> {
    // SAFETY: borrowed from the context, which outlives this function; null and foreign entries are handled.
    unsafe {
        let ciphers = SSL_CTX_get_ciphers(ctx.as_ptr());
        if ciphers.is_null() {
            return Vec::new();
        }
        let count = sys::OPENSSL_sk_num(ciphers.cast());
        (0..count)
            .filter_map(|index| {
                let name = sys::SSL_CIPHER_standard_name(
                    sys::OPENSSL_sk_value(ciphers.cast(), index).cast(),
                );
                text(name)
            })
            .collect()
    }
}

/// Install a chain and its key in a context, in place of another one for the same kind of key.
pub(crate) fn add_identity(
    ctx: &mut SslContextBuilder,
    identity: &Identity,
) -> Result<(), ErrorStack> {
    // SAFETY: all pointers are valid; OpenSSL takes its own references and copies of them.
    let done = unsafe {
        let (leaf, key, chain) = (
            identity.leaf.as_ptr(),
            identity.key.as_ptr(),
            identity.chain.as_ptr(),
        );
        SSL_CTX_use_cert_and_key(ctx.as_ptr(), leaf, key, chain, 1)
    };
    succeeded(done)
}

/// Leave only these chains to this connection; with none at all the handshake ends in handshake_failure.
pub(crate) fn restrict_identities(
    ssl: &mut SslRef,
    identities: &[&Identity],
) -> Result<(), ErrorStack> {
    // SAFETY: the SSL is valid and borrowed exclusively.
    unsafe { SSL_certs_clear(ssl.as_ptr()) };
    // Backwards, since a later chain replaces an earlier one of the same kind of key, and the first is preferred.
    for identity in identities.iter().rev() {
        // SAFETY: all pointers are valid; OpenSSL takes its own references and copies of them.
        let done = unsafe {
            let (leaf, key, chain) = (
                identity.leaf.as_ptr(),
                identity.key.as_ptr(),
                identity.chain.as_ptr(),
            );
            SSL_use_cert_and_key(ssl.as_ptr(), leaf, key, chain, 1)
        };
        succeeded(done)?;
    }
    Ok(())
}

/// Give a connection of TLS 1.2 a suite of TLS 1.3: without one OpenSSL does not begin where that version is allowed.
pub(crate) fn allow_newer_suite(ssl: &mut SslRef) -> Result<(), ErrorStack> {
    // SAFETY: the SSL is valid and borrowed exclusively; the name is a C string that OpenSSL only reads.
    succeeded(unsafe { SSL_set_ciphersuites(ssl.as_ptr(), c"TLS_AES_256_GCM_SHA384".as_ptr()) })
}

/// Cap the Certificate message of a peer, in octets.
pub(crate) fn set_max_cert_list(ctx: &mut SslContextBuilder, octets: c_long) {
    // SAFETY: a plain number is stored in a valid context.
    unsafe {
        sys::SSL_CTX_ctrl(
            ctx.as_ptr(),
            SSL_CTRL_SET_MAX_CERT_LIST,
            octets,
            ptr::null_mut(),
        )
    };
}

/// Ask the server for smaller records: code of RFC 6066 section 4 (1: 512 octets ... 4: 4096 octets).
pub(crate) fn set_max_fragment_length(
    ctx: &mut SslContextBuilder,
    code: u8,
) -> Result<(), ErrorStack> {
    // SAFETY: a plain number is stored in a valid context.
    succeeded(unsafe { SSL_CTX_set_tlsext_max_fragment_length(ctx.as_ptr(), code) })
}

/// Group of the key exchange, as OpenSSL's object number.
pub(crate) fn negotiated_group(ssl: &SslRef) -> c_long {
    // SAFETY: reads a number from a valid SSL.
    unsafe {
        sys::SSL_ctrl(
            ssl.as_ptr(),
            SSL_CTRL_GET_NEGOTIATED_GROUP,
            0,
            ptr::null_mut(),
        )
    }
}

/// Key type and digest of the peer's CertificateVerify, as object numbers; None if there was none.
pub(crate) fn peer_signature(ssl: &SslRef) -> Option<(c_int, c_int)> {
    let mut key = 0;
    // SAFETY: writes a number to a local variable.
    let known = unsafe { SSL_get_peer_signature_type_nid(ssl.as_ptr(), &mut key) } == 1;
    known.then(|| (key, signature_digest(ssl, SSL_CTRL_GET_PEER_SIGNATURE_NID)))
}

/// Key type and digest of our own CertificateVerify, as object numbers; None if we sent none.
pub(crate) fn own_signature(ssl: &SslRef) -> Option<(c_int, c_int)> {
    let mut key = 0;
    // SAFETY: writes a number to a local variable.
    let known = unsafe { SSL_get_signature_type_nid(ssl.as_ptr(), &mut key) } == 1;
    known.then(|| (key, signature_digest(ssl, SSL_CTRL_GET_SIGNATURE_NID)))
}

/// Digest of a signature; 0 for schemes without one of their own, such as Ed448.
fn signature_digest(ssl: &SslRef, command: c_int) -> c_int {
    let mut digest: c_int = 0;
    // SAFETY: both commands write one int through the pointer.
    unsafe { sys::SSL_ctrl(ssl.as_ptr(), command, 0, ptr::addr_of_mut!(digest).cast()) };
    digest
}

fn succeeded(code: c_int) -> Result<(), ErrorStack> {
    if code > 0 {
        Ok(())
    } else {
        Err(ErrorStack::get())
    }
}

/// # Safety
/// `text` is null or points to a C string that lives through this call.
unsafe fn text(text: *const c_char) -> Option<String> {
    if text.is_null() {
        None
    } else {
        CStr::from_ptr(text).to_str().ok().map(str::to_owned)
    }
}
