//! TLS alert codes and their names (RFC 8446 section 6, IANA TLS Alerts).

/// Name of an alert code; an unassigned one is named by its number.
pub fn alert_name(code: u8) -> String {
    let name = match code {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        other => return format!("alert_{other}"),
    };
    name.to_owned()
}

/// The alerts with which a chain check may refuse a peer.
///
/// OpenSSL derives the alert from the verification result of the chain, so these are the ones that a result can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalAlert {
    BadCertificate,
    UnsupportedCertificate,
    CertificateRevoked,
    CertificateExpired,
    CertificateUnknown,
    UnknownCa,
    DecryptError,
    HandshakeFailure,
    InternalError,
}

impl RefusalAlert {
    const ALL: [(Self, &'static str); 9] = [
        (Self::BadCertificate, "bad_certificate"),
        (Self::UnsupportedCertificate, "unsupported_certificate"),
        (Self::CertificateRevoked, "certificate_revoked"),
        (Self::CertificateExpired, "certificate_expired"),
        (Self::CertificateUnknown, "certificate_unknown"),
        (Self::UnknownCa, "unknown_ca"),
        (Self::DecryptError, "decrypt_error"),
        (Self::HandshakeFailure, "handshake_failure"),
        (Self::InternalError, "internal_error"),
    ];

    /// The alert of that name, or None if a chain check cannot send it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(alert, _)| *alert)
    }

    /// Verification result (X509_V_ERR_...) that OpenSSL turns into this alert.
    pub(crate) fn verify_result(self) -> std::ffi::c_int {
        match self {
            Self::BadCertificate => 28,         // CERT_REJECTED
            Self::UnsupportedCertificate => 26, // INVALID_PURPOSE
            Self::CertificateRevoked => 23,     // CERT_REVOKED
            Self::CertificateExpired => 10,     // CERT_HAS_EXPIRED
            Self::CertificateUnknown => 34, // UNHANDLED_CRITICAL_EXTENSION: not in OpenSSL's list, hence the default
            Self::UnknownCa => 20,          // UNABLE_TO_GET_ISSUER_CERT_LOCALLY
            Self::DecryptError => 7,        // CERT_SIGNATURE_FAILURE
            Self::HandshakeFailure => 50,   // APPLICATION_VERIFICATION
            Self::InternalError => 1,       // UNSPECIFIED
        }
    }
}
