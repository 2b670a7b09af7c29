//! Makes message objects while the engine reads: field values gather on one stack, and a finished structure is filled with
//! them. A class that does something of its own when it is called is called, with all fields by keyword.
use iso15118_exi::decode::Refusal;
use iso15118_exi::{Builder, ByteRun};
use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyString};

use super::classes::{Class, Classes};

type Taken<T> = Result<T, Refusal>;

/// Builds instances of the message classes.
pub struct ObjectBuilder<'py, 'c> {
    py: Python<'py>,
    classes: &'c Classes,
    /// One entry for each field of each open structure; None while absent, and for repeated fields.
    slots: Vec<Option<Bound<'py, PyAny>>>,
    /// Items of the repeated fields of the open structures, with the number of the field.
    items: Vec<(u32, Bound<'py, PyAny>)>,
    open: Vec<Open<'c>>,
    raised: Option<PyErr>,
}

/// A structure that is not finished, and where its part of the stacks begins.
struct Open<'c> {
    class: &'c Class,
    slots: usize,
    items: usize,
}

impl<'py, 'c> ObjectBuilder<'py, 'c> {
    pub fn new(py: Python<'py>, classes: &'c Classes) -> Self {
        ObjectBuilder {
            py,
            classes,
            slots: Vec::with_capacity(64),
            items: Vec::new(),
            open: Vec::with_capacity(8),
            raised: None,
        }
    }

    /// The Python exception that made the builder refuse a value, if one did.
    pub fn raised(&mut self) -> Option<PyErr> {
        self.raised.take()
    }

    #[cold]
    fn refuse(&mut self, error: PyErr) -> Refusal {
        self.raised.get_or_insert(error);
        Refusal::new()
    }

    #[cold]
    fn lost(&mut self) -> Refusal {
        self.refuse(PySystemError::new_err(
            "the EXI engine and its classes disagree",
        ))
    }

    /// Takes over the result of a call that makes an object.
    fn own(&mut self, made: *mut ffi::PyObject) -> Taken<Bound<'py, PyAny>> {
        // SAFETY: every caller passes a new reference or, with an exception set, null.
        match unsafe { Bound::from_owned_ptr_or_err(self.py, made) } {
            Ok(object) => Ok(object),
            Err(error) => Err(self.refuse(error)),
        }
    }

    /// The items of one repeated field of the innermost structure, as a tuple.
    fn tuple(&mut self, field: u32, first: usize) -> Taken<Bound<'py, PyAny>> {
        let items = self
            .items
            .get(first..)
            .unwrap_or(&[])
            .iter()
            .filter(|(of, _)| *of == field);
        let count = items.clone().count();
        // SAFETY: a tuple of `count` empty places, each of which is filled below before anyone else sees it.
        let tuple = unsafe { ffi::PyTuple_New(count as ffi::Py_ssize_t) };
        if !tuple.is_null() {
            for (place, (_, item)) in items.enumerate() {
                // SAFETY: `place` is below `count`; the tuple takes over the new reference.
                unsafe {
                    ffi::PyTuple_SET_ITEM(tuple, place as ffi::Py_ssize_t, item.clone().into_ptr())
                };
            }
        }
        self.own(tuple)
    }
}

