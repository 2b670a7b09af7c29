//! The names in the text: which elements, attributes and characters feed each field of each struct.
//! The tables have them in the productions only, so the states of every struct are walked once.
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::grammar::{Event, FieldKind, Grammar, RootContent, StringIndex};

/// Key of simple content that has attributes beside it.
pub(super) const VALUE: &str = "value";

/// What an element, an attribute or character content holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// A structure, by number.
    Struct(u32),
    /// A simple value, by number of the datatype.
    Simple(u32),
}

/// One name that feeds a field.
#[derive(Debug)]
pub(super) struct Feed {
    /// Local name; none for characters.
    local: Option<StringIndex>,
    pub content: Content,
}

impl Feed {
    pub fn key<'g>(&self, grammar: &'g Grammar) -> &'g str {
        self.local.map_or(VALUE, |index| grammar.string(index))
    }
}

/// One field of a struct.
#[derive(Debug)]
pub(super) struct FieldNames {
    pub name: StringIndex,
    pub repeated: bool,
    pub feeds: Vec<Feed>,
}

impl FieldNames {
    /// A repeated choice: its items carry their element's name each.
    pub fn is_items(&self) -> bool {
        self.repeated && self.feeds.len() > 1
    }
}

/// One struct.
#[derive(Debug)]
pub(super) struct StructNames {
    pub fields: Vec<FieldNames>,
    /// The only field is characters, so that the value stands alone.
    pub bare: bool,
}

/// All of a schema set.
#[derive(Debug)]
pub(super) struct Names {
    structs: Vec<StructNames>,
}

impl Names {
    pub fn of(grammar: &Grammar) -> Self {
        let structs = 0..grammar.structs().len();
        Names {
            structs: structs.map(|index| walk(grammar, index)).collect(),
        }
    }

    pub fn of_struct(&self, index: u32) -> Option<&StructNames> {
        self.structs.get(index as usize)
    }

    /// What a root element may hold; empty for what is refused.
    pub fn of_root(grammar: &Grammar, content: RootContent) -> Vec<Content> {
        match content {
            RootContent::Simple(datatype) => alloc::vec![Content::Simple(datatype)],
            _ => grammar
                .structs_of(content)
                .into_iter()
                .map(Content::Struct)
                .collect(),
        }
    }
}

fn walk(grammar: &Grammar, index: usize) -> StructNames {
    let Some(entry) = grammar.structs().get(index) else {
        return StructNames {
            fields: Vec::new(),
            bare: false,
        };
    };
    let mut fields: Vec<FieldNames> = entry
        .fields
        .iter()
        .map(|field| FieldNames {
            name: field.name,
            repeated: field.repeated,
            feeds: Vec::new(),
        })
        .collect();
    let mut seen = BTreeSet::new();
    let mut due = alloc::vec![entry.start];
    while let Some(number) = due.pop() {
        let Some(state) = grammar.states.get(number as usize) else {
            continue;
        };
        if !seen.insert(number) {
            continue;
        }
        for production in grammar.productions(state) {
            if !production.feeds() {
                continue;
            }
            let feed = Feed {
                local: (production.event != Event::Characters).then_some(production.name),
                content: match production.event {
                    Event::StructElement => Content::Struct(production.target),
                    _ => Content::Simple(production.target),
                },
            };
            if let Some(field) = fields.get_mut(usize::from(production.field)) {
                if field.feeds.iter().all(|known| known.local != feed.local) {
                    field.feeds.push(feed);
                }
            }
            let (states, count) = grammar.successors(production.next);
            due.extend(states.iter().take(count));
        }
    }
    let bare = matches!(&entry.fields[..], [only] if only.kind == FieldKind::Text);
    StructNames { fields, bare }
}
