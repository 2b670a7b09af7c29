#![no_main]
iso15118_exi_fuzz::decoder!("app", fragment: true);
