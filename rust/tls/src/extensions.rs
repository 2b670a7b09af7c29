//! Extensions that need code of ours: trusted_ca_keys of TLS 1.2 (RFC 6066 section 6), and OCSP responses of both versions.

use crate::context::{Role, Settings};
use crate::error::{Error, Kind};
use crate::ffi;
use crate::shared::shared;
use openssl::error::ErrorStack;
use openssl::ssl::{ExtensionContext, SslAlert, SslContextBuilder, SslRef};

const TRUSTED_CA_KEYS: u16 = 3;
/// Responses for every certificate of a chain came with this version.
const OPENSSL_WITH_STAPLES: i64 = 0x3060_0000;

pub(crate) fn install(ctx: &mut SslContextBuilder, settings: &Settings) -> Result<(), Error> {
    let server = settings.role == Role::Server;
    let staples = if server {
        settings.staples.is_some()
    } else {
        settings.status_request
    };
    if staples {
        if openssl::version::number() < OPENSSL_WITH_STAPLES {
            return Err(Error::new(
                Kind::Configuration,
                "OCSP responses for each certificate need OpenSSL 3.6 or newer; this is an older one",
            ));
        }
        ctx.set_status_callback(if server { staple } else { judge })
            .map_err(|e| Error::configuration("status_request", &e))?;
    }
    let named = if server {
        settings.trusted_ca_choice.is_some()
    } else {
        settings.trusted_ca_keys.is_some()
    };
    if named {
        let context = ExtensionContext::CLIENT_HELLO
            | ExtensionContext::TLS1_2_SERVER_HELLO
            | ExtensionContext::TLS1_2_AND_BELOW_ONLY;
        ctx.add_custom_ext(
            TRUSTED_CA_KEYS,
            context,
            |ssl, context, _| Ok(trusted_ca_keys_to_send(ssl, context)),
            |ssl, context, data, _| trusted_ca_keys_received(ssl, context, data),
        )
        .map_err(|e| Error::configuration("trusted_ca_keys", &e))?;
    }
    Ok(())
}

/// The server's part: OpenSSL asks when its client wants to know, and after the chain is chosen.
fn staple(ssl: &mut SslRef) -> Result<bool, ErrorStack> {
    let Some(shared) = shared(ssl).cloned() else {
        return Ok(false);
    };
    let leaf = ssl.certificate().and_then(|leaf| leaf.to_der().ok());
    let staples = shared.staples_of(leaf.as_deref());
    if staples.iter().all(Option::is_none) {
        return Ok(false);
    }
    ffi::set_staples(ssl, &staples)?;
    Ok(true)
}

/// The client's part. In TLS 1.3 the responses came with the certificates, and are judged with them.
fn judge(ssl: &mut SslRef) -> Result<bool, ErrorStack> {
    let Some(shared) = shared(ssl).cloned() else {
        return Ok(false);
    };
    Ok(shared.check_late_staples(ssl).is_ok())
}

fn trusted_ca_keys_to_send(ssl: &mut SslRef, context: ExtensionContext) -> Option<Vec<u8>> {
    let settings = shared(ssl)?.settings();
    if context.contains(ExtensionContext::CLIENT_HELLO) {
        settings.trusted_ca_keys.clone()
    } else {
        Some(Vec::new()) // a server says that it has understood
    }
}

fn trusted_ca_keys_received(
    ssl: &mut SslRef,
    context: ExtensionContext,
    data: &[u8],
) -> Result<(), SslAlert> {
    let shared = shared(ssl).cloned().ok_or(SslAlert::INTERNAL_ERROR)?;
    if context.contains(ExtensionContext::CLIENT_HELLO) {
        shared.note_trusted_ca_keys(data)
    } else if data.is_empty() {
        Ok(())
    } else {
        Err(SslAlert::DECODE_ERROR)
    }
}
