#![no_main]
iso15118_exi_fuzz::libfuzzer_sys::fuzz_target!(|data: &[u8]| iso15118_exi_fuzz::json::both_ways(
    data
));
