//! Writing bits, integers and octet runs to a vector. What has not filled 32 bits yet waits in the accumulator.
use alloc::vec::Vec;

/// The code of an EXI unsigned integer of up to three octets, which nearly all are, and its width.
#[inline(always)]
pub(crate) fn groups(value: u64) -> Option<(u32, u32)> {
    let low = value as u32;
    if value < 1 << 7 {
        Some((low, 8))
    } else if value < 1 << 14 {
        Some(((low & 0x7f | 0x80) << 8 | low >> 7, 16))
    } else if value < 1 << 21 {
        let head = (low & 0x7f | 0x80) << 16 | (low >> 7 & 0x7f | 0x80) << 8;
        Some((head | low >> 14, 24))
    } else {
        None
    }
}

/// Writes bits, most significant first, to a vector of its own.
#[derive(Debug, Default)]
pub struct Writer {
    octets: Vec<u8>,
    pending: u64,
    count: u32,
}

impl Writer {
    /// An empty writer with room for `capacity` octets.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Writer {
            octets: Vec::with_capacity(capacity),
            pending: 0,
            count: 0,
        }
    }

    /// Writes the low `width` bits of `value`, `width` <= 32; bits above them must be zero.
    #[inline]
    pub fn bits(&mut self, value: u32, width: u32) {
        debug_assert!(width <= 32 && (width == 32 || value >> width == 0));
        self.pending = self.pending << width | u64::from(value);
        self.count += width;
        if self.count >= 32 {
            self.count -= 32;
            let word = (self.pending >> self.count) as u32;
            self.octets.extend_from_slice(&word.to_be_bytes());
        }
    }

    /// Writes an EXI unsigned integer.
    #[inline]
    pub fn unsigned(&mut self, value: u64) {
        match groups(value) {
            Some((code, width)) => self.bits(code, width),
            None => self.unsigned_slow(value),
        }
    }

    fn unsigned_slow(&mut self, mut value: u64) {
        while value > 0x7f {
            self.bits(value as u32 & 0x7f | 0x80, 8);
            value >>= 7;
        }
        self.bits(value as u32, 8);
    }

    /// Writes octets as they are.
    pub fn run(&mut self, octets: &[u8]) {
        while self.count >= 8 {
            self.count -= 8;
            self.octets.push((self.pending >> self.count) as u8);
        }
        let used = self.count;
        let Some(&last) = octets.last() else { return };
        if used == 0 {
            self.octets.extend_from_slice(octets);
            return;
        }
        // Each octet out is the tail of one octet in front of the head of the next.
        let first = (self.pending << (8 - used)) as u8 | octets[0] >> used;
        self.octets.push(first);
        let start = self.octets.len();
        self.octets.resize(start + octets.len() - 1, 0);
        let tails = self.octets.get_mut(start..).unwrap_or(&mut []);
        for ((to, tail), head) in tails.iter_mut().zip(octets).zip(&octets[1..]) {
            *to = tail << (8 - used) | head >> used;
        }
        self.pending = u64::from(last);
    }

    /// The octets, the last one filled up with zero bits.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let pad = (8 - self.count % 8) % 8;
        self.pending <<= pad;
        self.count += pad;
        while self.count >= 8 {
            self.count -= 8;
            self.octets.push((self.pending >> self.count) as u8);
        }
        self.octets
    }
}
