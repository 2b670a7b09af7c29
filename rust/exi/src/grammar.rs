//! A grammar in memory: what the tables say, with widths worked out and every index known to be good.
//!
//! The types are plain data, made by `load.rs` only; `decode.rs` and `encode.rs` walk them.
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::datatype::Datatype;
use crate::error::TableError;

/// All that the engine knows of one schema set.
#[derive(Debug)]
pub struct Grammar {
    pub(crate) name: Box<str>,
    pub(crate) strings: Vec<Box<str>>,
    pub(crate) datatypes: Vec<Datatype>,
    pub(crate) enumerations: Vec<Enumeration>,
    pub(crate) structs: Vec<Struct>,
    pub(crate) states: Vec<State>,
    pub(crate) productions: Vec<Production>,
    pub(crate) loops: Vec<Loop>,
    pub(crate) document: Roots,
    pub(crate) fragment: Roots,
    pub(crate) relaxed: Vec<Relaxed>,
}

/// One of the structs that a relaxed root may be, with the state it starts in there.
#[derive(Debug, Clone, Copy)]
pub struct Relaxed {
    /// Number of the struct.
    pub structure: u32,
    pub(crate) start: u32,
}

impl Grammar {
    /// Reads and validates tables (`TABLES.md`).
    ///
    /// # Errors
    /// [`TableError`] if they are not of format 1 or break one of its rules.
    pub fn load(tables: &[u8]) -> Result<Grammar, TableError> {
        crate::load::load(tables)
    }

    /// Name of the schema set, e.g. `iso20-dc`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The enumerations, in the order that [`Builder::enumeration`](crate::Builder::enumeration) refers to.
    #[must_use]
    pub fn enumerations(&self) -> &[Enumeration] {
        &self.enumerations
    }

    /// The message structures.
    #[must_use]
    pub fn structs(&self) -> &[Struct] {
        &self.structs
    }

    /// The root elements: of documents, or of fragments.
    #[must_use]
    pub fn roots(&self, fragment: bool) -> &[Root] {
        if fragment {
            &self.fragment.roots
        } else {
            &self.document.roots
        }
    }

    /// The structs that a root element may be; none for a bare value and for what is refused.
    #[must_use]
    pub fn structs_of(&self, content: RootContent) -> Vec<u32> {
        match content {
            RootContent::Struct(index) => alloc::vec![index],
            RootContent::Relaxed(first, count) => self
                .relaxed(first, count)
                .iter()
                .map(|one| one.structure)
                .collect(),
            RootContent::Simple(_) | RootContent::Unusable => Vec::new(),
        }
    }

    pub(crate) fn relaxed(&self, first: u32, count: u32) -> &[Relaxed] {
        let (first, count) = (first as usize, count as usize);
        self.relaxed
            .get(first..first.saturating_add(count))
            .unwrap_or(&[])
    }

    /// A string of the pool.
    #[must_use]
    pub fn string(&self, index: StringIndex) -> &str {
        self.strings.get(index.0 as usize).map_or("", |s| s)
    }

    pub(crate) fn productions(&self, state: &State) -> &[Production] {
        let first = state.first as usize;
        self.productions
            .get(first..first + state.count as usize)
            .unwrap_or(&[])
    }

    /// The states a `next` may lead to, and how many of them count. A state of a loop that no count leads to is left out.
    pub(crate) fn successors(&self, next: Next) -> ([u32; 3], usize) {
        let mut states = [0; 3];
        let mut count = 0;
        let mut add = |state| {
            states[count] = state;
            count += 1;
        };
        match next {
            Next::State(state) => add(state),
            Next::Loop(index) => {
                if let Some(entry) = self.loops.get(index as usize) {
                    let lowest = if entry.entering { 1 } else { 2 };
                    if lowest < entry.min {
                        add(entry.below);
                    }
                    if lowest.max(entry.min) < entry.max {
                        add(entry.within);
                    }
                    if entry.max != u32::MAX {
                        add(entry.at_max);
                    }
                }
            }
        }
        (states, count)
    }
}

/// Index in the string pool; look it up with [`Grammar::string`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StringIndex(pub(crate) u32);

/// A named list of literals.
#[derive(Debug)]
pub struct Enumeration {
    /// Python module of the class.
    pub module: StringIndex,
    /// Name of the class.
    pub class: StringIndex,
    /// Literals in schema order.
    pub literals: Vec<StringIndex>,
}

