//! Generates messages and services from `flowlore/v1` with protox, a compiler in Rust: no `protoc` is looked for.
//! Beside them: the compiled description that reflection serves, and the path of every call, for counters.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let mut files: Vec<String> = fs::read_dir("flowlore/v1")?
        .map(|entry| Ok(entry?.path().to_string_lossy().into_owned()))
        .collect::<Result<_, std::io::Error>>()?;
    files.retain(|path| path.ends_with(".proto"));
    files.sort();
    println!("cargo::rerun-if-changed=flowlore/v1");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).open_files(&files)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    let descriptors = compiler.file_descriptor_set();
    let mut calls = String::from("[");
    for file in &descriptors.file {
        for service in &file.service {
            for method in &service.method {
                let (package, service) = (file.package(), service.name());
                calls.push_str(&format!("\"/{package}.{service}/{}\",", method.name()));
            }
        }
    }
    fs::write(out.join("calls.rs"), calls + "]")?;
    // Payloads pass through as shared buffers: a block is not copied on its way to the log.
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
