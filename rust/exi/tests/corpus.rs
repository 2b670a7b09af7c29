//! The corpus of the fuzz targets, without fuzzing: the properties hold for all of it, and for what was found with it.
#[path = "../../fuzz/src/properties.rs"]
mod properties;

use std::fs;
use std::path::{Path, PathBuf};

use iso15118_exi::Grammar;
use properties::Verdict;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Each line of a file as octets; a line that begins with `#` is a comment.
fn inputs(path: &Path) -> Vec<Vec<u8>> {
    let octets = |line: &str| {
        let pairs = (0..line.len() / 2).map(|at| u8::from_str_radix(&line[at * 2..at * 2 + 2], 16));
        pairs.collect::<Result<Vec<u8>, _>>().unwrap()
    };
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(octets)
        .collect()
}

#[test]
fn what_the_decoders_are_fuzzed_with() {
    let (mut files, mut messages) = (0, 0);
    for target in fs::read_dir(root().join("rust/fuzz/fuzz_targets")).unwrap() {
        let source = fs::read_to_string(target.as_ref().unwrap().path()).unwrap();
        let name = target.unwrap().file_name().into_string().unwrap();
        let name = name.trim_end_matches(".rs");
        // decoder!("iso20-dc", fragment: true);
        let Some((_, order)) = source.split_once("decoder!(\"") else {
            continue;
        };
        let (set, fragment) = order.split_once("\", fragment: ").unwrap();
        let tables = root().join(format!("iso15118/exi/tables/{set}.exig"));
        let grammar = Grammar::load(&fs::read(tables).unwrap()).unwrap();
        for data in inputs(&root().join(format!("rust/fuzz/corpus/{name}.hex"))) {
            let verdict = properties::of_decoder(&grammar, fragment.starts_with("true"), &data);
            messages += u32::from(verdict == Verdict::Message);
        }
        files += 1;
    }
    assert_eq!(files, 22);
    assert!(messages > 500, "{messages} messages");
}

#[test]
fn what_the_loader_is_fuzzed_with() {
    let inputs = inputs(&root().join("rust/fuzz/corpus/tables.hex"));
    let loaded = inputs
        .iter()
        .filter(|data| properties::of_tables(data))
        .count();
    assert!(loaded >= 4, "{loaded} tables loaded");
}
