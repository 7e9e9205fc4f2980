//! Compiles the contract: Rust code for messages, clients and servers, and the descriptors that reflection shows.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost_types::FileDescriptorSet;

/// Where the descriptors go in `OUT_DIR`, and where `src/lib.rs` finds them.
const DESCRIPTORS: &str = "waymark_descriptor.bin";

/// The directory in `OUT_DIR` for the service whose messages hold entries as bytes; see `src/encoded.rs`.
const ENCODED: &str = "encoded";

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let package = root.join("waymark/v1");
    // The directory too, so that a new file is seen.
    println!("cargo::rerun-if-changed={}", package.display());
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
        // Sorted maps encode equally each time, so a payload has one fingerprint.
        .btree_map(".")
        // Few entries carry a whole order; the others should not be as large as if they did.
        .boxed(".waymark.v1.OrderCreated.order")
        .emit_rerun_if_changed(false)
        .compile_fds(compiler.file_descriptor_set())?;
    compile_encoded(&out, compiler.file_descriptor_set())
}

/// Generates the server of `HistoryService` once more, with streams of messages whose entries are bytes already.
fn compile_encoded(out: &Path, mut descriptors: FileDescriptorSet) -> Result<(), Box<dyn Error>> {
    for file in &mut descriptors.file {
        file.service
            .retain(|service| service.name() == "HistoryService");
    }
    let out = out.join(ENCODED);
    fs::create_dir_all(&out)?;
    tonic_prost_build::configure()
        .build_client(false)
        .extern_path(".waymark.v1", "crate::v1")
        .extern_path(
            ".waymark.v1.StreamHistoryResponse",
            "crate::encoded::HistoryMessage",
        )
        .extern_path(
            ".waymark.v1.WatchHistoryResponse",
            "crate::encoded::HistoryMessage",
        )
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
