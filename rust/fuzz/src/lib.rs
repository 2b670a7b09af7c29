//! What every fuzz target does: one macro for the decoder of a schema set, one for the loader of tables.
//!
//! The properties are in `properties.rs`, which the tests of the engine use as well; memory and reach are watched here.
pub mod json;
pub mod memory;
pub mod properties;
pub mod reached;

pub use libfuzzer_sys;

/// The decoder of a schema set (`$set` names its tables), of documents or of fragments.
#[macro_export]
macro_rules! decoder {
    ($set:literal, fragment: $fragment:literal) => {
        static GRAMMAR: std::sync::LazyLock<iso15118_exi::Grammar> =
            std::sync::LazyLock::new(|| {
                let tables =
                    include_bytes!(concat!("../../../iso15118/exi/tables/", $set, ".exig"));
                iso15118_exi::Grammar::load(tables).unwrap()
            });

        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            $crate::memory::of_reading(&GRAMMAR, $fragment, data);
            $crate::properties::of_decoder(&GRAMMAR, $fragment, data);
        });
    };
}
