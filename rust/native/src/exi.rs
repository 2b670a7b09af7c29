//! Binding of the EXI engine: `Codec` decodes straight into the message classes and encodes straight from them.
//!
//! The classes are those that the grammar tables name; `classes.rs` finds them, `build.rs` makes instances while the
//! engine reads, `draw.rs` hands their fields to the engine while it writes. No tree stands in between.
mod build;
mod classes;
mod draw;

use iso15118_exi::grammar::{Root, RootContent};
use iso15118_exi::{DecodeOptions, EncodeOptions, Grammar};
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyType};

use build::ObjectBuilder;
use classes::Classes;
use draw::{Object, ObjectSource};

/// Add this half's classes to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Codec>()
}

/// The messages of one schema set, from and to EXI.
#[pyclass(frozen, module = "iso15118._native")]
struct Codec {
    grammar: Grammar,
    classes: PyOnceLock<Classes>,
}

#[pymethods]
impl Codec {
    #[new]
    fn new(py: Python<'_>, tables: &[u8]) -> PyResult<Self> {
        match Grammar::load(tables) {
            Ok(grammar) => Ok(Codec {
                grammar,
                classes: PyOnceLock::new(),
            }),
            Err(error) => Err(exi_error(py, "", &error.to_string(), "", None, "")),
        }
    }

    /// Name of the schema set.
    #[getter]
    fn schema(&self) -> &str {
        self.grammar.name()
    }

    #[pyo3(signature = (data, fragment = false, open_arrays = false, any_length = false, strict = false))]
    fn decode<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        fragment: bool,
        open_arrays: bool,
        any_length: bool,
        strict: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let options = DecodeOptions {
            fragment,
            open_arrays,
            any_length,
            strict,
            ..DecodeOptions::default()
        };
        Ok(self.decoded(py, data, &options)?.value)
    }

    #[pyo3(signature = (data, fragment = false, open_arrays = false, any_length = false, strict = false))]
    fn decode_with_notes<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        fragment: bool,
        open_arrays: bool,
        any_length: bool,
        strict: bool,
    ) -> PyResult<(Bound<'py, PyAny>, Vec<String>)> {
        let options = DecodeOptions {
            fragment,
            open_arrays,
            any_length,
            strict,
            ..DecodeOptions::default()
        };
        let decoded = self.decoded(py, data, &options)?;
        Ok((
            decoded.value,
            decoded.notes.iter().map(ToString::to_string).collect(),
        ))
    }

    #[pyo3(signature = (message, fragment = false, root = None, any_length = false))]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        message: &Bound<'py, PyAny>,
        fragment: bool,
        root: Option<&str>,
        any_length: bool,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let source = ObjectSource::new(py, self.classes(py)?);
        let options = EncodeOptions {
            fragment,
            root,
            any_length,
            ..EncodeOptions::default()
        };
        match iso15118_exi::encode(&self.grammar, &source, Object::new(message), &options) {
            Ok(octets) => Ok(PyBytes::new(py, &octets)),
            Err(error) => Err(self.raise(py, &error)),
        }
    }

    /// Local name, namespace and class (None for a bare value) of the root elements.
    #[pyo3(signature = (fragment = false))]
    #[allow(clippy::type_complexity)] // a row of a table
    fn roots(
        &self,
        py: Python<'_>,
        fragment: bool,
    ) -> PyResult<Vec<(String, String, Option<Py<PyType>>)>> {
        let classes = self.classes(py)?;
        let row = |root: &Root| {
            let structs = self.grammar.structs_of(root.content);
            let class = structs.first().and_then(|index| classes.class(py, *index));
            (
                self.grammar.string(root.local).to_owned(),
                self.grammar.string(root.uri).to_owned(),
                class,
            )
        };
        Ok(self.grammar.roots(fragment).iter().map(row).collect())
    }

    fn __repr__(&self) -> String {
        format!("<Codec {}>", self.grammar.name())
    }
}

impl Codec {
    /// The classes of the tables, imported when they are first needed.
    fn classes(&self, py: Python<'_>) -> PyResult<&Classes> {
        self.classes
            .get_or_try_init(py, || Classes::resolve(py, &self.grammar))
    }

    fn decoded<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        options: &DecodeOptions,
    ) -> PyResult<iso15118_exi::Decoded<Bound<'py, PyAny>>> {
        // Only bytes cannot change while the message classes run; anything else is copied first.
        let copy;
        let octets = if let Ok(octets) = data.cast::<PyBytes>() {
            octets.as_bytes()
        } else {
            match PyBuffer::<u8>::get(data).and_then(|buffer| buffer.to_vec(py)) {
                Ok(octets) => copy = octets,
                Err(_) => {
                    let found = format!("{} is no bytes-like object", data.get_type().name()?);
                    return Err(exi_error(
                        py,
                        self.grammar.name(),
                        &found,
                        "",
                        None,
                        "bytes, bytearray or memoryview",
                    ));
                }
            }
            &copy
        };
        let mut builder = ObjectBuilder::new(py, self.classes(py)?);
        match iso15118_exi::decode(&self.grammar, octets, options, &mut builder) {
            Ok(decoded) => match self.grammar.roots(options.fragment).get(decoded.root) {
                Some(root) if matches!(root.content, RootContent::Simple(_)) => {
                    Err(self.bare(py, root))
                }
                _ => Ok(decoded),
            },
            Err(error) => Err(match builder.raised() {
                // Not the peer's fault: out of memory, an interrupt, a class that does not fit the tables.
                Some(raised) => raised,
                None => self.raise(py, &error),
            }),
        }
    }

    /// Only a fragment of a local element of simple type is a bare value. Such an element has no attribute Id that the
    /// Reference of a signature could name, so none of them is ever signed alone, and it is no message.
    #[cold]
    fn bare(&self, py: Python<'_>, root: &Root) -> PyErr {
        let path = self.grammar.string(root.local);
        let (found, expected) = ("the root is a bare value", "an element of complex type");
        // The code of the root stands behind the header octet.
        exi_error(py, self.grammar.name(), found, path, Some(8), expected)
    }

    #[cold]
    fn raise(&self, py: Python<'_>, error: &iso15118_exi::Error) -> PyErr {
        exi_error(
            py,
            self.grammar.name(),
            &error.reason,
            &error.path(),
            error.bit_offset,
            &error.expected,
        )
    }
}

/// `iso15118.errors.ExiError` with these attributes.
#[cold]
fn exi_error(
    py: Python<'_>,
    schema: &str,
    reason: &str,
    path: &str,
    bit_offset: Option<usize>,
    expected: &str,
) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let make = || -> PyResult<PyErr> {
        let arguments = PyDict::new(py);
        arguments.set_item("schema", schema)?;
        arguments.set_item("path", path)?;
        arguments.set_item("bit_offset", bit_offset)?;
        arguments.set_item("expected", expected)?;
        let class = CLASS.import(py, "iso15118.errors", "ExiError")?;
        Ok(PyErr::from_value(class.call((reason,), Some(&arguments))?))
    };
    make().unwrap_or_else(|error| error)
}
