//! Python binding: the EXI engine and the TLS connections, one file per half.
use pyo3::prelude::*;

mod exi;
mod tls;

// The encoder borrows what messages hold, which only the GIL keeps in place: free-threaded interpreters switch it on.
#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    exi::register(module)?;
    tls::register(module)
}
