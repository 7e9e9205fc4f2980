//! The `waymark` binary under test: built once per test process, and run as a command.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, OnceLock, PoisonError},
    time::SystemTime,
};

/// The variable that names the directory of the faults that a test asks for.
pub const FAULTS: &str = "WAYMARK_TEST_FAULTS";

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests lie in the workspace")
}

/// Where the binary is, after it was built.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(build)
}

/// Builds the binary with the profile and into the target directory of the tests, unless `TEST_WAYMARK` names one or
/// it is newer than its sources: `cargo test --workspace` has built it already, and a build of the one package would
/// compile what both share again, with other features.
fn build() -> PathBuf {
    if let Some(path) = std::env::var_os("TEST_WAYMARK") {
        return PathBuf::from(path);
    }
    let tests = std::env::current_exe().expect("the test binary has a path");
    let profile = tests
        .parent()
        .and_then(Path::parent)
        .expect("target/<profile>/deps/<test>");
    let target = profile.parent().expect("target/<profile>");
    let built = profile.join("waymark");
    if changed(&built).is_some_and(|built| {
        ["crates", "proto", "migrations", "Cargo.lock"]
            .iter()
            .all(|source| newest(&workspace().join(source)) < Some(built))
    }) && takes_faults(&built)
    {
        return built;
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "-p", "waymark-cli"])
        .args(["--features", "waymark-server/test-access"])
        .current_dir(workspace())
        .env("CARGO_TARGET_DIR", target);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo runs");
    assert!(status.success(), "waymark does not build");
    built
}

/// Whether a binary has the faults that tests ask for. One for anybody else knows no such setting, and says so.
fn takes_faults(path: &Path) -> bool {
    let mut refused = without_settings(Command::new(path), &["migrate", "--database-url", "none"]);
    let refused = refused.env(FAULTS, "/").output().expect("waymark runs");
    !String::from_utf8_lossy(&refused.stderr).contains("test_faults")
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .ok()
}

/// When the newest file below a path was changed.
fn newest(path: &Path) -> Option<SystemTime> {
    match fs::read_dir(path) {
        Ok(entries) => entries
            .flatten()
            .filter_map(|entry| newest(&entry.path()))
            .max(),
        Err(_) => changed(path),
    }
}

/// Runs `waymark` to its end.
pub fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("waymark runs")
}

/// The command `waymark`, in an environment that has no settings of the person who runs the tests. A server listens on a
/// free port unless its arguments say another: it takes its port before it looks at anything else.
pub fn command(arguments: &[&str]) -> Command {
    without_settings(Command::new(path()), arguments)
}

/// The same in a process that may have so much memory, in MiB. The system counts what is mapped to be written.
pub fn command_within(memory_mib: u64, arguments: &[&str]) -> Command {
    let mut command = Command::new("prlimit");
    let bytes = memory_mib * 1024 * 1024;
    command.arg(format!("--data={bytes}")).arg(path());
    without_settings(command, arguments)
}

fn without_settings(mut command: Command, arguments: &[&str]) -> Command {
    for (key, _) in
        std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("WAYMARK_"))
    {
        command.env_remove(key);
    }
    command.env("WAYMARK_LISTEN", "127.0.0.1:0");
    // A directory without a configuration file.
    command.args(arguments).current_dir(std::env::temp_dir());
    command
}

/// The document of a preset, as `waymark preset show` prints it.
pub fn preset(name: &str) -> String {
    static PRESETS: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut presets = PRESETS.lock().unwrap_or_else(PoisonError::into_inner);
    presets
        .entry(name.to_owned())
        .or_insert_with(|| show(name))
        .clone()
}

fn show(name: &str) -> String {
    let output = run(&["preset", "show", name]);
    assert!(
        output.status.success(),
        "preset show {name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("a preset is text")
}
