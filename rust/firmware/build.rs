//! Tells the linker to leave out everything but this program.
use std::env;

fn main() {
    let folder = env::var("CARGO_MANIFEST_DIR").unwrap();
    let arguments: &[&str] = match env::var("CARGO_CFG_TARGET_OS").unwrap().as_str() {
        "none" => &["-Tmps2-an386.ld"],
        _ => &["-nostdlib", "-nostartfiles", "-static", "-no-pie"],
    };
    for argument in arguments {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    println!("cargo:rustc-link-search={folder}");
    println!("cargo:rerun-if-changed=mps2-an386.ld");
}
