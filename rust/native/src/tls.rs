//! Binding of the TLS connections: arguments and errors are translated here, nothing is decided.

use iso15118_tls as tls;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyType};

/// Add this half's classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<TlsContext>()?;
    module.add_class::<TlsConnection>()?;
    module.add_class::<TlsInfo>()
}

/// A profile ready for use by many connections.
#[pyclass(frozen, module = "iso15118._native")]
struct TlsContext {
    inner: tls::Context,
}

/// A chain (DER, leaf first), its private key (PKCS#8 DER or PEM) and the passphrase of the key.
type IdentityArguments = (Vec<Vec<u8>>, Vec<u8>, Option<Vec<u8>>);

#[pymethods]
impl TlsContext {
    #[new]
    #[pyo3(signature = (
        *, role, min_version, max_version, cipher_suites, groups, signature_schemes, client_certificate, identities,
        authorities, named_authority_required, status_request, max_fragment_length, older, trusted_ca_keys,
        trusted_ca_choice, staples, keylog, check
    ))]
    #[allow(clippy::too_many_arguments)] // the fields of a profile, by keyword
    fn new(
        py: Python<'_>,
        role: &str,
        min_version: &str,
        max_version: &str,
        cipher_suites: Vec<String>,
        groups: Vec<String>,
        signature_schemes: Vec<String>,
        client_certificate: &str,
        identities: Vec<IdentityArguments>,
        authorities: Vec<Vec<u8>>,
        named_authority_required: bool,
        status_request: bool,
        max_fragment_length: Option<u16>,
        older: Option<(Vec<String>, Vec<String>, Vec<String>)>,
        trusted_ca_keys: Option<Vec<u8>>,
        trusted_ca_choice: Option<Py<PyAny>>,
        staples: Option<Py<PyAny>>,
        keylog: bool,
        check: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let identities = identities
            .into_iter()
            .map(|(chain, key, passphrase)| tls::Identity::new(&chain, &key, passphrase.as_deref()))
            .collect::<Result<_, _>>()
            .map_err(|e| to_python(py, &e))?;
        let settings = tls::Settings {
            role: match role {
                "client" => tls::Role::Client,
                "server" => tls::Role::Server,
                other => {
                    return Err(PyValueError::new_err(format!(
                        "role {other:?} is neither client nor server"
                    )))
                }
            },
            min_version: version(min_version)?,
            max_version: version(max_version)?,
            cipher_suites,
            groups,
            signature_schemes,
            client_certificate: match client_certificate {
                "required" => tls::ClientCertificate::Required,
                "optional" => tls::ClientCertificate::Optional,
                "none" => tls::ClientCertificate::None,
                other => {
                    return Err(PyValueError::new_err(format!(
                        "client_certificate {other:?} is unknown"
                    )))
                }
            },
            identities,
            authorities,
            named_authority_required,
            status_request,
            max_fragment_length,
            older: older.map(
                |(cipher_suites, groups, signature_schemes)| tls::OlderLists {
                    cipher_suites,
                    groups,
                    signature_schemes,
                },
            ),
            trusted_ca_keys,
            trusted_ca_choice: trusted_ca_choice.map(choice),
            staples: staples.map(staple_source),
            keylog,
            check: check.map(chain_check),
        };
        let inner = tls::Context::new(settings).map_err(|e| to_python(py, &e))?;
        Ok(Self { inner })
    }
}

fn version(name: &str) -> PyResult<tls::Version> {
    match name {
        "TLSv1.2" => Ok(tls::Version::Tls12),
        "TLSv1.3" => Ok(tls::Version::Tls13),
        other => Err(PyValueError::new_err(format!(
            "TLS version {other:?} is unknown"
        ))),
    }
}

/// The Python callable that reads trusted_ca_keys: the place of a chain, None for no preference; what it raises refuses the client.
fn choice(callable: Py<PyAny>) -> tls::TrustedCaChoice {
    Box::new(move |data: &[u8]| {
        Python::attach(|py| {
            callable
                .call1(py, (PyBytes::new(py, data),))?
                .extract::<Option<usize>>(py)
        })
        .map_err(|error| error.to_string())
    })
}

/// The Python callable that knows OCSP responses. What it does wrong means that there are none.
fn staple_source(callable: Py<PyAny>) -> tls::StapleSource {
    Box::new(move |place: usize| {
        Python::attach(|py| callable.call1(py, (place,))?.extract(py)).unwrap_or_default()
    })
}

/// What the check says of a chain: the path that it verified and its anchor, or an alert and the reason.
#[derive(FromPyObject)]
enum Checked {
    Refusal(String, String),
    Path(Vec<Vec<u8>>, Option<Vec<u8>>),
}

/// The Python callable as the check of the peer's chain. Whatever it does wrong refuses the peer.
fn chain_check(callable: Py<PyAny>) -> tls::ChainCheck {
    Box::new(move |peer: &tls::PeerCertificates<'_>| {
        let verdict = Python::attach(|py| -> PyResult<Option<Checked>> {
            let listed = |ders: &[Vec<u8>]| {
                ders.iter()
                    .map(|der| PyBytes::new(py, der).unbind())
                    .collect::<Vec<_>>()
            };
            let arguments = (
                listed(peer.chain),
                peer.staples.map(listed),
                peer.version.name(),
            );
            callable.call1(py, arguments)?.extract(py)
        });
        let broken = |reason| tls::Refusal {
            alert: tls::RefusalAlert::InternalError,
            reason,
        };
        match verdict {
            Ok(None) => Ok(None),
            Ok(Some(Checked::Path(chain, anchor))) => Ok(Some(tls::VerifiedPath { chain, anchor })),
            Ok(Some(Checked::Refusal(alert, reason))) => match tls::RefusalAlert::from_name(&alert)
            {
                Some(alert) => Err(tls::Refusal { alert, reason }),
                None => Err(broken(format!(
                    "the chain check named an alert it cannot send ({alert}): {reason}"
                ))),
            },
            Err(error) => Err(broken(format!("the chain check failed: {error}"))),
        }
    })
}

