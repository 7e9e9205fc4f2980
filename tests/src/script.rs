//! Commands of the documentation, run in `sh` as a reader would type them.

use std::{
    env,
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{Server, binary};

/// The address for which the pages are written.
const WRITTEN: &str = "127.0.0.1:50551";

/// How many seconds a script may take, on a machine that compiles as well.
const SECONDS_MAX: &str = "300";

/// Runs commands as one script against a server, in a directory, and gives what they printed.
///
/// # Panics
/// Panics at the first command that fails, with all that was printed.
pub fn run(server: &Server, directory: &Path, commands: &str) -> String {
    run_with(server, directory, commands, &[])
}

/// The same with folders in which programs are looked for before all others.
///
/// # Panics
/// Panics at the first command that fails, with all that was printed.
pub fn run_with(server: &Server, directory: &Path, commands: &str, folders: &[PathBuf]) -> String {
    let mut path = folders.to_vec();
    path.push(folder(&grpcurl()).to_owned());
    path.push(folder(binary::path()).to_owned());
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let script = commands.replace(WRITTEN, &server.address().to_string());
    let file = |name: &str| directory.join(name);
    fs::write(file("script.sh"), format!("set -eu\n{script}\n")).expect("the script is written");
    // Into files: a command that is left running would keep a pipe open.
    let mut child = Command::new("timeout")
        .args([SECONDS_MAX, "sh", "-x", "script.sh"])
        .current_dir(directory)
        .env(
            "PATH",
            env::join_paths(path).expect("folders without colons"),
        )
        .env("WAYMARK_SERVER", format!("http://{}", server.address()))
        // A proxy of the person who runs the tests does not see this machine's own ports.
        .env("NO_PROXY", "*")
        .env("no_proxy", "*")
        .stdin(Stdio::null())
        .stdout(File::create(file("printed")).expect("a file"))
        .stderr(File::create(file("complaints")).expect("a file"))
        .process_group(0)
        .spawn()
        .expect("sh runs");
    let group = Pid::from_child(&child);
    let status = child.wait().expect("a child can be waited for");
    // Ends what the script left running; an error means that nothing was.
    let _ = kill_process_group(group, Signal::KILL);
    let printed = fs::read_to_string(file("printed")).expect("it was made");
    let complaints = fs::read_to_string(file("complaints")).expect("it was made");
    assert!(status.success(), "{printed}\n{complaints}");
    printed
}

fn folder(program: &Path) -> &Path {
    program.parent().expect("a program lies in a folder")
}

/// Where grpcurl is, after it was installed if it had to be.
fn grpcurl() -> PathBuf {
    let found = find("grpcurl");
    found.unwrap_or_else(|| {
        let install = "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4";
        let installed = Command::new("sh").args(["-c", install]).status();
        assert!(
            installed.is_ok_and(|status| status.success()),
            "install grpcurl first: {install}"
        );
        find("grpcurl").expect("go install puts it where it is looked for")
    })
}

fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join("go/bin"));
    let mut places = env::split_paths(&path).chain(home);
    places
        .find(|place| place.join(name).is_file())
        .map(|place| place.join(name))
}
