//! Generates messages and services from `flowlore/v1` with protox, a compiler in Rust: no `protoc` is looked for.

use std::{error::Error, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let mut files: Vec<String> = fs::read_dir("flowlore/v1")?
        .map(|entry| Ok(entry?.path().to_string_lossy().into_owned()))
        .collect::<Result<_, std::io::Error>>()?;
    files.retain(|path| path.ends_with(".proto"));
    files.sort();
    println!("cargo::rerun-if-changed=flowlore/v1");
    let descriptors = protox::compile(&files, ["."])?;
    // Payloads pass through as shared buffers: a block is not copied on its way to the log.
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
