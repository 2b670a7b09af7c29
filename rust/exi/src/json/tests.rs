//! Text that is no message is refused with its place; every escape and every size of integer comes back.
//! Whole messages of every schema set are compared with the other writer of this text in the tests of the Python package.
use super::{decimal, JsonCodec};
use crate::DecodeOptions;
use alloc::string::String;
use alloc::vec::Vec;

const APP: &[u8] = include_bytes!("../../../../iso15118/exi/tables/app.exig");
const RESPONSE: &str =
    r#"{"supportedAppProtocolRes": {"ResponseCode": "OK_SuccessfulNegotiation", "SchemaID": 1}}"#;

fn codec() -> JsonCodec {
    JsonCodec::load(APP).unwrap()
}

#[test]
fn a_message_there_and_back() {
    let octets = codec().encode(RESPONSE, false).unwrap();
    assert_eq!(octets, [0x80, 0x40, 0x00, 0x40]);
    let json = codec().decode(&octets, &DecodeOptions::default()).unwrap();
    assert_eq!((json.text.as_str(), json.notes.len()), (RESPONSE, 0));
    // Order and white space do not matter.
    let other = " {\n\"supportedAppProtocolRes\"\t:{ \"SchemaID\":1 ,\r\"ResponseCode\":\"OK_SuccessfulNegotiation\"} } ";
    assert_eq!(codec().encode(other, false).unwrap(), octets);
}

#[test]
fn what_is_no_message_is_refused_with_its_place() {
    let protocol = |field: &str| {
        let others = [
            r#""ProtocolNamespace": "urn:x""#,
            r#""VersionNumberMajor": 1"#,
            r#""VersionNumberMinor": 0"#,
            r#""SchemaID": 1"#,
            r#""Priority": 1"#,
        ];
        let name = field.split(':').next().unwrap_or("");
        let mut fields: Vec<&str> = others
            .into_iter()
            .filter(|other| !other.starts_with(name))
            .collect();
        fields.push(field);
        alloc::format!(
            r#"{{"supportedAppProtocolReq": {{"AppProtocol": [{{{}}}]}}}}"#,
            fields.join(", ")
        )
    };
    assert!(codec()
        .encode(&protocol(r#""Priority": 20"#), false)
        .is_ok());
    let cases = [
        (String::new(), "", "the end at octet 0"),
        ("[]".into(), "", "'[' at octet 0"),
        ("{\"x\": {}}".into(), "", "x is no root element"),
        (
            "{\"supportedAppProtocolRes\": 1}".into(),
            "supportedAppProtocolRes",
            "'1' at octet 28",
        ),
        (alloc::format!("{RESPONSE} x"), "", "'x' at octet"),
        (
            RESPONSE.replace("SchemaID", "ResponseCode"),
            "supportedAppProtocolRes",
            "ResponseCode twice",
        ),
        (
            RESPONSE.replace("SchemaID", "Colour"),
            "supportedAppProtocolRes",
            "no Colour here",
        ),
        (
            RESPONSE.replace("OK_", "KO_"),
            "supportedAppProtocolRes/ResponseCode",
            "KO_",
        ),
        (
            RESPONSE.replace(": 1", ": 01"),
            "supportedAppProtocolRes/SchemaID",
            "01",
        ),
        (
            RESPONSE.replace(": 1", ": +1"),
            "supportedAppProtocolRes/SchemaID",
            "+1",
        ),
        (
            RESPONSE.replace(": 1", ": 1.0"),
            "supportedAppProtocolRes/SchemaID",
            "1.0",
        ),
        (
            RESPONSE.replace(": 1", ": 256"),
            "supportedAppProtocolRes/SchemaID",
            "256",
        ),
        (
            RESPONSE.replace(": 1", ": \"1\""),
            "supportedAppProtocolRes/SchemaID",
            "'\"' at octet",
        ),
        (RESPONSE.replace(": 1}", ": 1"), "", "the end at octet"),
        (
            protocol(r#""Priority": 21"#),
            "supportedAppProtocolReq/AppProtocol[1]/Priority",
            "21",
        ),
        (
            protocol(r#""Priority": null"#),
            "supportedAppProtocolReq/AppProtocol[1]/Priority",
            "null",
        ),
        (
            protocol(r#""ProtocolNamespace": "\x""#),
            "supportedAppProtocolReq/AppProtocol[1]/ProtocolNamespace",
            "'x'",
        ),
        (
            protocol(r#""ProtocolNamespace": "\ud800""#),
            "supportedAppProtocolReq/AppProtocol[1]/ProtocolNamespace",
            "'u'",
        ),
        (
            protocol("\"ProtocolNamespace\": \"\u{1}\""),
            "supportedAppProtocolReq/AppProtocol[1]/ProtocolNamespace",
            "'\\u{1}'",
        ),
        (
            r#"{"supportedAppProtocolReq": {"AppProtocol": {}}}"#.into(),
            "supportedAppProtocolReq/AppProtocol",
            "'{'",
        ),
        (
            r#"{"supportedAppProtocolReq": {"AppProtocol": []}}"#.into(),
            "supportedAppProtocolReq",
            "missing",
        ),
    ];
    for (text, path, reason) in cases {
        let error = codec().encode(&text, false).unwrap_err();
        assert_eq!(error.path(), path, "{text}: {error}");
        assert!(error.reason.contains(reason), "{text}: {error}");
        assert_eq!(error.bit_offset, None);
    }
    // Cut anywhere, it is refused, and nothing worse.
    let text = protocol(r#""ProtocolNamespace": "\ud83d\ude00\n\/""#);
    let octets = codec().encode(&text, false).unwrap();
    let json = codec().decode(&octets, &DecodeOptions::default()).unwrap();
    assert!(json.text.contains("\"\u{1f600}\\n/\""), "{}", json.text);
    for length in 0..text.len() {
        assert!(codec().encode(&text[..length], false).is_err());
    }
}

#[test]
fn integers_of_every_size() {
    let mut texts: Vec<String> = ["0", "1", "255", "256", "65535", "65536"]
        .map(String::from)
        .into();
    texts.push(String::from("9").repeat(decimal::MAX_DIGITS));
    texts.push(alloc::format!("{}", u128::MAX));
    for text in texts {
        for text in [text.clone(), alloc::format!("-{text}")] {
            let octets = decimal::parse(&text).unwrap();
            let mut back = String::new();
            decimal::write(&mut back, &octets);
            assert_eq!(back, if text == "-0" { "0" } else { &text });
        }
    }
    let value = |number: i128| decimal::parse(&alloc::format!("{number}")).unwrap();
    for number in [
        i64::MIN.into(),
        -32_768,
        -129,
        -128,
        -1,
        0,
        127,
        128,
        i128::from(i64::MAX),
    ] {
        let octets = value(number);
        let sign = if octets.last().unwrap() & 0x80 == 0 {
            0
        } else {
            0xff
        };
        let mut whole = [sign; 16];
        whole[..octets.len()].copy_from_slice(&octets);
        assert_eq!(i128::from_le_bytes(whole), number);
    }
    for text in [
        "",
        "-",
        "1a",
        "+1",
        "--1",
        &"1".repeat(decimal::MAX_DIGITS + 1),
    ] {
        assert_eq!(decimal::parse(text), None, "{text}");
    }
}
