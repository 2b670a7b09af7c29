//! The walk over the states: message, root, structures, and what comes after the end.
use alloc::boxed::Box;
use alloc::format;

use super::{Builder, Decoder, Note, HEADER};
use crate::error::{Error, Result};
use crate::grammar::{expectation, Event, Next, Production, RootContent, State};
use crate::second_level::Phase;

impl<B: Builder> Decoder<'_, '_, '_, B> {
    pub(super) fn message(&mut self) -> Result<(B::Value, usize)> {
        let header = self.bits(8)?;
        if header != u32::from(HEADER) {
            return Err(Error::new(
                format!("header octet 0x{header:02x}"),
                "0x80",
                Some(0),
            ));
        }
        let grammar = self.grammar;
        let fragment = self.options.fragment;
        let roots = if fragment {
            &grammar.fragment
        } else {
            &grammar.document
        };
        let at = self.reader.position();
        let code = self.bits(roots.width)? as usize;
        let Some(root) = roots.roots.get(code) else {
            let found = match code - roots.roots.len() {
                0 => "an undeclared root element".into(),
                1 if fragment => "an empty fragment".into(),
                _ => format!("root element code {code}"),
            };
            return Err(Error::new(
                found,
                format!("a code below {}", roots.roots.len()),
                Some(at),
            ));
        };
        let name = grammar.string(root.local);
        let value = match root.content {
            RootContent::Struct(index) => self.structure(index, None, self.options.max_depth),
            RootContent::Relaxed(first, count) => self.relaxed(first, count),
            RootContent::Simple(index) => self.simple_element(index),
            RootContent::Unusable => Err(Error::new(
                "an element without a type of its own",
                "",
                Some(at),
            )),
        }
        .map_err(|error| error.inside(name, None))?;
        if fragment {
            let at = self.reader.position();
            let end = self.bits(roots.width)? as usize;
            if end != roots.roots.len() + 1 {
                return Err(Error::new(
                    format!("code {end} after the element"),
                    "the end of the fragment",
                    Some(at),
                ));
            }
        }
        self.tail()?;
        Ok((value, code))
    }

    /// What comes after the end: padding, and octets that some peers append.
    fn tail(&mut self) -> Result<()> {
        let at = self.reader.position();
        if !self.reader.align() {
            if self.options.strict {
                return Err(Error::new(
                    "padding that is not zero",
                    "zero bits",
                    Some(at),
                ));
            }
            self.note(Note::Padding);
        }
        let left = self.reader.remaining() / 8;
        if left > 0 {
            if self.options.strict {
                let at = self.reader.position();
                return Err(Error::new(
                    format!("{left} octets after the end"),
                    "the end of the stream",
                    Some(at),
                ));
            }
            self.note(Note::TrailingOctets(left));
        }
        Ok(())
    }

    /// A root that may be one of several structs: the one whose start state makes use of the code that follows.
    #[cold]
    fn relaxed(&mut self, first: u32, count: u32) -> Result<B::Value> {
        let grammar = self.grammar;
        let choices = grammar.relaxed(first, count);
        let uses = |start: u32| {
            let rules = grammar.states.get(start as usize)?;
            let code = self.reader.clone().bits(u32::from(rules.width)).ok()?;
            grammar.productions(rules).get(code as usize)
        };
        let used = choices
            .iter()
            .find(|one| uses(one.start).is_some_and(Production::feeds));
        match used {
            Some(one) => self.structure(one.structure, Some(one.start), self.options.max_depth),
            None if choices.is_empty() => {
                Err(self.error("an element without a type of its own", ""))
            }
            None => Err(self.error(
                "something that none of the types of this name begins with",
                {
                    let starts = choices
                        .iter()
                        .filter_map(|one| grammar.states.get(one.start as usize));
                    expectation(grammar, starts.flat_map(|rules| grammar.productions(rules)))
                },
            )),
        }
    }

    /// `start` is where a relaxed root begins; all others begin where their struct says.
    fn structure(&mut self, index: u32, start: Option<u32>, depth: u32) -> Result<B::Value> {
        let grammar = self.grammar;
        let (Some(depth), Some(structure)) =
            (depth.checked_sub(1), grammar.structs.get(index as usize))
        else {
            let most = self.options.max_depth;
            return Err(self.error(
                "elements nested too deeply",
                format!("{most} levels at most"),
            ));
        };
        self.count_element()?;
        self.builder
            .start(index)
            .map_err(|refusal| self.error(refusal, ""))?;
        let mut state = start.unwrap_or(structure.start);
        let mut phase = Phase::Start;
        let mut counter = 0u32;
        loop {
            let Some(rules) = grammar.states.get(state as usize) else {
                return Err(self.error("more items than the array may hold", ""));
            };
            let at = self.reader.position();
            let code = self.bits(u32::from(rules.width))?;
            let production = if code == 0 {
                &rules.lead
            } else {
                match grammar
                    .productions
                    .get(rules.first as usize + code as usize)
                {
                    Some(production) if code < u32::from(rules.count) => production,
                    _ => {
                        self.escape(rules, code, at, phase)?;
                        break;
                    }
                }
            };
            // Compared one by one: a jump through a table is predicted badly here.
            let event = production.event;
            let value = if event == Event::SimpleElement {
                self.simple_element(production.target)
            } else if event == Event::StructElement {
                self.structure(production.target, None, depth)
            } else if event == Event::EndElement {
                break;
            } else if event == Event::AbstractElement {
                let next = self.empty_abstract(production, rules, at)?;
                let (next, taken) = self.advance(next, counter);
                phase = Phase::Content;
                state = next;
                counter = taken.unwrap_or(0);
                continue;
            } else {
                self.other_value(production, rules, at)
            };
            let (next, taken) = self.advance(production.next, counter);
            let value = match value {
                Ok(value) => value,
                Err(error) if event == Event::Characters || !production.feeds() => {
                    return Err(error)
                }
                Err(error) => return Err(error.inside(grammar.string(production.name), taken)),
            };
            self.builder
                .put(u32::from(production.field), value)
                .map_err(|refusal| self.error(refusal, ""))?;
            phase = if production.event == Event::Attribute {
                Phase::Attributes
            } else {
                Phase::Content
            };
            state = next;
            counter = taken.unwrap_or(0);
        }
        self.builder
            .finish(index)
            .map_err(|refusal| self.error(refusal, ""))
    }

    #[inline]
    pub(super) fn count_element(&mut self) -> Result<()> {
        match self.elements.checked_sub(1) {
            Some(left) => {
                self.elements = left;
                Ok(())
            }
            None => Err(self.error(
                "too many elements",
                format!("{} at most", self.options.max_elements),
            )),
        }
    }

    /// The state after an arc, and how often a counted arc has now been taken.
    #[inline]
    fn advance(&mut self, next: Next, counter: u32) -> (u32, Option<u32>) {
        match next {
            Next::State(state) => (state, None),
            Next::Loop(index) => {
                let Some(entry) = self.grammar.loops.get(index as usize) else {
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
                } else if self.options.open_arrays
                    && count == entry.max
                    && entry.within != entry.at_max
                {
                    self.note(Note::OpenArray(self.reader.position()));
                    entry.within
                } else if count == entry.max {
                    entry.at_max
                } else {
                    u32::MAX
                };
                (state, Some(count))
            }
        }
    }

    /// Attributes and text content; and what only holds a code.
    #[inline(never)]
    fn other_value(
        &mut self,
        production: &Production,
        rules: &State,
        at: usize,
    ) -> Result<B::Value> {
        match production.event {
            Event::Attribute | Event::Characters => self.simple_value(production.target),
            _ => Err(self.unusable(production, rules, at)),
        }
    }

    /// Some chargers write the abstract head of a substitution group as an empty element where they have nothing to say: EE, the
    /// first of two codes in the state of a type without content. It goes on as behind the members of the group.
    #[cold]
    fn empty_abstract(
        &mut self,
        production: &Production,
        rules: &State,
        at: usize,
    ) -> Result<Next> {
        let mut members = self
            .grammar
            .productions(rules)
            .iter()
            .filter(|one| one.event == Event::StructElement)
            .map(|one| (one.field, one.next));
        // The tables do not say which members a head has: where the state has those of one group only, that is no question.
        let next = members
            .next()
            .filter(|first| members.all(|one| one == *first));
        match next {
            Some((_, next)) if self.bits(1)? == 0 => {
                self.count_element()?;
                self.note(Note::EmptyAbstract(at));
                Ok(next)
            }
            _ => Err(self.unusable(production, rules, at)),
        }
    }

    #[cold]
    fn unusable(&self, production: &Production, rules: &State, at: usize) -> Box<Error> {
        let name = self.grammar.string(production.name);
        let reason = match production.event {
            Event::AbstractElement => format!("the abstract element {name}"),
            Event::WildcardElement => format!("an undeclared element ({name}) is not supported"),
            _ => "text between elements is not supported".into(),
        };
        Error::new(
            reason,
            expectation(self.grammar, self.grammar.productions(rules)),
            Some(at),
        )
    }
}
