//! JSON text: of any message, and as any message. The first octet says which decoder; the rest is EXI, or text.
use std::sync::LazyLock;

use iso15118_exi::{DecodeOptions, JsonCodec, Note};

macro_rules! codecs {
    ($($set:literal)*) => {
        [$(include_bytes!(concat!("../../../iso15118/exi/tables/", $set, ".exig")).as_slice()),*]
    };
}

static CODECS: LazyLock<Vec<JsonCodec>> = LazyLock::new(|| {
    let tables = codecs!(
        "app" "din" "iso2" "iso20-common" "iso20-ac" "iso20-dc" "iso20-wpt" "iso20-acdp" "iso20-ac-der-iec"
        "iso20-ac-der-sae" "xmldsig-fragment"
    );
    tables.map(|tables| JsonCodec::load(tables).unwrap()).into()
});

/// A message as text is a message again, the same; text is a message or refused.
pub fn both_ways(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let codec = &CODECS[usize::from(choice / 2) % CODECS.len()];
    let fragment = choice % 2 == 1;
    for (open_arrays, any_length) in [(false, false), (true, true)] {
        let options = DecodeOptions {
            fragment,
            open_arrays,
            any_length,
            ..DecodeOptions::default()
        };
        let Ok(json) = codec.decode(rest, &options) else {
            continue;
        };
        let of_wrong_length = |note: &Note| matches!(note, Note::Short(_) | Note::Long(_));
        if json.notes.iter().any(of_wrong_length) {
            assert!(codec.encode(&json.text, fragment).is_err(), "{}", json.text);
        } else if !ambiguous(codec, &json.text, fragment) {
            let octets = codec.encode(&json.text, fragment).unwrap();
            same(codec, &octets, fragment, &json.text);
        }
    }
    if let Ok(text) = std::str::from_utf8(rest) {
        match codec.encode(text, fragment) {
            Ok(octets) => {
                let json = codec.decode(&octets, &strict(fragment)).unwrap();
                if !ambiguous(codec, text, fragment) {
                    same(
                        codec,
                        &codec.encode(&json.text, fragment).unwrap(),
                        fragment,
                        &json.text,
                    );
                }
            }
            Err(error) => assert!(error.to_string().len() < 2048, "{error}"),
        }
    }
}

fn strict(fragment: bool) -> DecodeOptions {
    DecodeOptions {
        fragment,
        strict: true,
        ..DecodeOptions::default()
    }
}

fn same(codec: &JsonCodec, octets: &[u8], fragment: bool, text: &str) {
    let again = codec.decode(octets, &strict(fragment)).unwrap();
    assert_eq!(again.text, text);
}

/// Whether the root element's local name, which is all that the text says, is there in two namespaces.
fn ambiguous(codec: &JsonCodec, text: &str, fragment: bool) -> bool {
    let name = text.split('"').nth(1).unwrap_or_default();
    let grammar = codec.grammar();
    let roots = grammar.roots(fragment).iter();
    roots
        .filter(|root| grammar.string(root.local) == name)
        .count()
        > 1
}
