//! The walk over the states: root, structures, and why one got stuck.
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{fail, Encoder, Source};
use crate::decode::HEADER;
use crate::error::{Error, Result};
use crate::grammar::{expectation, Event, Grammar, Next, Production, RootContent, State};

impl<'a, 'g, S: Source<'a>> Encoder<'g, '_, S> {
    pub(super) fn message(&mut self, message: S::Value) -> Result<()> {
        let grammar = self.grammar;
        let roots = if self.options.fragment {
            &grammar.fragment
        } else {
            &grammar.document
        };
        let code = self.root(message)?;
        let Some(root) = roots.roots.get(code as usize) else {
            return Err(fail("a lost root", ""));
        };
        self.writer.bits(u32::from(HEADER), 8);
        self.writer.bits(code, roots.width);
        match root.content {
            RootContent::Struct(index) => self.structure(index, message, self.options.max_depth),
            RootContent::Simple(datatype) => {
                self.writer.bits(0, 1);
                let done = self.simple_value(datatype, message);
                self.writer.bits(0, 1);
                done
            }
            RootContent::Unusable => Err(fail("an element without a type of its own", "")),
        }
        .map_err(|error| error.inside(grammar.string(root.local), None))?;
        if self.options.fragment {
            self.writer.bits(roots.roots.len() as u32 + 1, roots.width);
        }
        Ok(())
    }

    /// The code of the root element: by name if there is one, else by the struct of the message.
    fn root(&self, message: S::Value) -> Result<u32> {
        let grammar = self.grammar;
        let roots = if self.options.fragment {
            &grammar.fragment
        } else {
            &grammar.document
        };
        let structure = self.source.structure(message);
        let code = match self.options.root {
            None => {
                structure.and_then(|index| roots.by_struct.get(index as usize).copied().flatten())
            }
            Some(name) => {
                let holds = |content| match content {
                    RootContent::Struct(index) => structure == Some(index),
                    RootContent::Simple(_) => structure.is_none(),
                    RootContent::Unusable => false,
                };
                let found = roots
                    .roots
                    .iter()
                    .position(|root| grammar.string(root.local) == name && holds(root.content));
                found.map(|code| code as u32)
            }
        };
        code.ok_or_else(|| {
            let kind = if self.options.fragment {
                "fragment"
            } else {
                "document"
            };
            let name = self
                .options
                .root
                .map_or_else(String::new, |name| format!(" {name}"));
            fail(
                format!(
                    "{} is no root element{name} of a {kind}",
                    self.source.describe(message)
                ),
                format!("a message of {}", grammar.name()),
            )
        })
    }

    fn structure(&mut self, index: u32, value: S::Value, depth: u32) -> Result<()> {
        let grammar = self.grammar;
        let (Some(depth), Some(structure)) =
            (depth.checked_sub(1), grammar.structs.get(index as usize))
        else {
            return Err(fail(
                "elements nested too deeply",
                format!("{} levels at most", self.options.max_depth),
            ));
        };
        let base = self.cursors.len();
        let mut waiting = 0u64;
        for (number, field) in structure.fields.iter().enumerate() {
            let present = if field.repeated {
                let count = self.source.count(value, index, number as u32);
                let count = count.map_err(|refusal| {
                    fail(refusal, "a tuple").inside(grammar.string(field.name), None)
                })?;
                self.cursors.resize(base + structure.fields.len(), (0, 0));
                if let Some(cursor) = self.cursors.get_mut(base + number) {
                    cursor.1 = count;
                }
                count > 0
            } else {
                self.source.one(value, index, number as u32).is_some()
            };
            waiting |= u64::from(present) << number;
        }
        let mut state = structure.start;
        let mut counter = 0u32;
        loop {
            let Some(rules) = grammar.states.get(state as usize) else {
                return Err(fail("a lost state", ""));
            };
            let Some((code, production, item)) = self.choose(rules, index, value, waiting, base)
            else {
                return Err(self.stuck(rules, index, value, waiting, base));
            };
            let width = u32::from(rules.width);
            let Some(item) = item else {
                if waiting != 0 {
                    return Err(self.stuck(rules, index, value, waiting, base));
                }
                self.writer.bits(code, width);
                break;
            };
            let (next, taken) = advance(grammar, production.next, counter);
            let done = match production.event {
                Event::StructElement => {
                    self.writer.bits(code, width);
                    self.structure(production.target, item, depth)
                }
                Event::SimpleElement => {
                    // SE and CH in one, then EE.
                    self.writer.bits(code << 1, width + 1);
                    let done = self.simple_value(production.target, item);
                    self.writer.bits(0, 1);
                    done
                }
                _ => {
                    self.writer.bits(code, width);
                    self.simple_value(production.target, item)
                }
            };
            if let Err(error) = done {
                let text = production.event == Event::Characters;
                return Err(if text {
                    error
                } else {
                    error.inside(grammar.string(production.name), taken)
                });
            }
            let bit = 1u64 << production.field;
            match self.cursors.get_mut(base + usize::from(production.field)) {
                Some(cursor) if cursor.1 > 0 => {
                    cursor.0 += 1;
                    if cursor.0 == cursor.1 {
                        waiting &= !bit;
                    }
                }
                _ => waiting &= !bit,
            }
            state = next;
            counter = taken.unwrap_or(0);
        }
        self.cursors.truncate(base);
        Ok(())
    }

    /// The first production of a state that has a value waiting, or EE.
    #[inline]
    fn choose(
        &self,
        rules: &State,
        structure: u32,
        value: S::Value,
        waiting: u64,
        base: usize,
    ) -> Option<(u32, &'g Production, Option<S::Value>)> {
        let grammar: &'g Grammar = self.grammar;
        for (code, production) in grammar.productions(rules).iter().enumerate() {
            match production.event {
                Event::EndElement => return Some((code as u32, production, None)),
                Event::AbstractElement | Event::WildcardElement | Event::UntypedCharacters => {
                    continue
                }
                Event::Attribute
                | Event::Characters
                | Event::SimpleElement
                | Event::StructElement => {}
            }
            if waiting >> production.field & 1 == 0 {
                continue;
            }
            let item = self.waiting_item(structure, value, production.field, base)?;
            if production.event != Event::StructElement || self.source.is(item, production.target) {
                return Some((code as u32, production, Some(item)));
            }
        }
        None
    }

    #[inline]
    fn waiting_item(
        &self,
        structure: u32,
        value: S::Value,
        field: u8,
        base: usize,
    ) -> Option<S::Value> {
        match self.cursors.get(base + usize::from(field)) {
            Some(&(next, count)) if count > 0 => {
                self.source.item(value, structure, u32::from(field), next)
            }
            _ => self.source.one(value, structure, u32::from(field)),
        }
    }

    /// Why no production of a state could be written.
    #[cold]
    fn stuck(
        &self,
        rules: &State,
        structure: u32,
        value: S::Value,
        waiting: u64,
        base: usize,
    ) -> Box<Error> {
        let grammar = self.grammar;
        let productions = grammar.productions(rules);
        let fields = grammar
            .structs
            .get(structure as usize)
            .map_or(&[][..], |entry| &entry.fields);
        let expected = expectation(grammar, productions);
        // A value is there for one of the productions, but it is of another class.
        for production in productions.iter().filter(|production| production.feeds()) {
            if waiting >> production.field & 1 != 0 {
                let item = self.waiting_item(structure, value, production.field, base);
                let found =
                    item.map_or_else(|| "nothing".into(), |item| self.source.describe(item));
                let classes: Vec<&str> = productions
                    .iter()
                    .filter(|other| {
                        other.event == Event::StructElement && other.field == production.field
                    })
                    .filter_map(|other| grammar.structs.get(other.target as usize))
                    .map(|entry| grammar.string(entry.class))
                    .collect();
                let name = fields
                    .get(usize::from(production.field))
                    .map_or("", |field| grammar.string(field.name));
                return fail(format!("{name} holds {found}"), classes.join(" or "))
                    .inside(grammar.string(production.name), None);
            }
        }
        let left: Vec<&str> = fields
            .iter()
            .enumerate()
            .filter(|(number, _)| waiting >> number & 1 != 0)
            .map(|(_, field)| grammar.string(field.name))
            .collect();
        if !rules.has_end {
            let rest = if left.is_empty() {
                String::new()
            } else {
                format!(" before {}", left.join(", "))
            };
            return fail(format!("a required value is missing{rest}"), expected);
        }
        let full = fields.iter().enumerate().any(|(number, field)| {
            field.repeated
                && waiting >> number & 1 != 0
                && self
                    .cursors
                    .get(base + number)
                    .is_some_and(|cursor| cursor.0 > 0)
        });
        let reason = if full {
            "has too many items"
        } else {
            "is set, but has no place beside the other fields that are set"
        };
        fail(format!("{} {reason}", left.join(", ")), expected)
    }
}

/// The state after an arc, and how often a counted arc has now been taken.
#[inline]
fn advance(grammar: &Grammar, next: Next, counter: u32) -> (u32, Option<u32>) {
    match next {
        Next::State(state) => (state, None),
        Next::Loop(index) => {
            let Some(entry) = grammar.loops.get(index as usize) else {
                return (u32::MAX, None);
            };
            let count = if entry.entering {
                1
            } else {
                counter.saturating_add(1)
            };
            let state = if count < entry.min {
                entry.below
            } else if count < entry.max {
                entry.within
            } else {
                entry.at_max
            };
            (state, Some(count))
        }
    }
}
