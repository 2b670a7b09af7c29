//! The corpus of the fuzz targets, without fuzzing: the properties hold for all of it, and for what was found with it.
#[path = "corpus/mod.rs"]
mod corpus;
#[path = "../../fuzz/src/properties.rs"]
mod properties;

use properties::Verdict;

#[test]
fn what_the_decoders_are_fuzzed_with() {
    let mut messages = 0;
    let decoders = corpus::decoders();
    assert_eq!(decoders.len(), 22);
    for decoder in decoders {
        for data in &decoder.inputs {
            let verdict = properties::of_decoder(&decoder.grammar, decoder.fragment, data);
            messages += u32::from(verdict == Verdict::Message);
        }
    }
    assert!(messages > 500, "{messages} messages");
}

#[test]
fn what_the_loader_is_fuzzed_with() {
    let inputs = corpus::inputs("tables");
    let loaded = inputs
        .iter()
        .filter(|data| properties::of_tables(data))
        .count();
    assert!(loaded >= 4, "{loaded} tables loaded");
}