/// A complex type as a message structure.
#[derive(Debug)]
pub struct Struct {
    /// Python module of the class.
    pub module: StringIndex,
    /// Name of the class.
    pub class: StringIndex,
    /// Name of the schema type.
    pub type_name: StringIndex,
    /// Its fields; productions and builders refer to them by position.
    pub fields: Vec<Field>,
    pub(crate) start: u32,
    /// The repeated fields, one bit each.
    pub(crate) repeated: u64,
}

/// Where the content of a field comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// An element or several.
    Element,
    /// An attribute.
    Attribute,
    /// Character content.
    Text,
}

/// One field of a message structure.
#[derive(Debug)]
pub struct Field {
    /// Attribute name in the class.
    pub name: StringIndex,
    /// Local name in XML.
    pub local: StringIndex,
    /// Namespace in XML.
    pub uri: StringIndex,
    /// Element, attribute or text.
    pub kind: FieldKind,
    /// Absent is None.
    pub optional: bool,
    /// A tuple, possibly empty, never None.
    pub repeated: bool,
}

/// Productions in event-code order; the code after the last is the escape to the second level.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    pub first: u32,
    pub count: u16,
    pub width: u8,
    pub has_end: bool,
    /// A copy of the first production. Most states have no other; found without the code, it is there before the code
    /// is, and the processor goes on with it while the bits are still on their way.
    pub lead: Production,
}

/// What a production stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    EndElement,
    Attribute,
    Characters,
    SimpleElement,
    StructElement,
    AbstractElement,
    WildcardElement,
    UntypedCharacters,
}

/// One arc of the grammar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Production {
    pub event: Event,
    pub field: u8,
    /// The field as one bit of 64; none if this feeds no field.
    pub bit: u64,
    /// Local name; the URI of a wildcard.
    pub name: StringIndex,
    /// Datatype, or struct for `StructElement`.
    pub target: u32,
    pub next: Next,
}

impl Production {
    /// Whether it puts something into a field.
    #[inline]
    pub fn feeds(&self) -> bool {
        self.bit != 0
    }
}

/// Where an arc leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    State(u32),
    Loop(u32),
}

/// A counted arc: the state depends on how often it was taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loop {
    pub entering: bool,
    pub min: u32,
    /// `u32::MAX` for unbounded.
    pub max: u32,
    pub below: u32,
    pub within: u32,
    pub at_max: u32,
}

/// What a root element holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootContent {
    /// A message structure.
    Struct(u32),
    /// A bare simple value.
    Simple(u32),
    /// Several types under one name, or an abstract type: refused by name.
    Unusable,
    /// Several structs under one name, each with a start state for fragments: a run of [`Grammar::relaxed`].
    Relaxed(u32, u32),
}

/// A root element.
#[derive(Debug)]
pub struct Root {
    /// Local name.
    pub local: StringIndex,
    /// Namespace.
    pub uri: StringIndex,
    /// Its type.
    pub content: RootContent,
}

/// The roots of the document or the fragment grammar in code order.
#[derive(Debug)]
pub(crate) struct Roots {
    pub roots: Vec<Root>,
    pub width: u32,
    /// Struct index -> code of the first root that holds it.
    pub by_struct: Vec<Option<u32>>,
}

/// "EVCCID, EVSEID or end of element": what `productions` would have allowed, each once. Undeclared elements are left out,
/// because none is ever accepted.
pub(crate) fn expectation<'a>(
    grammar: &Grammar,
    productions: impl IntoIterator<Item = &'a Production>,
) -> String {
    let mut named: Vec<(&str, &str)> = Vec::new();
    for production in productions {
        let name = grammar.string(production.name);
        let one = match production.event {
            Event::EndElement => ("end of element", ""),
            Event::Attribute => ("attribute ", name),
            Event::Characters | Event::UntypedCharacters => ("text", ""),
            Event::SimpleElement | Event::StructElement | Event::AbstractElement => ("", name),
            Event::WildcardElement => continue,
        };
        if !named.contains(&one) {
            named.push(one);
        }
    }
    let mut text = String::new();
    let shown = named.len().min(12);
    for (index, (head, tail)) in named.iter().take(shown).enumerate() {
        if index > 0 {
            text.push_str(if index + 1 == named.len() {
                " or "
            } else {
                ", "
            });
        }
        text.push_str(head);
        text.push_str(tail);
    }
    if shown < named.len() {
        text.push_str(&alloc::format!(" or {} more", named.len() - shown));
    }
    text
}
