//! The walk over the states: root, structures, and why one got stuck.
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{fail, Encoder, Source};
use crate::decode::HEADER;
use crate::error::{Error, Result};
use crate::grammar::{
    expectation, Event, Grammar, Next, Production, Relaxed, RootContent, State, Struct,
};

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
            RootContent::Struct(index) => match self.source.open(message, index) {
                Some(fields) => self.structure(index, None, fields, self.options.max_depth),
                None => Err(fail(self.source.describe(message), "")),
            },
            RootContent::Relaxed(first, count) => {
                let open = |one: &Relaxed| {
                    let fields = self.source.open(message, one.structure)?;
                    Some((one.structure, one.start, fields))
                };
                match grammar.relaxed(first, count).iter().find_map(open) {
                    Some((index, start, fields)) => {
                        self.structure(index, Some(start), fields, self.options.max_depth)
                    }
                    None => Err(fail(self.source.describe(message), "")),
                }
            }
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
                    RootContent::Relaxed(first, count) => grammar
                        .relaxed(first, count)
                        .iter()
                        .any(|one| structure == Some(one.structure)),
                };
                let (uri, local) =
                    match name.strip_prefix('{').and_then(|name| name.split_once('}')) {
                        Some((uri, local)) => (Some(uri), local),
                        None => (None, name),
                    };
                let found = roots.roots.iter().position(|root| {
                    grammar.string(root.local) == local
                        && uri.is_none_or(|uri| grammar.string(root.uri) == uri)
                        && holds(root.content)
                });
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

    fn structure(
        &mut self,
        index: u32,
        start: Option<u32>,
        fields: S::Fields,
        depth: u32,
    ) -> Result<()> {
        let grammar = self.grammar;
        let (Some(depth), Some(structure)) =
            (depth.checked_sub(1), grammar.structs.get(index as usize))
        else {
            let most = self.options.max_depth;
            return Err(fail(
                "elements nested too deeply",
                format!("{most} levels at most"),
            ));
        };
        let mut open = Open {
            fields,
            waiting: self.source.present(fields, structure.fields.len()),
            repeated: structure.repeated,
            base: self.cursors.len(),
        };
        if structure.repeated != 0 {
            self.count_items(structure, &mut open)?;
        }
        let mut state = start.unwrap_or(structure.start);
        let mut counter = 0u32;
        loop {
            let Some(rules) = grammar.states.get(state as usize) else {
                return Err(fail("a lost state", ""));
            };
            let Some((code, production, content)) = self.choose(rules, &open) else {
                return Err(self.stuck(rules, structure, &open));
            };
            let width = u32::from(rules.width);
            let done = match content {
                Content::Struct(inner) => {
                    self.writer.bits(code, width);
                    self.structure(production.target, None, inner, depth)
                }
                Content::Simple(item) if production.event == Event::SimpleElement => {
                    self.simple_element(code, width, production.target, item)
                }
                Content::Simple(item) => {
                    self.writer.bits(code, width);
                    self.simple_value(production.target, item)
                }
                Content::End if open.waiting == 0 => {
                    self.writer.bits(code, width);
                    break;
                }
                Content::End => return Err(self.stuck(rules, structure, &open)),
            };
            let (next, taken) = advance(grammar, production.next, counter);
            if let Err(error) = done {
                return Err(match production.event {
                    Event::Characters => error,
                    _ => error.inside(grammar.string(production.name), taken),
                });
            }
            self.written(production, &mut open);
            state = next;
            counter = taken.unwrap_or(0);
        }
        self.cursors.truncate(open.base);
        Ok(())
    }

    /// Replaces what `waiting` says of repeated fields by whether they hold anything.
    fn count_items(&mut self, structure: &Struct, open: &mut Open<S::Fields>) -> Result<()> {
        self.cursors
            .resize(open.base + structure.fields.len(), (0, 0));
        let cursors = self.cursors.get_mut(open.base..).unwrap_or(&mut []);
        for ((number, field), cursor) in structure.fields.iter().enumerate().zip(cursors) {
            if !field.repeated {
                continue;
            }
            cursor.1 = self
                .source
                .count(open.fields, number as u32)
                .map_err(|refusal| {
                    let name = self.grammar.string(field.name);
                    fail(format!("{name} is {refusal}"), "a tuple")
                })?;
            let bit = 1u64 << number;
            open.waiting = if cursor.1 > 0 {
                open.waiting | bit
            } else {
                open.waiting & !bit
            };
        }
        Ok(())
    }

    /// Notes that an item of a field was written.
    #[inline]
    fn written(&mut self, production: &Production, open: &mut Open<S::Fields>) {
        if open.repeated & production.bit != 0 {
            let place = open.base + usize::from(production.field);
            if let Some(cursor) = self.cursors.get_mut(place) {
                cursor.0 += 1;
                if cursor.0 < cursor.1 {
                    return;
                }
            }
        }
        open.waiting &= !production.bit;
    }

    /// The first production of a state that has a value waiting, or EE.
    #[inline]
    fn choose(
        &self,
        rules: &'g State,
        open: &Open<S::Fields>,
    ) -> Option<Choice<'g, S::Value, S::Fields>> {
        if let Some(content) = self.content(&rules.lead, open) {
            return Some((0, &rules.lead, content));
        }
        let others = self.grammar.productions(rules).iter().enumerate().skip(1);
        for (code, production) in others {
            if let Some(content) = self.content(production, open) {
                return Some((code as u32, production, content));
            }
        }
        None
    }

    /// What is waiting for a production, if anything is.
    #[inline]
    fn content(
        &self,
        production: &Production,
        open: &Open<S::Fields>,
    ) -> Option<Content<S::Value, S::Fields>> {
        if open.waiting & production.bit == 0 {
            return (production.event == Event::EndElement).then_some(Content::End);
        }
        let item = self.next_item(production.field, open)?;
        if production.event == Event::StructElement {
            self.source
                .open(item, production.target)
                .map(Content::Struct)
        } else {
            Some(Content::Simple(item))
        }
    }

    /// The value of a field, or the next item of a repeated one.
    #[inline]
    fn next_item(&self, field: u8, open: &Open<S::Fields>) -> Option<S::Value> {
        if open.repeated >> field & 1 == 0 {
            return self.source.one(open.fields, u32::from(field));
        }
        let (next, _) = self.cursors.get(open.base + usize::from(field))?;
        self.source.item(open.fields, u32::from(field), *next)
    }

    /// Why no production of a state could be written.
    #[cold]
    fn stuck(&self, rules: &State, structure: &Struct, open: &Open<S::Fields>) -> Box<Error> {
        let grammar = self.grammar;
        let productions = grammar.productions(rules);
        let expected = expectation(grammar, productions);
        let waits = |field: usize| open.waiting >> field & 1 != 0;
        let name = |field: usize| {
            let entry = structure.fields.get(field);
            entry.map_or("", |entry| grammar.string(entry.name))
        };
        // A value is there for one of the productions, but it is of another class.
        for production in productions.iter().filter(|production| production.feeds()) {
            let field = usize::from(production.field);
            if !waits(field) {
                continue;
            }
            let item = self.next_item(production.field, open);
            let found = item.map_or_else(|| "nothing".into(), |item| self.source.describe(item));
            let classes = productions
                .iter()
                .filter(|other| {
                    other.event == Event::StructElement && other.field == production.field
                })
                .map(|other| other.target);
            return fail(
                format!("{} holds {found}", name(field)),
                self.class_names(classes),
            );
        }
        let left: Vec<usize> = (0..structure.fields.len())
            .filter(|&field| waits(field))
            .collect();
        // Likewise for an optional element that was passed by.
        for &field in &left {
            let classes = self.classes_of(structure, field);
            let item = self.next_item(field as u8, open);
            if let (Some(item), false) = (item, classes.is_empty()) {
                if classes
                    .iter()
                    .all(|&class| self.source.open(item, class).is_none())
                {
                    let found = self.source.describe(item);
                    let reason = format!("{} holds {found}", name(field));
                    return fail(reason, self.class_names(classes));
                }
            }
        }
        let names = left
            .iter()
            .map(|&field| name(field))
            .collect::<Vec<_>>()
            .join(", ");
        if !rules.has_end {
            let rest = if left.is_empty() {
                String::new()
            } else {
                format!(" before {names}")
            };
            return fail(format!("a required value is missing{rest}"), expected);
        }
        let begun = |&field: &usize| {
            self.cursors
                .get(open.base + field)
                .is_some_and(|cursor| cursor.0 > 0)
        };
        let reason = if left.iter().any(begun) {
            "has too many items"
        } else {
            "is set, but has no place beside the other fields that are set"
        };
        fail(format!("{names} {reason}"), expected)
    }

    /// The structs that any state of a structure puts into a field.
    fn classes_of(&self, structure: &Struct, field: usize) -> BTreeSet<u32> {
        let grammar = self.grammar;
        let mut classes = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut due = alloc::vec![structure.start];
        while let Some(index) = due.pop() {
            let Some(state) = grammar.states.get(index as usize) else {
                continue;
            };
            if !seen.insert(index) {
                continue;
            }
            for production in grammar
                .productions(state)
                .iter()
                .filter(|production| production.feeds())
            {
                if production.event == Event::StructElement
                    && usize::from(production.field) == field
                {
                    classes.insert(production.target);
                }
                let (states, count) = grammar.successors(production.next);
                due.extend(states.iter().take(count));
            }
        }
        classes
    }

    /// "A, B": the names of classes.
    fn class_names(&self, classes: impl IntoIterator<Item = u32>) -> String {
        let grammar = self.grammar;
        let entries = classes
            .into_iter()
            .filter_map(|class| grammar.structs.get(class as usize));
        let names: Vec<&str> = entries.map(|entry| grammar.string(entry.class)).collect();
        names.join(" or ")
    }
}

/// A production with its code and what it will be filled with.
type Choice<'g, V, F> = (u32, &'g Production, Content<V, F>);

/// A structure that is being written.
struct Open<F> {
    fields: F,
    /// Fields that hold something still to be written, one bit each.
    waiting: u64,
    /// Fields that are repeated, likewise.
    repeated: u64,
    /// Where its part of the cursors begins; it has none without repeated fields.
    base: usize,
}

/// What a chosen production will be filled with.
enum Content<V, F> {
    End,
    Simple(V),
    Struct(F),
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
