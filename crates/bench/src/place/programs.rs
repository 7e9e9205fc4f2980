//! The programs of PostgreSQL, and the user as whom they run.

use std::{
    ffi::OsStr,
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::failure::Failure;

const NEEDED: [&str; 5] = ["initdb", "postgres", "pg_isready", "pg_dump", "pgbench"];

/// The programs of one version of PostgreSQL.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    directory: PathBuf,
    /// PostgreSQL refuses to run as root, so there it runs as its own user.
    owner: Option<(u32, u32)>,
}

impl Programs {
    /// Finds the newest that are installed.
    pub(crate) fn find() -> Result<Self, Failure> {
        let directory = candidates()
            .into_iter()
            .find(|directory| NEEDED.iter().all(|name| directory.join(name).is_file()));
        Ok(Self {
            directory: directory.ok_or(Failure::NoPostgres)?,
            owner: owner()?,
        })
    }

    /// The path of a program.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The user and group that own a cluster, if not those of this process.
    pub(crate) fn owner(&self) -> Option<(u32, u32)> {
        self.owner
    }

    /// A command that runs as the owner of a cluster.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/");
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

fn candidates() -> Vec<PathBuf> {
    let asked = Command::new("pg_config").arg("--bindir").output().ok();
    let asked = asked.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions = versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect::<Vec<_>>();
    versions.sort_by_key(|bin| std::cmp::Reverse(version(bin)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).collect::<Vec<_>>();
    asked.into_iter().chain(versions).chain(on_path).collect()
}

/// The version in `…/<version>/bin`; what is not a number comes last.
fn version(bin: &Path) -> Option<u32> {
    bin.parent()?.file_name()?.to_str()?.parse().ok()
}

/// The user `postgres`, when this process is root.
fn owner() -> Result<Option<(u32, u32)>, Failure> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").map_err(Failure::io("no list of users"))?;
    let fields = users
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .map(|line| line.split(':').skip(2).map(str::parse::<u32>));
    let mut fields = fields.ok_or(Failure::NoPostgres)?;
    match (fields.next(), fields.next()) {
        (Some(Ok(user)), Some(Ok(group))) => Ok(Some((user, group))),
        _ => Err(Failure::NoPostgres),
    }
}
