//! Numbers, strings and lists of the table file, none longer than the file has room for.
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::{refuse, Result};
use crate::grammar::StringIndex;

/// The unread part of the file.
pub(super) struct Input<'a> {
    pub(super) rest: &'a [u8],
    /// Strings that an index may refer to.
    pub(super) strings: u32,
}

impl<'a> Input<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        if length > self.rest.len() {
            return refuse("cut short");
        }
        let (head, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn unsigned(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let octet = u64::from(self.take(1)?.first().copied().unwrap_or(0));
            if shift == 63 && octet > 1 {
                break;
            }
            value |= (octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                return Ok(value);
            }
        }
        refuse("a number beyond 64 bits")
    }

    pub(super) fn zigzag(&mut self) -> Result<i64> {
        let value = self.unsigned()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub(super) fn flag(&mut self) -> Result<bool> {
        match self.unsigned()? {
            0 => Ok(false),
            1 => Ok(true),
            other => refuse(format!("a flag of {other}")),
        }
    }

    pub(super) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(if self.flag()? {
            Some(read(self)?)
        } else {
            None
        })
    }

    /// A number below `size`.
    pub(super) fn index(&mut self, size: u32, what: &str) -> Result<u32> {
        let value = self.unsigned()?;
        match u32::try_from(value) {
            Ok(index) if index < size => Ok(index),
            _ => refuse(format!("{what} {value}, not below {size}")),
        }
    }

    pub(super) fn string(&mut self) -> Result<StringIndex> {
        self.index(self.strings, "string").map(StringIndex)
    }

    /// Local name; the URI that follows is checked and dropped, since no code depends on it.
    pub(super) fn name(&mut self) -> Result<StringIndex> {
        let local = self.string()?;
        self.string()?;
        Ok(local)
    }

    pub(super) fn text(&mut self) -> Result<Box<str>> {
        let length = self.unsigned()?;
        let length = usize::try_from(length).or_else(|_| refuse("cut short"))?;
        match core::str::from_utf8(self.take(length)?) {
            Ok(text) => Ok(text.into()),
            Err(_) => refuse("a string that is not UTF-8"),
        }
    }

    /// The number of entries that follow, each of at least `smallest` octets: never more than the file has room for.
    pub(super) fn count(&mut self, smallest: usize) -> Result<usize> {
        let count = self.unsigned()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.rest.len() / smallest && count < u32::MAX as usize => {
                Ok(count)
            }
            _ => refuse(format!("{count} entries in {} octets", self.rest.len())),
        }
    }

    pub(super) fn list<T>(
        &mut self,
        smallest: usize,
        mut read: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let count = self.count(smallest)?;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }
}
