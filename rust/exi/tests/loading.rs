//! Tables that break a rule are refused, and say which; no octets crash the loader.
mod tables;

use iso15118_exi::value::ValueBuilder;
use iso15118_exi::{decode, DecodeOptions, Grammar};
use tables::{car, Next, Random, Rule, Tables, Type};
use Next::{Loop, To};
use Rule::{Attribute, Characters, End, Simple, Struct};

fn refusal(tables: &Tables) -> String {
    Grammar::load(&tables.bytes()).unwrap_err().to_string()
}

/// Fields and states of a struct, and a word of the refusal.
type Case<'a> = (&'a [tables::Field<'a>], &'a [&'a [Rule<'a>]], &'a str);

/// One struct of these fields, one datatype (boolean) and these states.
fn one_struct(fields: &[tables::Field<'_>], states: &[&[Rule<'_>]]) -> Tables {
    let mut tables = Tables::default();
    tables.datatype(Type::Boolean);
    tables.structure("A", fields, 0);
    states.iter().for_each(|rules| {
        tables.state(rules);
    });
    tables.root(false, "A", 0, 0);
    tables
}

#[test]
fn the_example_loads() {
    let grammar = Grammar::load(&car().bytes()).unwrap();
    assert_eq!(grammar.name(), "test");
    assert_eq!(grammar.structs().len(), 5);
    assert_eq!(grammar.roots(true).len(), 4);
    assert_eq!(grammar.string(grammar.roots(false)[1].local), "Number");
}

#[test]
fn every_truncation_and_any_appendix_is_refused() {
    let mut octets = car().bytes();
    for length in 0..octets.len() {
        assert!(Grammar::load(&octets[..length]).is_err(), "{length} octets");
    }
    octets.push(0);
    assert!(Grammar::load(&octets)
        .unwrap_err()
        .to_string()
        .contains("after the end"));
}

#[test]
fn damaged_tables_are_refused_or_harmless() {
    let octets = car().bytes();
    let mut random = Random(0x9e37_79b9);
    let mut loaded = 0;
    for position in 0..octets.len() {
        for value in [
            0,
            1,
            2,
            0x7f,
            0x80,
            0xff,
            octets[position] ^ 1,
            octets[position].wrapping_add(1),
        ] {
            let mut damaged = octets.clone();
            damaged[position] = value;
            let Ok(grammar) = Grammar::load(&damaged) else {
                continue;
            };
            loaded += 1;
            for _ in 0..20 {
                let data: Vec<u8> = std::iter::once(0x80)
                    .chain((0..20).map(|_| random.next() as u8))
                    .collect();
                let options = DecodeOptions {
                    fragment: random.below(2) == 0,
                    ..DecodeOptions::default()
                };
                let _ = decode(&grammar, &data, &options, &mut ValueBuilder::new(&grammar));
            }
        }
    }
    assert!(loaded > 100, "{loaded} variants loaded");
}

#[test]
fn rules_about_single_entries() {
    let mut tables = Tables::default();
    tables.datatype(Type::NBit(0, 0));
    assert!(refusal(&tables).contains("n-bit"));
    for datatype in [Type::NBit(i64::MAX, 2), Type::NBit(0, 4097)] {
        let mut tables = Tables::default();
        tables.datatype(datatype);
        assert!(refusal(&tables).contains("range"));
    }
    for datatype in [
        Type::Unsigned(2, Some(1)),
        Type::Signed(Some(2), Some(1)),
        Type::Hex(2, Some(1)),
        Type::Text(2, Some(1)),
        Type::Enumeration(&[]),
    ] {
        let mut tables = Tables::default();
        tables.datatype(datatype);
        assert!(Grammar::load(&tables.bytes()).is_err());
    }
    let flag = [("a", 0, 0)];
    let cases: [(&[&[Rule<'_>]], &str); 8] = [
        (&[&[]], "a state of 0"),
        (&[&[End, End]], "two EE"),
        (&[&[End, Simple("a", 0, 0, To(0))]], "after EE"),
        (&[&[Simple("a", 0, 1, To(0))]], "datatype of a production 1"),
        (&[&[Struct("a", 0, 1, To(0))]], "struct or datatype"),
        (&[&[Simple("a", 0, 0, To(1))]], "state 1"),
        (
            &[&[Simple("a", 0, 0, Loop(true, 3, 2, 0, 0, 0))]],
            "loop from 3 to 2",
        ),
        (
            &[&[Simple("a", 0, 0, Loop(true, 0, 1, 0, 0, 0))]],
            "loop from 0 to 1",
        ),
    ];
    for (states, reason) in cases {
        let refusal = refusal(&one_struct(&flag, states));
        assert!(refusal.contains(reason), "{refusal}");
    }
}

#[test]
fn rules_about_whole_structs() {
    let required = [("a", 0, 0)];
    let optional = [("a", 0, 1)];
    let repeated = [("a", 0, 2)];
    let cases: [Case<'_>; 9] = [
        (&required, &[&[Simple("a", 1, 0, To(0))]], "field 1 of 1"),
        (&optional, &[&[Simple("a", 0, 0, To(0)), End]], "fed twice"),
        (
            &required,
            &[&[Simple("a", 0, 0, To(1)), End], &[End]],
            "may end without it",
        ),
        (
            &optional,
            &[
                &[Simple("a", 0, 0, To(1)), End],
                &[Simple("b", 0, 0, To(2)), End],
                &[End],
            ],
            "fed twice",
        ),
        (
            &optional,
            &[&[Simple("a", 0, 0, Loop(true, 0, 2, 0, 1, 1))], &[End]],
            "in a loop",
        ),
        (
            &repeated,
            &[&[Simple("a", 0, 0, To(0)), Simple("b", 0, 0, To(0)), End]],
            "alike",
        ),
        (
            &repeated,
            &[&[Struct("a", 0, 0, To(0)), Struct("b", 0, 0, To(0)), End]],
            "alike",
        ),
        (
            &required,
            &[&[Attribute("a", 0, 0, To(1))], &[End]],
            "another kind",
        ),
        (
            &required,
            &[&[Characters(0, 0, To(1))], &[End]],
            "another kind",
        ),
    ];
    for (fields, states, reason) in cases {
        let refusal = refusal(&one_struct(fields, states));
        assert!(refusal.contains(reason), "{refusal}");
    }
    // What no count leads to is not looked at: state 0 as a filler where `below` is never used.
    let filler = [("a", 0, 2), ("b", 0, 0)];
    let states: [&[Rule<'_>]; 3] = [
        &[Simple("b", 1, 0, To(1))],
        &[Simple("a", 0, 0, Loop(true, 1, 2, 0, 2, 2)), End],
        &[End],
    ];
    assert!(Grammar::load(&one_struct(&filler, &states).bytes()).is_ok());
    let mut twice = one_struct(&optional, &[&[End]]);
    twice.structure("A", &[], 0);
    assert!(refusal(&twice).contains("two structs"));
    let fields: Vec<tables::Field<'_>> = (0..65).map(|_| ("a", 0, 1)).collect();
    assert!(refusal(&one_struct(&fields, &[&[End]])).contains("65 fields"));
}
