//! Bit streams: a reader that looks at the octets through a 64-bit window and a writer with a 64-bit accumulator.
//! Octet runs (binaries, ASCII text) are moved as a whole with one shift, never bit by bit.
use alloc::vec::Vec;

/// The stream ended before the bits that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncated;

/// Why an unsigned integer could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadUnsigned {
    /// The stream ended inside it.
    Truncated,
    /// It does not fit 64 bits, or has more octets than 64 bits need.
    TooLong,
}

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
    pub fn unsigned(&mut self, mut value: u64) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn bits_come_back_in_any_grouping() {
        let mut writer = Writer::default();
        for width in 0..=32u32 {
            writer.bits(((0xdead_beef_u64 >> 3) & ((1 << width) - 1)) as u32, width);
        }
        let octets = writer.finish();
        let mut reader = Reader::new(&octets);
        for width in 0..=32u32 {
            assert_eq!(
                reader.bits(width),
                Ok(((0xdead_beef_u64 >> 3) & ((1 << width) - 1)) as u32)
            );
        }
        assert!(reader.align());
        assert_eq!(reader.remaining(), 0);
        assert_eq!(reader.bits(1), Err(Truncated));
    }

    #[test]
    fn unsigned_integers_at_every_octet_boundary_and_offset() {
        let mut values = vec![0, u64::MAX];
        for shift in 0..64 {
            values.extend([1u64 << shift, (1u64 << shift) - 1]);
        }
        for offset in 0..8 {
            let mut writer = Writer::default();
            writer.bits(0, offset);
            values.iter().for_each(|&value| writer.unsigned(value));
            let octets = writer.finish();
            let mut reader = Reader::new(&octets);
            assert_eq!(reader.bits(offset), Ok(0));
            for &value in &values {
                assert_eq!(reader.unsigned(), Ok(value));
            }
        }
    }

    #[test]
    fn framed_values_are_read_whole_or_not_at_all() {
        for offset in 0..8 {
            for value in [
                0u64,
                1,
                127,
                128,
                16_383,
                16_384,
                (1 << 35) - 1,
                (1 << 42) - 1,
                1 << 42,
            ] {
                for (signed, negative) in [(false, false), (true, false), (true, true)] {
                    for frame in [(0, 0), (1, 0), (0, 1)] {
                        let mut writer = Writer::default();
                        writer.bits(0, offset);
                        writer.bits(frame.0, 1);
                        if signed {
                            writer.bits(negative.into(), 1);
                        }
                        writer.unsigned(value);
                        writer.bits(frame.1, 1);
                        let octets = writer.finish();
                        for length in 0..=octets.len() {
                            let mut reader = Reader::new(&octets[..length]);
                            if reader.bits(offset).is_err() {
                                continue;
                            }
                            let before = reader.position();
                            let whole =
                                length == octets.len() && frame == (0, 0) && value < 1 << 42;
                            let read = reader.framed_integer(signed);
                            if whole {
                                assert_eq!(read, Some((negative, value)));
                                assert!(reader.remaining() < 8 && reader.align());
                            } else if frame != (0, 0) || value >= 1 << 42 {
                                assert_eq!((read, reader.position()), (None, before));
                            } else if let Some(read) = read {
                                // The last octet may be padding only.
                                assert_eq!(read, (negative, value));
                            }
                        }
                    }
                }
            }
            for width in 0..=32 {
                for (code, frame) in [(0u32, 0), (u32::MAX, 0), (u32::MAX, 1), (0, 1)] {
                    let code = (u64::from(code) & ((1u64 << width) - 1)) as u32;
                    let mut writer = Writer::default();
                    writer.bits(0, offset + 1);
                    writer.bits(code, width);
                    writer.bits(frame, 1);
                    let octets = writer.finish();
                    let mut reader = Reader::new(&octets);
                    assert!(reader.bits(offset).is_ok());
                    assert_eq!(reader.framed_bits(width), (frame == 0).then_some(code));
                    let used = if frame == 0 { width + 2 } else { 0 };
                    assert_eq!(reader.position(), (offset + used) as usize);
                }
            }
        }
        assert_eq!(Reader::new(&[0]).framed_bits(7), None);
        assert_eq!(Reader::new(&[0]).framed_bits(6), Some(0));
    }

    #[test]
    fn an_unsigned_integer_beyond_64_bits_is_refused() {
        let mut octets = [0xffu8; 10];
        octets[9] = 0x02;
        assert_eq!(Reader::new(&octets).unsigned(), Err(BadUnsigned::TooLong));
        octets[9] = 0x81;
        assert_eq!(Reader::new(&octets).unsigned(), Err(BadUnsigned::TooLong));
        octets[9] = 0x01;
        assert_eq!(Reader::new(&octets).unsigned(), Ok(u64::MAX));
        assert_eq!(
            Reader::new(&octets[..9]).unsigned(),
            Err(BadUnsigned::Truncated)
        );
    }

    #[test]
    fn runs_of_every_length_at_every_offset() {
        let source: Vec<u8> = (0..40u8).map(|n| n.wrapping_mul(37) ^ 0x5a).collect();
        for offset in 0..40u32 {
            for length in 0..source.len() {
                let mut writer = Writer::default();
                writer.bits(0, offset.min(32));
                writer.bits(0, offset - offset.min(32));
                writer.run(&source[..length]);
                writer.bits(5, 3);
                let octets = writer.finish();
                let mut reader = Reader::new(&octets);
                assert!(
                    reader.bits(offset.min(32)).is_ok()
                        && reader.bits(offset - offset.min(32)).is_ok()
                );
                assert_eq!(
                    reader.run(length).map(|run| run.to_vec()),
                    Ok(source[..length].to_vec())
                );
                assert_eq!(reader.bits(3), Ok(5));
            }
        }
    }

    #[test]
    fn a_run_longer_than_the_stream_is_refused() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.bits(1), Ok(0));
        assert!(reader.run(3).is_err() && reader.run(usize::MAX).is_err());
        assert!(reader.run(2).is_ok());
    }
}
