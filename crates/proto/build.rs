//! Compiles the contract: Rust code for messages, clients and servers, and the descriptors that reflection shows.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the descriptors go in `OUT_DIR`, and where `src/lib.rs` finds them.
const DESCRIPTORS: &str = "waymark_descriptor.bin";

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