/// One end of one connection.
#[pyclass(module = "iso15118._native")]
struct TlsConnection {
    inner: tls::Connection,
    plaintext: Vec<u8>,
}

#[pymethods]
impl TlsConnection {
    #[new]
    #[pyo3(signature = (context, *, beside_newer = false))]
    fn new(py: Python<'_>, context: &TlsContext, beside_newer: bool) -> PyResult<Self> {
        let made = if beside_newer {
            tls::Connection::beside_newer(&context.inner)
        } else {
            tls::Connection::new(&context.inner)
        };
        let inner = made.map_err(|e| to_python(py, &e))?;
        Ok(Self {
            inner,
            plaintext: Vec::new(),
        })
    }

    fn receive<'py>(
        &mut self,
        py: Python<'py>,
        ciphertext: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        self.plaintext.clear();
        self.inner
            .receive(ciphertext, &mut self.plaintext)
            .map_err(|e| to_python(py, &e))?;
        Ok(PyBytes::new(py, &self.plaintext))
    }

    fn write(&mut self, py: Python<'_>, plaintext: &[u8]) -> PyResult<()> {
        self.inner.write(plaintext).map_err(|e| to_python(py, &e))
    }

    fn encrypt<'py>(&mut self, py: Python<'py>, plaintext: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        self.inner.write(plaintext).map_err(|e| to_python(py, &e))?;
        Ok(self.take_outgoing(py))
    }

    fn update_keys(&mut self, py: Python<'_>, peer_too: bool) -> PyResult<()> {
        self.inner
            .update_keys(peer_too)
            .map_err(|e| to_python(py, &e))
    }

    fn take_outgoing<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let outgoing = PyBytes::new(py, self.inner.outgoing());
        self.inner.clear_outgoing();
        outgoing
    }

    fn close(&mut self) {
        self.inner.close();
    }

    fn end_of_stream(&mut self, py: Python<'_>) -> PyResult<()> {
        self.inner.end_of_stream().map_err(|e| to_python(py, &e))
    }

    fn take_keylog(&mut self) -> Vec<String> {
        self.inner.take_keylog()
    }

    #[getter]
    fn handshake_complete(&self) -> bool {
        self.inner.info().is_some()
    }

    #[getter]
    fn info(&self) -> Option<TlsInfo> {
        self.inner.info().map(|info| TlsInfo {
            inner: info.clone(),
        })
    }

    #[getter]
    fn peer_closed(&self) -> bool {
        self.inner.peer_closed()
    }

    #[getter]
    fn alert_sent(&self) -> Option<String> {
        self.inner.alert_sent()
    }

    #[getter]
    fn alert_received(&self) -> Option<String> {
        self.inner.alert_received()
    }
}

/// Certificates of a path (DER, leaf first), and its anchor.
type VerifiedPath<'py> = (Vec<Bound<'py, PyBytes>>, Option<Bound<'py, PyBytes>>);

/// What a handshake agreed on.
#[pyclass(frozen, module = "iso15118._native")]
struct TlsInfo {
    inner: tls::Info,
}

#[pymethods]
impl TlsInfo {
    #[getter]
    fn version(&self) -> &str {
        &self.inner.version
    }

    #[getter]
    fn cipher(&self) -> &str {
        &self.inner.cipher
    }

    #[getter]
    fn group(&self) -> &str {
        &self.inner.group
    }

    #[getter]
    fn signature(&self) -> Option<&str> {
        self.inner.signature.as_deref()
    }

    #[getter]
    fn peer_signature(&self) -> Option<&str> {
        self.inner.peer_signature.as_deref()
    }

    #[getter]
    fn peer_chain<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.inner
            .peer_chain
            .iter()
            .map(|der| PyBytes::new(py, der))
            .collect()
    }

    #[getter]
    fn verified<'py>(&self, py: Python<'py>) -> Option<VerifiedPath<'py>> {
        self.inner.verified.as_ref().map(|path| {
            let chain = path.chain.iter().map(|der| PyBytes::new(py, der));
            let anchor = path.anchor.as_ref().map(|der| PyBytes::new(py, der));
            (chain.collect(), anchor)
        })
    }

    #[getter]
    fn staples<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.inner
            .staples
            .iter()
            .map(|der| PyBytes::new(py, der))
            .collect()
    }

    #[getter]
    fn trusted_ca_keys<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.inner
            .trusted_ca_keys
            .as_ref()
            .map(|data| PyBytes::new(py, data))
    }

    #[getter]
    fn peer_authorities<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        self.inner
            .peer_authorities
            .iter()
            .map(|der| PyBytes::new(py, der))
            .collect()
    }
}

/// `iso15118.errors` says whose fault it is; the classes live there so that Python users find them in one place.
fn to_python(py: Python<'_>, error: &tls::Error) -> PyErr {
    static TLS_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static MISUSE_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let made = if error.kind == tls::Kind::Misuse {
        MISUSE_ERROR
            .import(py, "iso15118.errors", "MisuseError")
            .and_then(|class| class.call1((&error.reason,)))
    } else {
        TLS_ERROR
            .import(py, "iso15118.errors", "TlsError")
            .and_then(|class| {
                let alert = PyDict::new(py);
                alert.set_item("alert", &error.alert)?;
                class.call((&error.reason,), Some(&alert))
            })
    };
    match made {
        Ok(instance) => PyErr::from_value(instance),
        Err(failure) => failure,
    }
}
