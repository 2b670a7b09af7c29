//! What C can get wrong: NULL, lengths, flags, small buffers. A C program drives the rest in the tests of the package.
use super::*;
use core::ffi::CStr;
use core::ptr::{null, null_mut};

const APP: &[u8] = include_bytes!("../../../iso15118/exi/tables/app.exig");
const OCTETS: [u8; 4] = [0x80, 0x40, 0x00, 0x40];
const TEXT: &str =
    r#"{"supportedAppProtocolRes": {"ResponseCode": "OK_SuccessfulNegotiation", "SchemaID": 1}}"#;

fn error() -> Iso15118ExiError {
    Iso15118ExiError {
        status: Iso15118ExiStatus::Ok,
        bit_offset: 0,
        path: [1; ISO15118_EXI_ERROR_TEXT],
        reason: [1; ISO15118_EXI_ERROR_TEXT],
        expected: [1; ISO15118_EXI_ERROR_TEXT],
    }
}

fn shown(text: &[c_char]) -> String {
    // SAFETY: every text of an error has a NUL inside it.
    let text = unsafe { CStr::from_ptr(text.as_ptr()) };
    text.to_str().unwrap().to_owned()
}

struct Loaded(*mut Iso15118ExiCodec);

impl Loaded {
    fn new(max_elements: u32) -> Self {
        let mut codec = null_mut();
        // SAFETY: all pointers are to living objects or NULL.
        let status = unsafe {
            iso15118_exi_load(
                APP.as_ptr(),
                APP.len(),
                max_elements,
                &mut codec,
                null_mut(),
            )
        };
        assert_eq!(status, Iso15118ExiStatus::Ok);
        Loaded(codec)
    }

    fn decode(
        &self,
        octets: &[u8],
        flags: u32,
        text: &mut [u8],
    ) -> (Iso15118ExiStatus, usize, u32, Iso15118ExiError) {
        let (mut length, mut deviations, mut failed) = (7, 0, error());
        // SAFETY: as above.
        let status = unsafe {
            iso15118_exi_decode(
                self.0,
                octets.as_ptr(),
                octets.len(),
                flags,
                text.as_mut_ptr().cast(),
                text.len(),
                &mut length,
                &mut deviations,
                &mut failed,
            )
        };
        (status, length, deviations, failed)
    }

    fn encode(
        &self,
        text: &[u8],
        octets: &mut [u8],
    ) -> (Iso15118ExiStatus, usize, Iso15118ExiError) {
        let (mut length, mut failed) = (7, error());
        // SAFETY: as above.
        let status = unsafe {
            iso15118_exi_encode(
                self.0,
                text.as_ptr().cast(),
                text.len(),
                0,
                octets.as_mut_ptr(),
                octets.len(),
                &mut length,
                &mut failed,
            )
        };
        (status, length, failed)
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: it was loaded and is freed once.
        unsafe { iso15118_exi_free(self.0) }
    }
}

#[test]
fn there_and_back_with_every_size_of_buffer() {
    let codec = Loaded::new(0);
    // SAFETY: the codec lives.
    let name = unsafe { CStr::from_ptr(iso15118_exi_name(codec.0)) };
    assert_eq!(name.to_bytes(), b"app");
    for capacity in 0..TEXT.len() + 3 {
        let mut text = vec![0xaa; capacity];
        let (status, length, deviations, failed) = codec.decode(&OCTETS, 0, &mut text);
        assert_eq!((length, deviations), (TEXT.len(), 0));
        if capacity <= TEXT.len() {
            assert_eq!(status, Iso15118ExiStatus::BufferTooSmall);
            assert_eq!(failed.status, status);
            assert!(text.iter().all(|octet| *octet == 0xaa));
        } else {
            assert_eq!(status, Iso15118ExiStatus::Ok);
            assert_eq!(&text[..TEXT.len()], TEXT.as_bytes());
            assert!(
                text[TEXT.len()] == 0 && text[TEXT.len() + 1..].iter().all(|octet| *octet == 0xaa)
            );
        }
    }
    for capacity in 0..6 {
        let mut octets = vec![0xaa; capacity];
        let (status, length, _) = codec.encode(TEXT.as_bytes(), &mut octets);
        assert_eq!(length, 4);
        if capacity < 4 {
            assert_eq!(status, Iso15118ExiStatus::BufferTooSmall);
        } else {
            assert_eq!((status, &octets[..4]), (Iso15118ExiStatus::Ok, &OCTETS[..]));
        }
    }
}

