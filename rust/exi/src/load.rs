//! Reads grammar tables: the layout of `TABLES.md`, every number checked against what it refers to.
//!
//! What can be said of a single entry is checked here; what concerns whole structures is checked by `check.rs`.
mod input;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::datatype::{code_width, BinaryText, Datatype, Lengths};
use crate::error::TableError;
use crate::grammar::{
    Enumeration, Event, Field, FieldKind, Grammar, Loop, Next, Production, Relaxed, Root,
    RootContent, Roots, State, StringIndex, Struct,
};

use input::Input;

const MAGIC: &[u8] = b"V2GEXI\x01";
/// Fields a structure may have: the encoder keeps one bit each in a word.
pub(crate) const MAX_FIELDS: usize = 64;
/// Productions a state may have, and values a range or an enumeration may have.
const MAX_CODES: u32 = 4096;

type Result<T> = core::result::Result<T, TableError>;

pub(crate) fn refuse<T>(reason: impl Into<String>) -> Result<T> {
    Err(TableError(reason.into()))
}

/// Sizes of the tables that later entries refer to.
#[derive(Default)]
struct Sizes {
    datatypes: u32,
    structs: u32,
    states: u32,
}

pub(crate) fn load(tables: &[u8]) -> Result<Grammar> {
    let mut input = Input {
        rest: tables,
        strings: 0,
    };
    if !tables.starts_with(MAGIC) {
        return refuse("not of format 1 (wrong first octets)");
    }
    input.take(MAGIC.len())?;
    let name = input.text()?;
    let strings = input.list(1, Input::text)?;
    input.strings = strings.len() as u32;

    let mut enumerations = Vec::new();
    let datatypes = input.list(1, |input| datatype(input, &mut enumerations))?;
    let structs = input.list(5, structure)?;
    let mut sizes = Sizes {
        datatypes: datatypes.len() as u32,
        structs: structs.len() as u32,
        states: 0,
    };

    // States refer to each other, so their number is known before the first is read.
    let mut productions = Vec::new();
    let mut loops = Vec::new();
    let count = input.count(1)?;
    sizes.states = count as u32;
    let mut states = Vec::with_capacity(count);
    for _ in 0..count {
        states.push(state(&mut input, &sizes, &mut productions, &mut loops)?);
    }
    for (index, entry) in structs.iter().enumerate() {
        if entry.start >= sizes.states {
            return refuse(format!(
                "struct {index} starts in state {} of {}",
                entry.start, sizes.states
            ));
        }
    }
    let mut relaxed = Vec::new();
    let document = input.list(4, |input| root(input, &sizes, &mut relaxed))?;
    let fragment = input.list(4, |input| root(input, &sizes, &mut relaxed))?;
    if !input.rest.is_empty() {
        return refuse(format!("{} octets after the end", input.rest.len()));
    }
    // One more code for SE(*), and in fragments one for ED.
    let document = roots(document, 1, structs.len(), &relaxed)?;
    let fragment = roots(fragment, 2, structs.len(), &relaxed)?;
    let grammar = Grammar {
        name,
        strings,
        datatypes,
        enumerations,
        structs,
        states,
        productions,
        loops,
        document,
        fragment,
        relaxed,
    };
    crate::check::check(&grammar)?;
    Ok(grammar)
}

