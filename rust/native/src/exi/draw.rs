//! Hands the fields of message objects to the engine while it writes.
//!
//! Fields are read at their slots and values by calls that run no Python code and make no containers, so that the message
//! cannot change between two looks at it: borrowed references stay good for the whole encoding.
use std::marker::PhantomData;
use std::ptr::NonNull;

use iso15118_exi::decode::Refusal;
use iso15118_exi::Source;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt};

use super::classes::{Class, Classes};

type Taken<T> = Result<T, Refusal>;

/// An object that lives as long as the message.
#[derive(Clone, Copy)]
pub struct Object<'a>(NonNull<ffi::PyObject>, PhantomData<&'a ()>);

impl<'a> Object<'a> {
    /// The message itself.
    pub fn new(message: &'a Bound<'_, PyAny>) -> Self {
        // SAFETY: a Bound is never null.
        Object(
            unsafe { NonNull::new_unchecked(message.as_ptr()) },
            PhantomData,
        )
    }

    /// Null as None, and so is Python's None.
    #[inline]
    fn present(pointer: *mut ffi::PyObject) -> Option<Self> {
        // SAFETY: the address of a static object.
        if pointer == unsafe { ffi::Py_None() } {
            return None;
        }
        NonNull::new(pointer).map(|object| Object(object, PhantomData))
    }

    fn as_ptr(self) -> *mut ffi::PyObject {
        self.0.as_ptr()
    }

    fn type_ptr(self) -> *mut ffi::PyTypeObject {
        // SAFETY: the object is alive.
        unsafe { ffi::Py_TYPE(self.as_ptr()) }
    }
}

/// An object that is exactly of a message class.
#[derive(Clone, Copy)]
pub struct Fields<'a, 'c> {
    object: Object<'a>,
    class: &'c Class,
}

impl Fields<'_, '_> {
    /// What is in a field: null if nothing was ever set.
    #[inline]
    fn slot(self, field: u32) -> *mut ffi::PyObject {
        match self.class.offsets.get(field as usize) {
            // SAFETY: the object is exactly of the class whose slot descriptor gave the offset, and such a slot holds an
            // object or null.
            Some(&offset) => unsafe {
                *self
                    .object
                    .as_ptr()
                    .byte_offset(offset)
                    .cast::<*mut ffi::PyObject>()
            },
            None => std::ptr::null_mut(),
        }
    }
}

/// Reads message objects.
pub struct ObjectSource<'py, 'c> {
    py: Python<'py>,
    classes: &'c Classes,
}

impl<'py, 'c> ObjectSource<'py, 'c> {
    pub fn new(py: Python<'py>, classes: &'c Classes) -> Self {
        ObjectSource { py, classes }
    }

    /// "a str", "an int", "a DCChargeLoopReq", "None".
    #[cold]
    fn name(&self, value: Object<'_>) -> String {
        // SAFETY: the object is alive.
        let object = unsafe { Bound::from_borrowed_ptr(self.py, value.as_ptr()) };
        if object.is_none() {
            return "None".to_owned();
        }
        let name = object
            .get_type()
            .name()
            .map_or_else(|_| "object".to_owned(), |name| name.to_string());
        let article = if name.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']) {
            "an"
        } else {
            "a"
        };
        format!("{article} {name}")
    }
}

