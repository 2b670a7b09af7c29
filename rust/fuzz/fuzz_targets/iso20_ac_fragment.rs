#![no_main]
iso15118_exi_fuzz::decoder!("iso20-ac", fragment: true);
