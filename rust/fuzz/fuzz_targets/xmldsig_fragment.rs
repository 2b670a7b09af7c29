#![no_main]
iso15118_exi_fuzz::decoder!("xmldsig-fragment", fragment: true);