impl<'a, 'c> Source<'a> for ObjectSource<'_, 'c> {
    type Value = Object<'a>;
    type Fields = Fields<'a, 'c>;

    fn structure(&self, value: Object<'a>) -> Option<u32> {
        self.classes.of_type(value.type_ptr())
    }

    #[inline]
    fn open(&self, value: Object<'a>, structure: u32) -> Option<Fields<'a, 'c>> {
        let class = self.classes.structs.get(structure as usize)?;
        (class.class.as_ptr().cast() == value.type_ptr()).then_some(Fields {
            object: value,
            class,
        })
    }

    #[inline]
    fn one(&self, fields: Fields<'a, 'c>, field: u32) -> Option<Object<'a>> {
        Object::present(fields.slot(field))
    }

    fn count(&self, fields: Fields<'a, 'c>, field: u32) -> Taken<usize> {
        let sequence = fields.slot(field);
        let Some(object) = NonNull::new(sequence) else {
            return Err("missing".to_owned());
        };
        // SAFETY: the object is alive, and each size is asked of its own type.
        let size = unsafe {
            if ffi::PyTuple_Check(sequence) != 0 {
                ffi::PyTuple_GET_SIZE(sequence)
            } else if ffi::PyList_Check(sequence) != 0 {
                ffi::PyList_GET_SIZE(sequence)
            } else {
                return Err(self.name(Object(object, PhantomData)));
            }
        };
        usize::try_from(size).map_err(|_| "of a negative size".to_owned())
    }

    fn item(&self, fields: Fields<'a, 'c>, field: u32, index: usize) -> Option<Object<'a>> {
        let sequence = fields.slot(field);
        if index >= self.count(fields, field).ok()? {
            return None;
        }
        let index = index as ffi::Py_ssize_t;
        // SAFETY: `count` has seen that it is a tuple or a list, and that the index is within; it keeps the item alive.
        let item = unsafe {
            if ffi::PyTuple_Check(sequence) != 0 {
                ffi::PyTuple_GET_ITEM(sequence, index)
            } else {
                ffi::PyList_GET_ITEM(sequence, index)
            }
        };
        // Not `present`: None in a list is an item of a wrong type, and shall be refused as such.
        NonNull::new(item).map(|object| Object(object, PhantomData))
    }

    fn boolean(&self, value: Object<'a>) -> Taken<bool> {
        // SAFETY: addresses of static objects.
        let (yes, no) = unsafe { (ffi::Py_True(), ffi::Py_False()) };
        match value.as_ptr() {
            pointer if pointer == yes => Ok(true),
            pointer if pointer == no => Ok(false),
            _ => Err(self.name(value)),
        }
    }

    #[inline]
    fn integer(&self, value: Object<'a>) -> Taken<i128> {
        let pointer = value.as_ptr();
        let mut overflow = 0;
        // SAFETY: the object is alive and an int; the calls read it without running Python code.
        unsafe {
            if ffi::PyLong_Check(pointer) == 0 || ffi::PyBool_Check(pointer) != 0 {
                return Err(self.name(value));
            }
            let number = ffi::PyLong_AsLongLongAndOverflow(pointer, &mut overflow);
            if overflow == 0 {
                return Ok(i128::from(number));
            }
            if overflow > 0 {
                let number = ffi::PyLong_AsUnsignedLongLong(pointer);
                if ffi::PyErr_Occurred().is_null() {
                    return Ok(i128::from(number));
                }
                ffi::PyErr_Clear();
            }
        }
        Err("an int of more than 64 bits".to_owned())
    }

    #[inline]
    fn short_integer(&self, value: Object<'a>) -> Option<i64> {
        let pointer = value.as_ptr();
        let mut overflow = 0;
        // SAFETY: the object is alive and exactly an int, which a bool is not; the call reads it without running Python code.
        unsafe {
            if ffi::PyLong_CheckExact(pointer) == 0 {
                return None;
            }
            let number = ffi::PyLong_AsLongLongAndOverflow(pointer, &mut overflow);
            (overflow == 0).then_some(number)
        }
    }

    #[cold]
    fn big_integer(&self, value: Object<'a>, octets: &mut Vec<u8>) -> Taken<()> {
        // SAFETY: the object is alive.
        let number = unsafe { Bound::from_borrowed_ptr(self.py, value.as_ptr()) };
        // No subclass, whose methods could be Python code. `~`, bit_length and to_bytes of int make ints and bytes only.
        if !number.is_exact_instance_of::<PyInt>() {
            return Err(self.name(value));
        }
        let two_complement = || -> PyResult<Vec<u8>> {
            let negative = number.lt(0)?;
            let magnitude = if negative { number.bitnot()? } else { number };
            let bits: usize = magnitude.call_method0("bit_length")?.extract()?;
            // One bit more, for the sign.
            let digits = magnitude.call_method1("to_bytes", (bits / 8 + 1, "little"))?;
            let flip = if negative { 0xff } else { 0 };
            Ok(digits
                .cast::<PyBytes>()?
                .as_bytes()
                .iter()
                .map(|octet| octet ^ flip)
                .collect())
        };
        *octets = two_complement().map_err(|error| error.to_string())?;
        Ok(())
    }

    #[inline]
    fn enumeration(&self, value: Object<'a>, enumeration: u32) -> Taken<u32> {
        let members = self
            .classes
            .enumerations
            .get(enumeration as usize)
            .map_or(&[][..], |entry| &entry.members);
        match members
            .iter()
            .position(|member| member.as_ptr() == value.as_ptr())
        {
            Some(index) => Ok(index as u32),
            None => Err(self.name(value)),
        }
    }

    fn binary(&self, value: Object<'a>) -> Taken<&'a [u8]> {
        let pointer = value.as_ptr();
        // SAFETY: the object is alive for 'a and of type bytes, whose octets never change.
        unsafe {
            if ffi::PyBytes_Check(pointer) == 0 {
                return Err(self.name(value));
            }
            let size = usize::try_from(ffi::PyBytes_Size(pointer)).unwrap_or(0);
            Ok(std::slice::from_raw_parts(
                ffi::PyBytes_AsString(pointer).cast::<u8>(),
                size,
            ))
        }
    }

    fn text(&self, value: Object<'a>) -> Taken<&'a str> {
        let pointer = value.as_ptr();
        let mut size = 0;
        // SAFETY: the object is alive for 'a and a str, which keeps its UTF-8 form as long as it lives.
        unsafe {
            if ffi::PyUnicode_Check(pointer) == 0 {
                return Err(self.name(value));
            }
            let octets = ffi::PyUnicode_AsUTF8AndSize(pointer, &mut size);
            if octets.is_null() {
                ffi::PyErr_Clear();
                return Err("a str with half a surrogate pair".to_owned());
            }
            let octets =
                std::slice::from_raw_parts(octets.cast::<u8>(), usize::try_from(size).unwrap_or(0));
            std::str::from_utf8(octets).map_err(|error| error.to_string())
        }
    }

    fn describe(&self, value: Object<'a>) -> String {
        self.name(value)
    }
}
