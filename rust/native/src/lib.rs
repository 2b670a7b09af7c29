//! Python binding: the EXI engine and the TLS connections, one file per half.
use pyo3::prelude::*;

mod exi;
mod tls;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    exi::register(module)?;
    tls::register(module)
}
