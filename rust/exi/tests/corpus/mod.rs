//! The decoders that there are fuzz targets for, with the inputs kept for each.
#![allow(dead_code)] // each test file uses its own part

use std::fs;
use std::path::{Path, PathBuf};

use iso15118_exi::Grammar;

/// A schema set, as documents or as fragments.
pub struct Decoder {
    pub name: String,
    pub grammar: Grammar,
    pub fragment: bool,
    pub inputs: Vec<Vec<u8>>,
}

/// One for each target in rust/fuzz that decodes.
pub fn decoders() -> Vec<Decoder> {
    let targets = fs::read_dir(root().join("rust/fuzz/fuzz_targets")).unwrap();
    let mut found: Vec<Decoder> = targets
        .filter_map(|target| decoder(&target.unwrap().path()))
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn decoder(target: &Path) -> Option<Decoder> {
    let name = target.file_stem().unwrap().to_str().unwrap().to_owned();
    // decoder!("iso20-dc", fragment: true);
    let source = fs::read_to_string(target).unwrap();
    let (_, order) = source.split_once("decoder!(\"")?;
    let (set, fragment) = order.split_once("\", fragment: ").unwrap();
    let tables = fs::read(root().join(format!("iso15118/exi/tables/{set}.exig"))).unwrap();
    Some(Decoder {
        grammar: Grammar::load(&tables).unwrap(),
        fragment: fragment.starts_with("true"),
        inputs: inputs(&name),
        name,
    })
}

/// The inputs kept for a target: each line as octets; a line that begins with `#` is a comment.
pub fn inputs(target: &str) -> Vec<Vec<u8>> {
    let octets = |line: &str| {
        let pairs = (0..line.len() / 2).map(|at| u8::from_str_radix(&line[at * 2..at * 2 + 2], 16));
        pairs.collect::<Result<Vec<u8>, _>>().unwrap()
    };
    let text = fs::read_to_string(root().join(format!("rust/fuzz/corpus/{target}.hex"))).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(octets)
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
