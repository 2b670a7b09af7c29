#![no_main]
iso15118_exi_fuzz::decoder!("din", fragment: false);
