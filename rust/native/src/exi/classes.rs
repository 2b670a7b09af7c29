//! The Python classes that the tables name, and where the fields of their instances lie.
use std::collections::HashMap;

use iso15118_exi::grammar::{Enumeration, Struct};
use iso15118_exi::Grammar;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType};

use super::exi_error;

/// All classes of a schema set, in the order of the tables.
pub struct Classes {
    pub structs: Vec<Class>,
    pub enumerations: Vec<Members>,
    by_type: HashMap<usize, u32>,
}

/// A message class.
pub struct Class {
    pub class: Py<PyType>,
    /// Names of all fields, in the order of the tables.
    pub names: Py<PyTuple>,
    /// Where each field lies in an instance, in octets.
    pub offsets: Vec<isize>,
    /// Fields that are tuples.
    pub repeated: Vec<bool>,
    pub any_repeated: bool,
    /// Makes an instance whose fields are all null, if that and filling them is all that calling the class comes to.
    pub blank: Option<ffi::allocfunc>,
}

/// An enumeration: its members in schema order.
pub struct Members {
    pub members: Vec<Py<PyAny>>,
}

impl Classes {
    /// Imports the classes.
    pub fn resolve(py: Python<'_>, grammar: &Grammar) -> PyResult<Classes> {
        let failed = |what: &str, error: PyErr| {
            exi_error(
                py,
                grammar.name(),
                &format!("{what}: {error}"),
                "",
                None,
                "",
            )
        };
        let mut structs = Vec::with_capacity(grammar.structs().len());
        let mut by_type = HashMap::new();
        for (index, entry) in grammar.structs().iter().enumerate() {
            let class = Class::resolve(py, grammar, entry)
                .map_err(|error| failed(grammar.string(entry.class), error))?;
            by_type.insert(class.class.as_ptr() as usize, index as u32);
            structs.push(class);
        }
        let mut enumerations = Vec::with_capacity(grammar.enumerations().len());
        for entry in grammar.enumerations() {
            let members = Members::resolve(py, grammar, entry);
            enumerations.push(members.map_err(|error| failed(grammar.string(entry.class), error))?);
        }
        Ok(Classes {
            structs,
            enumerations,
            by_type,
        })
    }

    /// The struct that a class stands for.
    pub fn of_type(&self, class: *mut ffi::PyTypeObject) -> Option<u32> {
        self.by_type.get(&(class as usize)).copied()
    }

    /// The class of a struct.
    pub fn class(&self, py: Python<'_>, structure: u32) -> Option<Py<PyType>> {
        self.structs
            .get(structure as usize)
            .map(|entry| entry.class.clone_ref(py))
    }
}

impl Class {
    fn resolve(py: Python<'_>, grammar: &Grammar, entry: &Struct) -> PyResult<Class> {
        let module = py.import(grammar.string(entry.module))?;
        let class = module
            .getattr(grammar.string(entry.class))?
            .cast_into::<PyType>()?;
        let base = py.import("msgspec")?.getattr("Struct")?;
        if !class.is_subclass(&base)? {
            return Err(PyTypeError::new_err("not a msgspec.Struct"));
        }
        let names: Vec<_> = entry
            .fields
            .iter()
            .map(|field| PyString::intern(py, grammar.string(field.name)))
            .collect();
        let offsets = names
            .iter()
            .map(|name| slot_offset(&class, name))
            .collect::<PyResult<_>>()?;
        let repeated: Vec<bool> = entry.fields.iter().map(|field| field.repeated).collect();
        let blank = blank(&class, &base, names.len())?;
        Ok(Class {
            blank,
            names: PyTuple::new(py, names)?.unbind(),
            class: class.unbind(),
            offsets,
            any_repeated: repeated.contains(&true),
            repeated,
        })
    }
}

impl Members {
    fn resolve(py: Python<'_>, grammar: &Grammar, entry: &Enumeration) -> PyResult<Members> {
        let class = py
            .import(grammar.string(entry.module))?
            .getattr(grammar.string(entry.class))?;
        let member = |literal: &_| Ok(class.call1((grammar.string(*literal),))?.unbind());
        Ok(Members {
            members: entry.literals.iter().map(member).collect::<PyResult<_>>()?,
        })
    }
}

/// How to make an instance without calling the class: where the fields of the tables are all that it has, and nothing of its own runs when
/// one is made.
fn blank(
    class: &Bound<'_, PyType>,
    base: &Bound<'_, PyAny>,
    fields: usize,
) -> PyResult<Option<ffi::allocfunc>> {
    let own = |name: &str| -> PyResult<bool> { Ok(!class.getattr(name)?.is(&base.getattr(name)?)) };
    let config = class.getattr("__struct_config__")?;
    let set = |name: &str| -> PyResult<bool> { config.getattr(name)?.is_truthy() };
    if class.getattr("__struct_fields__")?.len()? != fields
        || class.hasattr("__post_init__")?
        || own("__new__")?
        || own("__init__")?
        || set("dict")?
        || set("weakref")?
        || set("cache_hash")?
    {
        return Ok(None);
    }
    // SAFETY: a class of Python's is a heap type, whose slots stay as they are as long as it lives.
    Ok(unsafe { (*class.as_type_ptr()).tp_alloc })
}

/// Where instances of a class keep a field. Reading there runs no Python code, and that is what makes it safe to hold
/// borrowed references while encoding; so a field that is no plain slot is an error, not a slower way.
fn slot_offset(class: &Bound<'_, PyType>, name: &Bound<'_, PyString>) -> PyResult<isize> {
    let no_slot = || PyTypeError::new_err(format!("field {name} is no slot"));
    let descriptor = class.getattr(name)?;
    if descriptor.get_type().as_type_ptr() != std::ptr::addr_of_mut!(ffi::PyMemberDescr_Type) {
        return Err(no_slot());
    }
    // SAFETY: the object is a member descriptor by its type, and CPython keeps its definition alive with it.
    let member = unsafe { &*(*descriptor.as_ptr().cast::<ffi::PyMemberDescrObject>()).d_member };
    if member.type_code != ffi::Py_T_OBJECT_EX
        || member.flags & ffi::Py_RELATIVE_OFFSET != 0
        || member.offset <= 0
    {
        return Err(no_slot());
    }
    Ok(member.offset)
}
