#![no_main]
iso15118_exi_fuzz::decoder!("iso20-dc", fragment: false);