fn datatype(input: &mut Input<'_>, enumerations: &mut Vec<Enumeration>) -> Result<Datatype> {
    Ok(match input.unsigned()? {
        0 => Datatype::Boolean,
        1 => {
            let minimum = input.zigzag()?;
            let count = input.index(MAX_CODES + 1, "values of a range")?;
            if count == 0 || minimum.checked_add(i64::from(count)).is_none() {
                return refuse("an n-bit range without values or beyond 64 bits");
            }
            Datatype::NBit {
                minimum,
                count,
                width: code_width(count),
            }
        }
        2 => {
            let min = input.unsigned()?;
            let max = input.optional(Input::unsigned)?.unwrap_or(u64::MAX);
            if min > max {
                return refuse("an unsigned range without values");
            }
            Datatype::Unsigned { min, max }
        }
        3 => {
            let min = input.optional(Input::zigzag)?.unwrap_or(i64::MIN);
            let max = input.optional(Input::zigzag)?.unwrap_or(i64::MAX);
            if min > max {
                return refuse("a signed range without values");
            }
            Datatype::Signed { min, max }
        }
        4 => {
            let (module, class) = (input.string()?, input.string()?);
            let literals = input.list(1, Input::string)?;
            let count = literals.len() as u32;
            if count == 0 || count > MAX_CODES {
                return refuse(format!("an enumeration of {count} literals"));
            }
            let enumeration = enumerations.len() as u32;
            enumerations.push(Enumeration {
                module,
                class,
                literals,
            });
            Datatype::Enumeration {
                enumeration,
                count,
                width: code_width(count),
            }
        }
        5 => Datatype::Binary {
            lengths: lengths(input)?,
            text: BinaryText::Hex,
        },
        6 => Datatype::Binary {
            lengths: lengths(input)?,
            text: BinaryText::Base64,
        },
        7 => Datatype::Text {
            lengths: lengths(input)?,
        },
        8 => Datatype::Integer,
        kind => return refuse(format!("datatype kind {kind}")),
    })
}

fn lengths(input: &mut Input<'_>) -> Result<Lengths> {
    let min = input.unsigned()?;
    let max = input.optional(Input::unsigned)?.unwrap_or(u64::MAX);
    if min > max {
        return refuse("a length range without values");
    }
    Ok(Lengths { min, max })
}

fn structure(input: &mut Input<'_>) -> Result<Struct> {
    let (module, class, type_name) = (input.string()?, input.string()?, input.string()?);
    let fields = input.list(5, field)?;
    if fields.len() > MAX_FIELDS {
        return refuse(format!(
            "a struct of {} fields; {MAX_FIELDS} is the most",
            fields.len()
        ));
    }
    let repeated = fields
        .iter()
        .rev()
        .fold(0, |bits, field| bits << 1 | u64::from(field.repeated));
    Ok(Struct {
        repeated,
        module,
        class,
        type_name,
        fields,
        start: input.index(u32::MAX, "start state")?,
    })
}

fn field(input: &mut Input<'_>) -> Result<Field> {
    let (name, local, uri) = (input.string()?, input.string()?, input.string()?);
    let kind = match input.unsigned()? {
        0 => FieldKind::Element,
        1 => FieldKind::Attribute,
        2 => FieldKind::Text,
        kind => return refuse(format!("field kind {kind}")),
    };
    let flags = input.unsigned()?;
    if flags > 3 {
        return refuse(format!("field flags {flags}"));
    }
    Ok(Field {
        name,
        local,
        uri,
        kind,
        optional: flags & 1 != 0,
        repeated: flags & 2 != 0,
    })
}

fn state(
    input: &mut Input<'_>,
    sizes: &Sizes,
    productions: &mut Vec<Production>,
    loops: &mut Vec<Loop>,
) -> Result<State> {
    let count = input.count(1)? as u32;
    if count == 0 || count > MAX_CODES {
        return refuse(format!("a state of {count} productions"));
    }
    let first = productions.len() as u32;
    let mut has_end = false;
    for _ in 0..count {
        let entry = production(input, sizes, loops)?;
        match entry.event {
            Event::EndElement if has_end => return refuse("a state with two EE"),
            Event::EndElement => has_end = true,
            Event::UntypedCharacters => {}
            _ if has_end => return refuse("a production after EE"),
            _ => {}
        }
        productions.push(entry);
    }
    let Some(&lead) = productions.get(first as usize) else {
        return refuse("a state without productions");
    };
    Ok(State {
        lead,
        first,
        count: count as u16,
        width: code_width(count + 1) as u8,
        has_end,
    })
}

