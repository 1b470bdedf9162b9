//! Generates messages and services from `flowlore/v1` with protox, a compiler in Rust: no `protoc` is looked for.
//! Beside them: the compiled description that reflection serves, and the path of every call, for counters.

use std::{env, error::Error, fs, path::PathBuf};

use protox::prost_reflect::prost_types::{FileDescriptorSet, field_descriptor_proto::Type};

/// Parts of answers that this project's two ends keep as they stand on the wire: the node joins parts that it made
/// before, and the reader opens what it shows. The two are one encoding (protobuf's guide, "updating a message type":
/// an embedded message is compatible with bytes that hold it), so that others read them as the messages that they are.
const ENCODED: [(&str, &str); 4] =
    [("Answer", "query"), ("Answer", "shared"), ("Shared", "host"), ("Shared", "site")];

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
    let mut descriptors = compiler.file_descriptor_set();
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
    keep_encoded(&mut descriptors);
    tonic_prost_build::configure()
        .bytes(".")
        .extern_path(".flowlore.v1.Answers", "crate::answers::Answers")
        .compile_fds(descriptors)?;
    Ok(())
}

fn keep_encoded(descriptors: &mut FileDescriptorSet) {
    for message in descriptors.file.iter_mut().flat_map(|file| &mut file.message_type) {
        let name = message.name().to_owned();
        for field in &mut message.field {
            if ENCODED.contains(&(&name, field.name())) {
                field.set_type(Type::Bytes);
                field.type_name = None;
            }
        }
    }
}
