//! The rules of `TABLES.md` that concern a whole structure: which fields its states feed, and how often.
//!
//! A walk over the states of each struct, with two sets of fields per state: those that every way there has fed, and
//! those that some way has. It ends because the first set only shrinks and the second only grows.
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use crate::error::TableError;
use crate::grammar::{Event, FieldKind, Grammar, Next, Production, Struct};
use crate::load::refuse;

type Result<T> = core::result::Result<T, TableError>;

/// Fields fed on the way to a state, one bit each.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Fed {
    always: u64,
    perhaps: u64,
}

pub(crate) fn check(grammar: &Grammar) -> Result<()> {
    let mut classes = BTreeSet::new();
    for structure in &grammar.structs {
        let (module, class) = (
            grammar.string(structure.module),
            grammar.string(structure.class),
        );
        if !classes.insert((module, class)) {
            return refuse(format!("class {module}.{class} stands for two structs"));
        }
        walk(grammar, structure, structure.start)
            .map_err(|TableError(reason)| TableError(format!("{module}.{class}: {reason}")))?;
    }
    for one in &grammar.relaxed {
        if let Some(structure) = grammar.structs.get(one.structure as usize) {
            walk(grammar, structure, one.start)
                .map_err(|TableError(reason)| TableError(format!("a relaxed root: {reason}")))?;
        }
    }
    Ok(())
}

fn walk(grammar: &Grammar, structure: &Struct, start: u32) -> Result<()> {
    let mut known: BTreeMap<u32, Fed> = BTreeMap::new();
    let mut due: Vec<u32> = Vec::new();
    known.insert(
        start,
        Fed {
            always: 0,
            perhaps: 0,
        },
    );
    due.push(start);
    while let Some(index) = due.pop() {
        let (Some(state), Some(&fed)) = (grammar.states.get(index as usize), known.get(&index))
        else {
            continue;
        };
        let productions = grammar.productions(state);
        for (position, production) in productions.iter().enumerate() {
            if production.event == Event::EndElement {
                end(grammar, structure, fed)?;
            }
            if !production.feeds() {
                continue;
            }
            feed(grammar, structure, production, fed)?;
            if productions
                .iter()
                .take(position)
                .any(|earlier| collide(earlier, production))
            {
                let name = grammar.string(production.name);
                return refuse(format!(
                    "two productions of state {index} feed the field of {name} alike"
                ));
            }
            let bit = 1u64 << production.field;
            let after = Fed {
                always: fed.always | bit,
                perhaps: fed.perhaps | bit,
            };
            let (targets, count) = grammar.successors(production.next);
            for &target in targets.iter().take(count) {
                let merged = known.get(&target).map_or(after, |old| Fed {
                    always: old.always & after.always,
                    perhaps: old.perhaps | after.perhaps,
                });
                if known.insert(target, merged) != Some(merged) {
                    due.push(target);
                }
            }
        }
    }
    Ok(())
}

fn feed(grammar: &Grammar, structure: &Struct, production: &Production, fed: Fed) -> Result<()> {
    let Some(field) = structure.fields.get(production.field as usize) else {
        return refuse(format!(
            "field {} of {}",
            production.field,
            structure.fields.len()
        ));
    };
    let name = grammar.string(field.name);
    let kind = match production.event {
        Event::Attribute => FieldKind::Attribute,
        Event::Characters => FieldKind::Text,
        _ => FieldKind::Element,
    };
    if kind != field.kind {
        return refuse(format!("{name} is fed by a production of another kind"));
    }
    if !field.repeated {
        if fed.perhaps & 1 << production.field != 0 {
            return refuse(format!("{name} can be fed twice and is not repeated"));
        }
        if matches!(production.next, Next::Loop(_)) {
            return refuse(format!("{name} is in a loop and not repeated"));
        }
    }
    Ok(())
}

fn end(grammar: &Grammar, structure: &Struct, fed: Fed) -> Result<()> {
    for (index, field) in structure.fields.iter().enumerate() {
        if !field.optional && !field.repeated && fed.always & 1 << index == 0 {
            return refuse(format!(
                "{} is required, yet the element may end without it",
                grammar.string(field.name)
            ));
        }
    }
    Ok(())
}

/// Whether the encoder could not choose between two productions by the class of the value.
fn collide(one: &Production, other: &Production) -> bool {
    one.feeds()
        && one.field == other.field
        && (one.event != Event::StructElement
            || other.event != Event::StructElement
            || one.target == other.target)
}
