//! Coverage of the grammar: the engine is one loop over tables, so that its branches alone do not show how far an input got.
//!
//! Each field of each structure that a value arrived for is a counter that libFuzzer adds to those of the code.
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use iso15118_exi::decode::Refusal;
use iso15118_exi::{Builder, ByteRun};

const FIELDS: usize = 64;
const STRUCTS: usize = 512;

#[used]
#[link_section = "__libfuzzer_extra_counters"]
static REACHED: [AtomicU8; STRUCTS * FIELDS] = [const { AtomicU8::new(0) }; STRUCTS * FIELDS];

/// A builder that keeps nothing but the names of the open structures, and counts.
#[derive(Debug)]
pub struct Reached {
    open: [u32; 64],
    depth: usize,
}

impl Default for Reached {
    fn default() -> Self {
        Reached {
            open: [0; 64],
            depth: 0,
        }
    }
}

type Taken = Result<(), Refusal>;

impl Builder for Reached {
    type Value = ();

    fn boolean(&mut self, _value: bool) -> Taken {
        Ok(())
    }
    fn unsigned(&mut self, _value: u64) -> Taken {
        Ok(())
    }
    fn signed(&mut self, _value: i64) -> Taken {
        Ok(())
    }
    fn integer(&mut self, _octets: &[u8]) -> Taken {
        Ok(())
    }
    fn enumeration(&mut self, _enumeration: u32, _literal: u32) -> Taken {
        Ok(())
    }
    fn binary(&mut self, _run: ByteRun<'_>) -> Taken {
        Ok(())
    }
    fn text(&mut self, _value: &str) -> Taken {
        Ok(())
    }
    fn start(&mut self, structure: u32) -> Taken {
        self.open[self.depth] = structure;
        self.depth += 1;
        Ok(())
    }
    fn put(&mut self, field: u32, _value: ()) -> Taken {
        let structure = self.open[self.depth - 1] as usize % STRUCTS;
        let counter = &REACHED[structure * FIELDS + field as usize % FIELDS];
        counter.store(counter.load(Relaxed).saturating_add(1), Relaxed);
        Ok(())
    }
    fn finish(&mut self, _structure: u32) -> Taken {
        self.depth -= 1;
        Ok(())
    }
}
