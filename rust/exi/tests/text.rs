//! JSON text that is broken in every way: refused, or a message that comes back. ISO15118_FUZZ_ROUNDS sets how often.
use iso15118_exi::{DecodeOptions, JsonCodec};

const DC: &[u8] = include_bytes!("../../../iso15118/exi/tables/iso20-dc.exig");
const XMLDSIG: &[u8] = include_bytes!("../../../iso15118/exi/tables/xmldsig-fragment.exig");
const LOOP: &str = r#"{"DC_ChargeLoopReq": {"Header": {"SessionID": "0001020304050607", "TimeStamp": 1700000000},
    "DisplayParameters": {"PresentSOC": 50, "ChargingComplete": false}, "MeterInfoRequested": true,
    "EVPresentVoltage": {"Exponent": -1, "Value": 8000}, "Dynamic_DC_CLReqControlMode": {"DepartureTime": 7200,
    "EVTargetEnergyRequest": {"Exponent": 3, "Value": 10}, "EVMaximumEnergyRequest": {"Exponent": 3, "Value": 20},
    "EVMinimumEnergyRequest": {"Exponent": 3, "Value": -1}, "EVMaximumChargePower": {"Exponent": 3, "Value": 100},
    "EVMinimumChargePower": {"Exponent": 0, "Value": 0}, "EVMaximumChargeCurrent": {"Exponent": 0, "Value": 500},
    "EVMaximumVoltage": {"Exponent": 0, "Value": 920}, "EVMinimumVoltage": {"Exponent": 0, "Value": 200}}}}"#;
const KEYS: &str = r#"{"KeyInfo": {"Id": "k1", "items": [{"KeyName": "gr\u00fcn \ud83d\ude00 \"x\"\n"}, {"X509Data": {"items":
    [{"X509IssuerSerial": {"X509IssuerName": "CN=x", "X509SerialNumber": -1234567890123456789012345678901234567890}},
    {"X509SKI": "AQID"}, {"X509Certificate": "/+8="}]}}, {"KeyName": ""}]}}"#;

fn rounds() -> u32 {
    let given = std::env::var("ISO15118_FUZZ_ROUNDS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(20_000)
}

/// Whether the text is taken; what is taken comes back in one form only.
fn taken(codec: &JsonCodec, text: &str, fragment: bool) -> bool {
    let Ok(octets) = codec.encode(text, fragment) else {
        return false;
    };
    let options = DecodeOptions {
        fragment,
        strict: true,
        ..DecodeOptions::default()
    };
    let json = codec.decode(&octets, &options).unwrap();
    assert_eq!(
        codec.encode(&json.text, fragment).unwrap(),
        octets,
        "{text}"
    );
    true
}

fn broken(tables: &[u8], text: &str, fragment: bool) {
    let codec = JsonCodec::load(tables).unwrap();
    assert!(taken(&codec, text, fragment));
    for length in 0..text.len() {
        assert!(!taken(&codec, &text[..length], fragment));
    }
    let bits = [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "-", "0", "9", "null", "1e9", " ", "\u{0}",
        "\u{20ac}", "\\u12",
    ];
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut good = 0;
    for _ in 0..rounds() {
        let mut changed = text.to_owned();
        for _ in 0..=next(3) {
            let (from, to) = (next(changed.len()), next(changed.len()));
            let piece = changed[from..].chars().take(next(12)).collect::<String>();
            match next(4) {
                0 => changed.insert_str(to, bits[next(bits.len())]),
                1 => changed.replace_range(from..(from + next(4)).min(changed.len()), ""),
                2 => changed.insert_str(to, &piece),
                _ => changed.replace_range(to..=to, bits[next(bits.len())]),
            }
            if !changed.is_ascii() {
                break;
            }
        }
        good += u32::from(taken(&codec, &changed, fragment));
    }
    // White space, digits and text may be changed.
    assert!(good > rounds() / 100, "{good}");
}

#[test]
fn broken_text_is_refused_or_a_message() {
    broken(DC, LOOP, false);
    broken(XMLDSIG, KEYS, true);
}

#[test]
fn deep_and_long_text_ends_in_a_refusal() {
    let codec = JsonCodec::load(XMLDSIG).unwrap();
    for open in ["[", "{", "{\"Signature\": ", "{\"Object\": {\"x\": "] {
        let error = codec.encode(&open.repeat(1 << 18), true).unwrap_err();
        assert!(error.path().len() < 200 && error.reason.len() < 200);
    }
    let digits = format!("{{\"X509SerialNumber\": {}}}", "9".repeat(1 << 20));
    let error = codec.encode(&digits, true).unwrap_err();
    assert!(error.reason.len() < 200, "{}", error.reason.len());
    let items = r#"{"KeyName": ""}, "#.repeat(260_000);
    let many = format!(r#"{{"KeyInfo": {{"items": [{items}{{"KeyName": ""}}]}}}}"#);
    assert!(codec
        .encode(&many, true)
        .unwrap_err()
        .reason
        .contains("too many"));
}
