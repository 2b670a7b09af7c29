//! Reading bits, integers and octet runs from borrowed octets. Looks ahead through one 64-bit window, so that short
//! values and the event codes around them are taken together.
use super::{BadUnsigned, Truncated};
use alloc::vec::Vec;

/// Reads bits, most significant first, from borrowed octets.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    data: &'a [u8],
    position: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first bit of `data`; anything beyond `usize::MAX / 8` octets is out of its sight.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        Reader {
            data,
            position: 0,
            end: data.len().saturating_mul(8),
        }
    }

    /// Bits read so far.
    #[inline]
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Bits left.
    #[inline]
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.end - self.position
    }

    /// The next 57 bits or more, left-aligned; zeros beyond the end of the stream.
    #[inline]
    fn window(&self) -> u64 {
        let at = self.position >> 3;
        let word = match self
            .data
            .get(at..at + 8)
            .and_then(|octets| octets.try_into().ok())
        {
            Some(octets) => u64::from_be_bytes(octets),
            None => self.tail(at),
        };
        word << (self.position & 7)
    }

    /// The window less than eight octets before the end of the data.
    #[inline(never)]
    fn tail(&self, at: usize) -> u64 {
        let last = self
            .data
            .len()
            .checked_sub(8)
            .and_then(|first| self.data.get(first..));
        if let Some(last) = last.and_then(|octets| octets.try_into().ok()) {
            // The last eight octets, and from there what is still to come.
            let gone = at + 8 - self.data.len();
            return u64::from_be_bytes(last)
                .checked_shl(gone as u32 * 8)
                .unwrap_or(0);
        }
        let mut octets = [0u8; 8];
        if let Some(rest) = self.data.get(at..) {
            for (to, from) in octets.iter_mut().zip(rest) {
                *to = *from;
            }
        }
        u64::from_be_bytes(octets)
    }

    /// The next `width` bits, `width` <= 32.
    #[inline]
    pub fn bits(&mut self, width: u32) -> Result<u32, Truncated> {
        debug_assert!(width <= 32);
        if self.remaining() < width as usize {
            return Err(Truncated);
        }
        // Two shifts, because a shift by 64 for width 0 would overflow.
        let value = (self.window() >> 1) >> (63 - width);
        self.position += width as usize;
        Ok(value as u32)
    }

    /// A code of `width` <= 32 bits between two zero bits, as CH and EE frame the value of most elements. None, and
    /// nothing read, if it is not so framed or the stream ends before.
    #[inline(always)]
    pub fn framed_bits(&mut self, width: u32) -> Option<u32> {
        debug_assert!(width <= 32);
        if self.remaining() < width as usize + 2 {
            return None;
        }
        let field = self.window() >> (62 - width);
        if field & (1 | 1 << (width + 1)) != 0 {
            return None;
        }
        self.position += width as usize + 2;
        Some((field >> 1) as u32)
    }

    /// A signed or unsigned integer of at most six octets between two zero bits: the sign and the magnitude. None, and
    /// nothing read, if it is longer or not so framed or the stream ends before.
    #[inline(always)]
    pub fn framed_integer(&mut self, signed: bool) -> Option<(bool, u64)> {
        let window = self.window();
        let negative = signed && window << 1 >> 63 != 0;
        let start = 1 + u32::from(signed);
        let mut rest = window << start;
        let mut value = 0;
        let mut shift = 0;
        while rest >> 63 != 0 {
            value |= (rest >> 56 & 0x7f) << shift;
            shift += 7;
            rest <<= 8;
            if shift == 42 {
                return None;
            }
        }
        value |= rest >> 56 << shift;
        // Eight bits for each group of seven, and EE.
        let used = start + shift / 7 * 8 + 9;
        if window >> 63 != 0 || rest << 8 >> 63 != 0 || self.remaining() < used as usize {
            return None;
        }
        self.position += used as usize;
        Some((negative, value))
    }

    /// An EXI unsigned integer of at most 64 bits: groups of seven bits, least significant first.
    #[inline]
    pub fn unsigned(&mut self) -> Result<u64, BadUnsigned> {
        let window = self.window();
        // One and two octets are nearly all there is in V2G messages.
        if window >> 63 == 0 && self.remaining() >= 8 {
            self.position += 8;
            return Ok(window >> 56);
        }
        if window & 0x0080_0000_0000_0000 == 0 && self.remaining() >= 16 {
            self.position += 16;
            return Ok((window >> 56 & 0x7f) | (window >> 48 & 0x7f) << 7);
        }
        self.unsigned_slow()
    }

    fn unsigned_slow(&mut self) -> Result<u64, BadUnsigned> {
        let mut value = 0u64;
        let mut shift = 0u32;
        loop {
            let octet = u64::from(self.bits(8).map_err(|Truncated| BadUnsigned::Truncated)?);
            let group = octet & 0x7f;
            // The tenth octet holds bit 63 only; an eleventh cannot exist.
            if shift == 63 && octet > 1 {
                return Err(BadUnsigned::TooLong);
            }
            value |= group << shift;
            if octet & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// The next `length` octets, wherever they start inside an octet, without copying them yet.
    #[inline]
    pub fn run(&mut self, length: usize) -> Result<ByteRun<'a>, Truncated> {
        if self.remaining() / 8 < length {
            return Err(Truncated);
        }
        let at = self.position >> 3;
        let shift = (self.position & 7) as u32;
        let stop = at + length + usize::from(shift != 0 && length != 0);
        let octets = self.data.get(at..stop).ok_or(Truncated)?;
        self.position += length * 8;
        Ok(ByteRun {
            octets,
            length,
            shift,
        })
    }

    /// Skips to the end of the current octet and returns whether the bits skipped were all zero.
    pub fn align(&mut self) -> bool {
        let pad = (8 - (self.position & 7) as u32) & 7;
        self.bits(pad) == Ok(0)
    }
}

/// Octets in the middle of a bit stream, not yet shifted into place.
#[derive(Debug, Clone, Copy)]
pub struct ByteRun<'a> {
    octets: &'a [u8],
    length: usize,
    shift: u32,
}

impl ByteRun<'_> {
    /// Number of octets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Writes the octets to `target`, which has room for exactly [`len`](Self::len) of them (what does not fit is left out).
    #[inline]
    pub fn copy_to(&self, target: &mut [u8]) {
        if self.shift == 0 {
            for (to, from) in target.iter_mut().zip(self.octets) {
                *to = *from;
            }
        } else {
            let (left, right) = (self.shift, 8 - self.shift);
            let next = self.octets.get(1..).unwrap_or(&[]);
            for ((to, high), low) in target.iter_mut().zip(self.octets).zip(next) {
                *to = high << left | low >> right;
            }
        }
    }

    /// The octets as a vector of their own.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut octets = alloc::vec![0; self.length];
        self.copy_to(&mut octets);
        octets
    }
}
