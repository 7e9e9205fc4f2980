//! A certificate for `localhost` that nobody trusts unless told to.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

pub(crate) struct Certificate {
    pub(crate) pem: String,
    pub(crate) file: PathBuf,
    pub(crate) key_file: PathBuf,
    _folder: TempDir,
}

pub(crate) fn for_localhost() -> Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("certificate.pem");
    let key_file = folder.path().join("key.pem");
    fs::write(&file, made.cert.pem()).unwrap();
    fs::write(&key_file, made.signing_key.serialize_pem()).unwrap();
    Certificate {
        pem: made.cert.pem(),
        file,
        key_file,
        _folder: folder,
    }
}