fn production(input: &mut Input<'_>, sizes: &Sizes, loops: &mut Vec<Loop>) -> Result<Production> {
    let bare = |event, name| Production {
        event,
        field: 0,
        bit: 0,
        name,
        target: 0,
        next: Next::State(0),
    };
    let nameless = StringIndex(0);
    let kind = input.unsigned()?;
    let (event, name) = match kind {
        0 => return Ok(bare(Event::EndElement, nameless)),
        1 => (Event::Attribute, input.name()?),
        2 => (Event::Characters, nameless),
        3 => (Event::SimpleElement, input.name()?),
        4 => (Event::StructElement, input.name()?),
        5 => return Ok(bare(Event::AbstractElement, input.name()?)),
        6 => return Ok(bare(Event::WildcardElement, input.string()?)),
        7 => {
            next(input, sizes, loops)?;
            return Ok(bare(Event::UntypedCharacters, nameless));
        }
        _ => return refuse(format!("production kind {kind}")),
    };
    let field = input.index(MAX_FIELDS as u32, "field")? as u8;
    let targets = if event == Event::StructElement {
        sizes.structs
    } else {
        sizes.datatypes
    };
    let target = input.index(targets, "struct or datatype of a production")?;
    Ok(Production {
        event,
        field,
        bit: 1 << field,
        name,
        target,
        next: next(input, sizes, loops)?,
    })
}

fn next(input: &mut Input<'_>, sizes: &Sizes, loops: &mut Vec<Loop>) -> Result<Next> {
    match input.unsigned()? {
        0 => Ok(Next::State(input.index(sizes.states, "state")?)),
        1 => {
            let entering = input.flag()?;
            let (min, max) = (input.index(u32::MAX, "min")?, input.index(u32::MAX, "max")?);
            if max == 1 || (max != 0 && min > max) {
                return refuse(format!("a loop from {min} to {max}"));
            }
            let mut state = || input.index(sizes.states, "state");
            let (below, within, at_max) = (state()?, state()?, state()?);
            loops.push(Loop {
                entering,
                min,
                max: if max == 0 { u32::MAX } else { max },
                below,
                within,
                at_max,
            });
            Ok(Next::Loop(loops.len() as u32 - 1))
        }
        kind => refuse(format!("next of kind {kind}")),
    }
}

fn root(input: &mut Input<'_>, sizes: &Sizes, relaxed: &mut Vec<Relaxed>) -> Result<Root> {
    let (local, uri, kind) = (input.string()?, input.string()?, input.unsigned()?);
    let content = match kind {
        0 => RootContent::Struct(input.index(sizes.structs, "struct of a root")?),
        1 => RootContent::Simple(input.index(sizes.datatypes, "datatype of a root")?),
        2 => {
            input.unsigned()?;
            RootContent::Unusable
        }
        3 => {
            let first = relaxed.len() as u32;
            let choices = input.list(2, |input| {
                Ok(Relaxed {
                    structure: input.index(sizes.structs, "struct of a root")?,
                    start: input.index(sizes.states, "start state of a root")?,
                })
            })?;
            relaxed.extend(&choices);
            RootContent::Relaxed(first, choices.len() as u32)
        }
        _ => return refuse(format!("root kind {kind}")),
    };
    Ok(Root {
        local,
        uri,
        content,
    })
}

fn roots(roots: Vec<Root>, more: u32, structs: usize, relaxed: &[Relaxed]) -> Result<Roots> {
    if roots.len() > MAX_CODES as usize {
        return refuse(format!("{} root elements", roots.len()));
    }
    let mut by_struct = alloc::vec![None; structs];
    for (code, root) in roots.iter().enumerate() {
        let mut hold = |index: u32| {
            if let Some(slot @ None) = by_struct.get_mut(index as usize) {
                *slot = Some(code as u32);
            }
        };
        match root.content {
            RootContent::Struct(index) => hold(index),
            RootContent::Relaxed(first, count) => relaxed
                .iter()
                .skip(first as usize)
                .take(count as usize)
                .for_each(|one| hold(one.structure)),
            RootContent::Simple(_) | RootContent::Unusable => {}
        }
    }
    let width = code_width(roots.len() as u32 + more);
    Ok(Roots {
        roots,
        width,
        by_struct,
    })
}
