//! Prints the C header that cbindgen makes of the sources of `rust/c-abi`.
use std::io::Write;
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let bindings = cbindgen::Builder::new()
        .with_config(cbindgen::Config::from_file(folder.join("cbindgen.toml"))?)
        .with_src(folder.join("src/lib.rs"))
        .generate()?;
    let mut header = Vec::new();
    bindings.write(&mut header);
    std::io::stdout().write_all(&header)?;
    Ok(())
}
