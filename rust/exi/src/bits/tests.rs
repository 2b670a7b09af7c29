//! What the writer wrote comes back from the reader, at every offset and length; what is too short or too long does not.
//! Reader and writer are tried on each other because neither's bits mean anything alone.
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
                        let whole = length == octets.len() && frame == (0, 0) && value < 1 << 42;
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
                reader.bits(offset.min(32)).is_ok() && reader.bits(offset - offset.min(32)).is_ok()
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
