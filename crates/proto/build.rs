//! Compiles the contract: Rust code for messages, clients and servers, and the descriptors that reflection shows.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost_types::FileDescriptorSet;

#[path = "build/shapes.rs"]
mod shapes;

/// The file of the descriptors in `OUT_DIR`, which `src/lib.rs` includes.
const DESCRIPTORS: &str = "waymark_descriptor.bin";

/// The directory in `OUT_DIR` for the servers; see `src/servers.rs`.
const SERVERS: &str = "servers";

/// The file of the shapes of messages in `OUT_DIR`; see `src/shape.rs`.
const SHAPES: &str = "shapes.rs";

/// Messages that servers take or give in part as bytes, and their place in Rust; see `src/encoded.rs`.
const ENCODED: [(&str, &str); 3] = [
    (
        ".waymark.v1.StreamHistoryResponse",
        "crate::encoded::HistoryMessage",
    ),
    (
        ".waymark.v1.WatchHistoryResponse",
        "crate::encoded::HistoryMessage",
    ),
    (
        ".waymark.v1.ExecuteStepsRequest",
        "crate::encoded::StepsMessage",
    ),
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let package = root.join("waymark/v1");
    // The directory too, so that a new file is seen.
    println!("cargo::rerun-if-changed={}", package.display());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/shapes.rs");
    let files = proto_files(&package)?;
    for file in &files {
        println!("cargo::rerun-if-changed={}", file.display());
    }

    let mut compiler = protox::Compiler::new([&root])?;
    // Comments go along: they become docs here, and `grpcurl describe` shows them. Imports make the set complete.
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(&files)?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::write(out.join(DESCRIPTORS), compiler.encode_file_descriptor_set())?;

    tonic_prost_build::configure()
        .build_server(false)
        // Sorted maps encode equally each time, so a payload has one fingerprint.
        .btree_map(".")
        // Few entries carry a whole order; the others should not be as large as if they did.
        .boxed(".waymark.v1.OrderCreated.order")
        .emit_rerun_if_changed(false)
        .compile_fds(compiler.file_descriptor_set())?;
    let shapes = shapes::write(&compiler.file_descriptor_set())?;
    fs::write(out.join(SHAPES), shapes)?;
    compile_servers(&out, compiler.file_descriptor_set())
}

/// Generates the servers, apart from the clients: they weigh what they decode, and some of their messages are bytes in
/// part.
fn compile_servers(out: &Path, descriptors: FileDescriptorSet) -> Result<(), Box<dyn Error>> {
    let out = out.join(SERVERS);
    fs::create_dir_all(&out)?;
    let mut builder = tonic_prost_build::configure()
        .build_client(false)
        .codec_path("crate::codec::Weighed")
        .extern_path(".waymark.v1", "crate::v1");
    for (name, path) in ENCODED {
        builder = builder.extern_path(name, path);
    }
    builder
        .out_dir(out)
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}

/// Lists the `.proto` files of a directory by name.
fn proto_files(directory: &Path) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
