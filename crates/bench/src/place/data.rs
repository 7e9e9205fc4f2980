//! The directory of the benchmark: databases that were filled once and are kept,
//! working copies of them, and logs.

use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// What decides how a filled database looks. Another content makes another database.
const SOURCES: [&str; 13] = [
    "migrations",
    "crates/domain/src/order",
    "crates/domain/src/judge",
    "crates/domain/src/value",
    "crates/domain/src/history",
    "crates/persistence/src/rows",
    "crates/persistence/src/schema.rs",
    "crates/bench/src/shop.rs",
    "crates/bench/src/workflow.yaml",
    "crates/bench/src/hooks.yaml",
    "crates/bench/src/listed.rs",
    "crates/bench/src/listed.yaml",
    "crates/bench/src/enlarging",
];

/// The directory.
#[derive(Debug)]
pub(crate) struct Data {
    root: PathBuf,
    waymark: PathBuf,
    key: String,
    /// Held as long as the benchmark runs, against a second one.
    _lock: File,
}

impl Data {
    /// Opens the directory `bench-data` beside the profile's directory of binaries.
    pub(crate) fn open(waymark: Option<PathBuf>, root: Option<PathBuf>) -> Result<Self, Failure> {
        let program = std::env::current_exe().map_err(Failure::io("the path of this program"))?;
        let binaries = program.parent().unwrap_or(Path::new("/"));
        let waymark = waymark.unwrap_or_else(|| binaries.join("waymark"));
        if !waymark.is_file() {
            return Err(Failure::NoWaymark { path: waymark });
        }
        let root = root.unwrap_or_else(|| reachable(binaries.with_file_name("bench-data")));
        for part in ["kept", "work", "logs"] {
            fs::create_dir_all(root.join(part)).map_err(Failure::io("the directory of data"))?;
        }
        let lock = lock(&root.join("lock"))?;
        let data = Self {
            root,
            waymark,
            key: key()?,
            _lock: lock,
        };
        data.forget_work()?;
        Ok(data)
    }

    /// The binary that is measured.
    pub(crate) fn waymark(&self) -> &Path {
        &self.waymark
    }

    /// The directory of working copies.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// The directory of the PostgreSQL server.
    pub(crate) fn cluster(&self) -> PathBuf {
        self.root.join("postgres")
    }

    /// A file for the output of a program.
    pub(crate) fn log(&self, program: &str) -> PathBuf {
        self.root.join("logs").join(format!("{program}.log"))
    }

    /// The name of a kept database of these contents, in letters that any database takes.
    pub(crate) fn kept_name(&self, contents: &str) -> String {
        format!("kept_{}_{contents}", self.key)
    }

    /// The file of a kept database.
    pub(crate) fn kept_file(&self, contents: &str) -> PathBuf {
        let name = format!("{}.db", self.kept_name(contents));
        self.root.join("kept").join(name)
    }

    /// Whether a kept database is of this version of the sources.
    pub(crate) fn is_current(&self, name: &str) -> bool {
        name.contains(&self.key)
    }

    /// Removes what an earlier run left, and what was filled by another version of the sources.
    fn forget_work(&self) -> Result<(), Failure> {
        let forget = |path: PathBuf| {
            fs::remove_file(path).map_err(Failure::io("an old file cannot be removed"))
        };
        for path in files(&self.work())? {
            forget(path)?;
        }
        for path in files(&self.root.join("logs"))? {
            forget(path)?;
        }
        for path in files(&self.root.join("kept"))? {
            if !self.is_current(&path.to_string_lossy()) {
                forget(path)?;
            }
        }
        Ok(())
    }
}

/// PostgreSQL does not run as root, so its user must get there; else a directory for
/// large temporary files is taken.
fn reachable(root: PathBuf) -> PathBuf {
    let open_to_all = |path: &Path| {
        fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
    };
    let is_root = rustix::process::geteuid().is_root();
    if !is_root || root.ancestors().skip(1).all(open_to_all) {
        return root;
    }
    let mut name = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
    name.truncate(8);
    PathBuf::from(format!("/var/tmp/waymark-bench-{name}"))
}

fn lock(path: &Path) -> Result<File, Failure> {
    let file = File::create(path).map_err(Failure::io("the lock of the directory of data"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::Running),
        Err(TryLockError::Error(source)) => Err(Failure::Io {
            what: "the lock of the directory of data",
            source,
        }),
    }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(Failure::io("a directory"))? {
        let path = entry.map_err(Failure::io("a directory"))?.path();
        if path.is_file() {
            found.push(path);
        }
    }
    Ok(found)
}

/// A short hash of what decides how a filled database looks.
fn key() -> Result<String, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut hasher = blake3::Hasher::new();
    for source in SOURCES {
        hash(&mut hasher, &root.join(source))?;
    }
    let mut key = hasher.finalize().to_hex().to_string();
    key.truncate(12);
    Ok(key)
}

fn hash(hasher: &mut blake3::Hasher, path: &Path) -> Result<(), Failure> {
    let unreadable = "the sources that decide how a filled database looks";
    if path.is_file() {
        hasher.update(&fs::read(path).map_err(Failure::io(unreadable))?);
        return Ok(());
    }
    let entries = fs::read_dir(path).map_err(Failure::io(unreadable))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Failure::io(unreadable))?;
    paths.sort();
    paths.iter().try_for_each(|path| hash(hasher, path))
}
