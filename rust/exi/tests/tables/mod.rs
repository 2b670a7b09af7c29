//! Writes small grammar tables by hand (the layout of `TABLES.md`), and bit strings to compare with.
#![allow(dead_code)] // each test file uses its own part

pub mod cars;

/// A table file in the making.
#[derive(Default)]
pub struct Tables {
    pub strings: Vec<String>,
    pub datatypes: Vec<Vec<u8>>,
    pub structs: Vec<Vec<u8>>,
    pub states: Vec<Vec<u8>>,
    pub document: Vec<Vec<u8>>,
    pub fragment: Vec<Vec<u8>>,
}

/// A datatype as the tables have it.
pub enum Type<'a> {
    Boolean,
    NBit(i64, u64),
    Unsigned(u64, Option<u64>),
    Signed(Option<i64>, Option<i64>),
    Enumeration(&'a [&'a str]),
    Hex(u64, Option<u64>),
    Base64(u64, Option<u64>),
    Text(u64, Option<u64>),
    Integer,
}

/// A field: name, kind (0 element, 1 attribute, 2 text), flags (1 optional, 2 repeated).
pub type Field<'a> = (&'a str, u64, u64);

/// A production; numbers are field, then datatype or struct.
pub enum Rule<'a> {
    End,
    Attribute(&'a str, u64, u64, Next),
    Characters(u64, u64, Next),
    Simple(&'a str, u64, u64, Next),
    Struct(&'a str, u64, u64, Next),
    Abstract(&'a str),
    Any(&'a str),
    Untyped(Next),
}

#[derive(Clone, Copy)]
pub enum Next {
    To(u64),
    /// entering, min, max, below, within, at_max
    Loop(bool, u64, u64, u64, u64, u64),
}

pub fn number(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn signed(out: &mut Vec<u8>, value: i64) {
    number(out, (value << 1 ^ value >> 63) as u64);
}

fn option<T>(out: &mut Vec<u8>, value: Option<T>, write: impl Fn(&mut Vec<u8>, T)) {
    number(out, value.is_some().into());
    if let Some(value) = value {
        write(out, value);
    }
}

impl Tables {
    pub fn string(&mut self, text: &str) -> u64 {
        let found = self.strings.iter().position(|known| known == text);
        found.unwrap_or_else(|| {
            self.strings.push(text.to_owned());
            self.strings.len() - 1
        }) as u64
    }

    /// Returns the number of the datatype.
    pub fn datatype(&mut self, datatype: Type<'_>) -> u64 {
        let mut out = Vec::new();
        let lengths = |out: &mut Vec<u8>, kind, min, max| {
            number(out, kind);
            number(out, min);
            option(out, max, number);
        };
        match datatype {
            Type::Boolean => number(&mut out, 0),
            Type::NBit(minimum, count) => {
                number(&mut out, 1);
                signed(&mut out, minimum);
                number(&mut out, count);
            }
            Type::Unsigned(min, max) => lengths(&mut out, 2, min, max),
            Type::Signed(min, max) => {
                number(&mut out, 3);
                option(&mut out, min, signed);
                option(&mut out, max, signed);
            }
            Type::Enumeration(literals) => {
                number(&mut out, 4);
                let (module, class) = (self.string("module"), self.string("Enumeration"));
                number(&mut out, module);
                number(&mut out, class);
                number(&mut out, literals.len() as u64);
                for literal in literals {
                    let literal = self.string(literal);
                    number(&mut out, literal);
                }
            }
            Type::Hex(min, max) => lengths(&mut out, 5, min, max),
            Type::Base64(min, max) => lengths(&mut out, 6, min, max),
            Type::Text(min, max) => lengths(&mut out, 7, min, max),
            Type::Integer => number(&mut out, 8),
        }
        self.datatypes.push(out);
        self.datatypes.len() as u64 - 1
    }

    /// Returns the number of the struct.
    pub fn structure(&mut self, class: &str, fields: &[Field<'_>], start: u64) -> u64 {
        let mut out = Vec::new();
        for name in ["module", class, class] {
            let name = self.string(name);
            number(&mut out, name);
        }
        number(&mut out, fields.len() as u64);
        for &(name, kind, flags) in fields {
            let (name, uri) = (self.string(name), self.string("urn:test"));
            for value in [name, name, uri, kind, flags] {
                number(&mut out, value);
            }
        }
        number(&mut out, start);
        self.structs.push(out);
        self.structs.len() as u64 - 1
    }

    /// Returns the number of the state.
    pub fn state(&mut self, rules: &[Rule<'_>]) -> u64 {
        let mut out = Vec::new();
        number(&mut out, rules.len() as u64);
        for rule in rules {
            self.rule(&mut out, rule);
        }
        self.states.push(out);
        self.states.len() as u64 - 1
    }

    fn rule(&mut self, out: &mut Vec<u8>, rule: &Rule<'_>) {
        let mut fed = |kind, name: Option<&str>, field, target, next| {
            number(out, kind);
            for text in name.iter().copied().chain(name.map(|_| "urn:test")) {
                let text = self.string(text);
                number(out, text);
            }
            number(out, field);
            number(out, target);
            write_next(out, next);
        };
        match *rule {
            Rule::End => number(out, 0),
            Rule::Attribute(name, field, datatype, next) => {
                fed(1, Some(name), field, datatype, next)
            }
            Rule::Characters(field, datatype, next) => fed(2, None, field, datatype, next),
            Rule::Simple(name, field, datatype, next) => fed(3, Some(name), field, datatype, next),
            Rule::Struct(name, field, structure, next) => {
                fed(4, Some(name), field, structure, next)
            }
            Rule::Abstract(name) => {
                number(out, 5);
                for text in [name, "urn:test"] {
                    let text = self.string(text);
                    number(out, text);
                }
            }
            Rule::Any(uri) => {
                number(out, 6);
                let uri = self.string(uri);
                number(out, uri);
            }
            Rule::Untyped(next) => {
                number(out, 7);
                write_next(out, next);
            }
        }
    }

    /// A root of struct (0), simple type (1) or of no use (2).
    pub fn root(&mut self, fragment: bool, name: &str, kind: u64, index: u64) {
        let mut out = Vec::new();
        for text in [name, "urn:test"] {
            let text = self.string(text);
            number(&mut out, text);
        }
        number(&mut out, kind);
        number(&mut out, index);
        if fragment {
            self.fragment.push(out);
        } else {
            self.document.push(out);
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = b"V2GEXI\x01".to_vec();
        number(&mut out, 4);
        out.extend(b"test");
        number(&mut out, self.strings.len() as u64);
        for text in &self.strings {
            number(&mut out, text.len() as u64);
            out.extend(text.as_bytes());
        }
        for part in [
            &self.datatypes,
            &self.structs,
            &self.states,
            &self.document,
            &self.fragment,
        ] {
            number(&mut out, part.len() as u64);
            part.iter().for_each(|entry| out.extend(entry));
        }
        out
    }
}

fn write_next(out: &mut Vec<u8>, next: Next) {
    match next {
        Next::To(state) => {
            number(out, 0);
            number(out, state);
        }
        Next::Loop(entering, min, max, below, within, at_max) => {
            for value in [1, entering.into(), min, max, below, within, at_max] {
                number(out, value);
            }
        }
    }
}

/// Octets from a string of 0 and 1, padded with zeros; anything else in it is for the eye.
pub fn bits(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|c| matches!(c, b'0' | b'1'))
        .map(|c| c - b'0')
        .collect();
    digits
        .chunks(8)
        .map(|chunk| {
            chunk
                .iter()
                .enumerate()
                .fold(0, |octet, (at, bit)| octet | bit << (7 - at))
        })
        .collect()
}

/// A small generator of pseudo-random numbers (xorshift64*), so that failures repeat.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit
    }
}

/// A grammar that has every kind of production.
///
/// ```text
/// Car (attribute Id optional)
///   Name            text 0..8
///   Doors           1..5, optional
///   Wheel           2..4 times, struct of Size (unsigned) and Spare (boolean, optional)
///   Drive           substitution group: abstract Drive, Electric (power, signed), Petrol (empty), in name order
///   Plate           struct with attribute Country (optional) and text content (hex 0..4), optional
///   ##any           never used
/// ```
pub fn car() -> Tables {
    use Next::{Loop, To};
    use Rule::{Abstract, Any, Attribute, Characters, End, Simple, Struct, Untyped};
    let mut t = Tables::default();
    let text = t.datatype(Type::Text(0, Some(8)));
    let doors = t.datatype(Type::NBit(1, 5));
    let unsigned = t.datatype(Type::Unsigned(0, Some(4_294_967_295)));
    let boolean = t.datatype(Type::Boolean);
    let signed = t.datatype(Type::Signed(Some(-70_000), Some(70_000)));
    let hex = t.datatype(Type::Hex(0, Some(4)));
    let country = t.datatype(Type::Enumeration(&["AT", "CH", "DE"]));
    let car_fields = [
        ("id", 1, 1),
        ("name", 0, 0),
        ("doors", 0, 1),
        ("wheel", 0, 2),
        ("drive", 0, 0),
        ("plate", 0, 1),
    ];
    t.structure("Car", &car_fields, 0);
    let wheel = t.structure("Wheel", &[("size", 0, 0), ("spare", 0, 1)], 8);
    let electric = t.structure("Electric", &[("power", 0, 0)], 11);
    let petrol = t.structure("Petrol", &[], 12);
    let plate = t.structure("Plate", &[("country", 1, 1), ("value", 2, 0)], 13);
    let drive = [
        Abstract("Drive"),
        Struct("Electric", 4, electric, To(6)),
        Struct("Petrol", 4, petrol, To(6)),
    ];
    t.state(&[
        Attribute("Id", 0, text, To(1)),
        Simple("Name", 1, text, To(2)),
    ]);
    t.state(&[Simple("Name", 1, text, To(2))]);
    t.state(&[
        Simple("Doors", 2, doors, To(3)),
        Struct("Wheel", 3, wheel, Loop(true, 2, 4, 4, 5, 7)),
    ]);
    t.state(&[Struct("Wheel", 3, wheel, Loop(true, 2, 4, 4, 5, 7))]);
    t.state(&[Struct("Wheel", 3, wheel, Loop(false, 2, 4, 4, 5, 7))]);
    let mut within = vec![Struct("Wheel", 3, wheel, Loop(false, 2, 4, 4, 5, 7))];
    within.extend(drive);
    t.state(&within);
    t.state(&[
        Struct("Plate", 5, plate, To(10)),
        Any("##any"),
        End,
        Untyped(To(6)),
    ]);
    t.state(&[
        Abstract("Drive"),
        Struct("Electric", 4, electric, To(6)),
        Struct("Petrol", 4, petrol, To(6)),
    ]);
    t.state(&[Simple("Size", 0, unsigned, To(9))]);
    t.state(&[Simple("Spare", 1, boolean, To(10)), End]);
    t.state(&[End]);
    t.state(&[Simple("Power", 0, signed, To(10))]);
    t.state(&[End]);
    t.state(&[
        Attribute("Country", 0, country, To(14)),
        Characters(1, hex, To(10)),
    ]);
    t.state(&[Characters(1, hex, To(10))]);
    t.root(false, "Car", 0, 0);
    t.root(false, "Number", 1, signed);
    t.root(false, "Vague", 2, 0);
    t.root(true, "Car", 0, 0);
    t.root(true, "Drive", 2, 0);
    t.root(true, "Electric", 0, electric);
    t.root(true, "Plate", 0, plate);
    t
}
