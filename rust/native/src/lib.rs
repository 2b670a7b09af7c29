//! Python binding: `iso15118._native.exi` and `iso15118._native.tls`; one file per half.
use pyo3::prelude::*;

#[pymodule]
fn _native(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