#[test]
fn errors_say_what_and_where() {
    let codec = Loaded::new(0);
    let mut buffer = [0; 512];
    let (status, _, _, failed) = codec.decode(&OCTETS[..3], 0, &mut buffer);
    assert_eq!(
        (status, failed.status),
        (Iso15118ExiStatus::InvalidMessage, status)
    );
    assert_eq!(shown(&failed.path), "supportedAppProtocolRes/SchemaID");
    assert!(failed.bit_offset == 18 && !shown(&failed.reason).is_empty());
    let (status, _, failed) = codec.encode(TEXT.replace(": 1", ": 300").as_bytes(), &mut buffer);
    assert_eq!(status, Iso15118ExiStatus::InvalidText);
    assert_eq!(shown(&failed.path), "supportedAppProtocolRes/SchemaID");
    assert_eq!(
        (failed.bit_offset, shown(&failed.expected).as_str()),
        (-1, "0 to 255")
    );
    let (status, _, failed) = codec.encode(b"{\"\xff", &mut buffer);
    assert_eq!(
        (status, shown(&failed.reason).as_str()),
        (Iso15118ExiStatus::InvalidText, "the text is not UTF-8")
    );
    // A text that is cut is cut between characters.
    let long = format!("{{\"x{}\0\": 1}}", "\u{20ac}".repeat(200));
    let (_, _, failed) = codec.encode(long.as_bytes(), &mut buffer);
    assert!(!shown(&failed.reason).is_empty());
    // Octets behind the message are a deviation, or refused.
    let trailing = [&OCTETS[..], &[0]].concat();
    let (status, _, deviations, _) = codec.decode(&trailing, 0, &mut buffer);
    assert_eq!(
        (status, deviations),
        (Iso15118ExiStatus::Ok, ISO15118_EXI_TRAILING_OCTETS)
    );
    let (status, ..) = codec.decode(&trailing, ISO15118_EXI_STRICT, &mut buffer);
    assert_eq!(status, Iso15118ExiStatus::InvalidMessage);
    // The bound on elements holds.
    assert_eq!(
        Loaded::new(2).decode(&OCTETS, 0, &mut buffer).0,
        Iso15118ExiStatus::InvalidMessage
    );
    assert_eq!(
        Loaded::new(3).decode(&OCTETS, 0, &mut buffer).0,
        Iso15118ExiStatus::Ok
    );
}

#[test]
fn null_and_impossible_lengths_are_refused() {
    let refused = Iso15118ExiStatus::InvalidArgument;
    let codec = Loaded::new(0);
    let mut out = null_mut();
    let mut octets = [0u8; 16];
    let (data, size) = (OCTETS.as_ptr(), OCTETS.len());
    // SAFETY: NULL is allowed everywhere, and a length that is refused is not used.
    unsafe {
        assert_eq!(
            iso15118_exi_load(null(), 0, 0, &mut out, null_mut()),
            refused
        );
        assert_eq!(
            iso15118_exi_load(data, usize::MAX, 0, &mut out, null_mut()),
            refused
        );
        assert_eq!(
            iso15118_exi_load(data, size, 0, null_mut(), null_mut()),
            refused
        );
        let broken = Iso15118ExiStatus::InvalidTables;
        assert_eq!(
            iso15118_exi_load(data, size, 0, &mut out, null_mut()),
            broken
        );
        assert_eq!(
            iso15118_exi_load(APP.as_ptr(), APP.len() - 1, 0, &mut out, null_mut()),
            broken
        );
        assert!(out.is_null() && iso15118_exi_name(null()).is_null());
        iso15118_exi_free(null_mut());
        let decode = |codec, data, size, flags, text: *mut u8, capacity| {
            iso15118_exi_decode(
                codec,
                data,
                size,
                flags,
                text.cast(),
                capacity,
                null_mut(),
                null_mut(),
                null_mut(),
            )
        };
        let small = Iso15118ExiStatus::BufferTooSmall;
        assert_eq!(decode(codec.0, data, size, 0, null_mut(), 0), small);
        assert_eq!(decode(codec.0, data, size, 0, null_mut(), 1 << 20), refused);
        assert_eq!(
            decode(null_mut(), data, size, 0, octets.as_mut_ptr(), 16),
            refused
        );
        assert_eq!(
            decode(codec.0, null(), size, 0, octets.as_mut_ptr(), 16),
            refused
        );
        assert_eq!(
            decode(codec.0, data, usize::MAX, 0, octets.as_mut_ptr(), 16),
            refused
        );
        assert_eq!(
            decode(codec.0, data, size, 16, octets.as_mut_ptr(), 16),
            refused
        );
        let mut encode = |codec, text: *const u8, size, flags| {
            let octets = octets.as_mut_ptr();
            iso15118_exi_encode(
                codec,
                text.cast(),
                size,
                flags,
                octets,
                16,
                null_mut(),
                null_mut(),
            )
        };
        assert_eq!(encode(null(), TEXT.as_ptr(), TEXT.len(), 0), refused);
        assert_eq!(encode(codec.0, null(), TEXT.len(), 0), refused);
        assert_eq!(encode(codec.0, TEXT.as_ptr(), TEXT.len(), 2), refused);
        assert_eq!(
            encode(codec.0, TEXT.as_ptr(), TEXT.len(), 0),
            Iso15118ExiStatus::Ok
        );
    }
}

#[test]
fn a_panic_ends_at_the_boundary() {
    let mut failed = error();
    // SAFETY: the error lives.
    let status = unsafe { guarded(&mut failed, || panic!("on purpose")) };
    assert_eq!(
        (status, failed.status),
        (Iso15118ExiStatus::Internal, status)
    );
}