impl<'py> Builder for ObjectBuilder<'py, '_> {
    type Value = Bound<'py, PyAny>;

    #[inline]
    fn boolean(&mut self, value: bool) -> Taken<Self::Value> {
        Ok(PyBool::new(self.py, value).to_owned().into_any())
    }

    #[inline]
    fn unsigned(&mut self, value: u64) -> Taken<Self::Value> {
        // SAFETY: returns a new reference or null with an exception set.
        self.own(unsafe { ffi::PyLong_FromUnsignedLongLong(value) })
    }

    #[inline]
    fn signed(&mut self, value: i64) -> Taken<Self::Value> {
        // SAFETY: returns a new reference or null with an exception set.
        self.own(unsafe { ffi::PyLong_FromLongLong(value) })
    }

    fn integer(&mut self, octets: &[u8]) -> Taken<Self::Value> {
        let make = || {
            let arguments = pyo3::types::PyDict::new(self.py);
            arguments.set_item("signed", true)?;
            self.py.get_type::<pyo3::types::PyInt>().call_method(
                "from_bytes",
                (octets, "little"),
                Some(&arguments),
            )
        };
        make().map_err(|error| self.refuse(error))
    }

    #[inline]
    fn enumeration(&mut self, enumeration: u32, literal: u32) -> Taken<Self::Value> {
        let members = self.classes.enumerations.get(enumeration as usize);
        match members.and_then(|entry| entry.members.get(literal as usize)) {
            Some(member) => Ok(member.bind(self.py).clone()),
            None => Err(self.lost()),
        }
    }

    fn binary(&mut self, run: ByteRun<'_>) -> Taken<Self::Value> {
        let made = PyBytes::new_with(self.py, run.len(), |target| {
            run.copy_to(target);
            Ok(())
        });
        made.map(Bound::into_any)
            .map_err(|error| self.refuse(error))
    }

    fn text(&mut self, value: &str) -> Taken<Self::Value> {
        Ok(PyString::new(self.py, value).into_any())
    }

    #[inline]
    fn start(&mut self, structure: u32) -> Taken<()> {
        let Some(class) = self.classes.structs.get(structure as usize) else {
            return Err(self.lost());
        };
        let slots = self.slots.len();
        self.open.push(Open {
            class,
            slots,
            items: self.items.len(),
        });
        self.slots.resize_with(slots + class.offsets.len(), || None);
        Ok(())
    }

    #[inline]
    fn put(&mut self, field: u32, value: Self::Value) -> Taken<()> {
        let Some(open) = self.open.last() else {
            return Err(self.lost());
        };
        match (
            open.class.repeated.get(field as usize),
            self.slots.get_mut(open.slots + field as usize),
        ) {
            (Some(true), _) => self.items.push((field, value)),
            (Some(false), Some(slot)) => *slot = Some(value),
            _ => return Err(self.lost()),
        }
        Ok(())
    }

    fn finish(&mut self, _structure: u32) -> Taken<Self::Value> {
        let Some(open) = self.open.pop() else {
            return Err(self.lost());
        };
        if open.class.any_repeated {
            for (field, _) in open
                .class
                .repeated
                .iter()
                .enumerate()
                .filter(|(_, repeated)| **repeated)
            {
                let tuple = self.tuple(field as u32, open.items)?;
                if let Some(slot) = self.slots.get_mut(open.slots + field) {
                    *slot = Some(tuple);
                }
            }
            self.items.truncate(open.items);
        }
        let Some(fields) = self.slots.get_mut(open.slots..) else {
            return Err(self.lost());
        };
        for slot in fields.iter_mut() {
            if slot.is_none() {
                *slot = Some(self.py.None().into_bound(self.py));
            }
        }
        let class = open.class.class.as_ptr();
        let made = match open.class.blank {
            // SAFETY: the class is alive, and an instance of it has these fields and nothing else (`classes.rs`): all of them null, each
            // takes over one reference. No Python code runs before all are filled.
            Some(blank) => unsafe {
                let object = blank(class.cast(), 0);
                if !object.is_null() {
                    for (slot, offset) in fields.iter_mut().zip(&open.class.offsets) {
                        if let Some(value) = slot.take() {
                            let place = object.byte_offset(*offset);
                            *place.cast::<*mut ffi::PyObject>() = value.into_ptr();
                        }
                    }
                }
                object
            },
            // SAFETY: `fields` are as many objects as `names` has names, none of them null any more; an Option<Bound> is laid
            // out as the pointer itself. The call borrows them.
            None => unsafe {
                ffi::PyObject_Vectorcall(
                    class,
                    fields.as_ptr().cast::<*mut ffi::PyObject>(),
                    0,
                    open.class.names.as_ptr(),
                )
            },
        };
        self.slots.truncate(open.slots);
        self.own(made)
    }
}
