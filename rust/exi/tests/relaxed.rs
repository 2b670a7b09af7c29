//! Fragments whose name stands for several types: the struct shows in the first production, and encodes back the same way.
mod tables;

use iso15118_exi::value::{Structure, Value, ValueBuilder, ValueSource};
use iso15118_exi::{decode, encode, DecodeOptions, EncodeOptions, Grammar};
use tables::{bits, number, Next::To, Rule, Tables, Type};

/// Tag is a text with an Id, or a bare text.
fn tables(first_start: Option<u64>) -> Tables {
    let mut t = Tables::default();
    let text = t.datatype(Type::Text(0, Some(8)));
    let end = t.state(&[Rule::Any("##any"), Rule::End, Rule::Untyped(To(0))]);
    let after_id = t.state(&[
        Rule::Any("##any"),
        Rule::Any("##any"),
        Rule::Characters(1, text, To(end)),
    ]);
    let with_id = t.state(&[
        Rule::Attribute("Id", 0, text, To(after_id)),
        Rule::Any("##any"),
        Rule::Any("##any"),
    ]);
    let bare = t.state(&[
        Rule::Any("##any"),
        Rule::Any("##any"),
        Rule::Characters(0, text, To(end)),
    ]);
    let own_end = t.state(&[Rule::End]);
    let own_text = t.state(&[Rule::Characters(1, text, To(own_end))]);
    let own_id = t.state(&[Rule::Attribute("Id", 0, text, To(own_text))]);
    let own_bare = t.state(&[Rule::Characters(0, text, To(own_end))]);
    let tagged = t.structure("Tagged", &[("id", 1, 0), ("value", 2, 0)], own_id);
    let plain = t.structure("Plain", &[("value", 2, 0)], own_bare);
    t.root(true, "Tag", 3, 2);
    let root = t.fragment.last_mut().unwrap();
    for value in [tagged, first_start.unwrap_or(with_id), plain, bare] {
        number(root, value);
    }
    t
}

#[test]
fn the_first_production_tells_the_struct() {
    let grammar = Grammar::load(&tables(None).bytes()).unwrap();
    let x = "00000011 01111000";
    let text = || vec![Value::Text("x".into())];
    for (code, structure, fields) in [
        (format!("00 {x} 10 {x} 01"), 0, vec![text(), text()]),
        (format!("10 {x} 01"), 1, vec![text()]),
    ] {
        let octets = bits(&format!("10000000 00 {code} 10"));
        let options = DecodeOptions {
            fragment: true,
            strict: true,
            ..DecodeOptions::default()
        };
        let decoded = decode(
            &grammar,
            &octets,
            &options,
            &mut ValueBuilder::new(&grammar),
        )
        .unwrap();
        let expected = Value::Struct(Box::new(Structure { structure, fields }));
        assert_eq!(decoded.value, expected);
        for root in [None, Some("Tag")] {
            let options = EncodeOptions {
                fragment: true,
                root,
                ..EncodeOptions::default()
            };
            let again = encode(&grammar, &ValueSource, &expected, &options).unwrap();
            assert_eq!(again, octets);
        }
    }
}

#[test]
fn what_only_holds_a_code_is_refused() {
    let grammar = Grammar::load(&tables(None).bytes()).unwrap();
    let options = DecodeOptions {
        fragment: true,
        ..DecodeOptions::default()
    };
    for code in [
        "01",
        "11",
        "00 00000011 01111000 00",
        "10 00000011 01111000 10",
    ] {
        let octets = bits(&format!("10000000 00 {code} 00000011 01111000 01 10"));
        let mut builder = ValueBuilder::new(&grammar);
        assert!(decode(&grammar, &octets, &options, &mut builder).is_err());
    }
}

#[test]
fn a_start_state_must_fit_its_struct_and_exist() {
    // The bare start state feeds field 0 of Tagged, an attribute, with text.
    for wrong in [3, 99] {
        assert!(Grammar::load(&tables(Some(wrong)).bytes()).is_err());
    }
}
