#![no_main]
iso15118_exi_fuzz::decoder!("iso2", fragment: false);
