//! The consumer of the messages, and the moment at which a message counts as taken: its token may be kept from then on, and not before.

use std::{
    fs::File,
    io::{self, BufRead, Write, stdin, stdout},
    os::{fd::AsFd, unix::fs::FileTypeExt},
    process::{Command, Stdio},
};

use crate::{arguments::Watch, failure::Failure, output};

/// The consumer of the messages.
#[derive(Debug, Clone)]
pub(super) enum Consumer {
    /// Whoever reads the standard output; a file that tokens depend on is brought to the disk.
    Output { file: bool },
    /// The same, who answers each message with a line on the standard input.
    Acknowledging,
    /// A command of the shell, run for each message that has entries; it is done once it ended with 0.
    Command(String),
}

impl Consumer {
    /// The consumer that the command line names.
    ///
    /// # Errors
    /// Returns [`Failure::Unacknowledged`] where tokens would be kept of what lies in a pipe.
    pub(super) fn of(arguments: &Watch) -> Result<Self, Failure> {
        if let Some(command) = &arguments.exec {
            return Ok(Self::Command(command.clone()));
        }
        if arguments.ack {
            return Ok(Self::Acknowledging);
        }
        if arguments.resume_file.is_none() {
            return Ok(Self::Output { file: false });
        }
        let output = standard_output().and_then(|file| file.metadata());
        let kind = output.map_err(Failure::Output)?.file_type();
        if kind.is_fifo() || kind.is_socket() {
            return Err(Failure::Unacknowledged);
        }
        Ok(Self::Output {
            file: kind.is_file(),
        })
    }

    /// Whether messages without entries are of interest.
    pub(super) fn wants_checkpoints(&self, messages: bool) -> bool {
        match self {
            Self::Output { .. } => messages,
            Self::Acknowledging => true,
            Self::Command(_) => false,
        }
    }

    /// Whether messages come whole, one a line, and not as their entries.
    pub(super) fn wants_messages(&self, messages: bool) -> bool {
        messages || matches!(self, Self::Acknowledging)
    }

    /// Hands a message over, and waits until it is taken. The connection is kept alive meanwhile; the server sends no
    /// more than fits its window.
    ///
    /// # Errors
    /// Returns [`Failure`] where it was not taken; then its token must not be kept.
    pub(super) async fn take(&self, text: String) -> Result<(), Failure> {
        let consumer = self.clone();
        let taken = tokio::task::spawn_blocking(move || consumer.take_blocking(&text));
        taken.await.unwrap_or(Err(Failure::ConsumerGone))
    }

    fn take_blocking(&self, text: &str) -> Result<(), Failure> {
        match self {
            Self::Output { file } => {
                output::print(text)?;
                if *file {
                    let synced = standard_output().and_then(|file| file.sync_data());
                    synced.map_err(Failure::Output)?;
                }
                Ok(())
            }
            Self::Acknowledging => {
                output::print(text).map_err(|_| Failure::ConsumerGone)?;
                let mut line = String::new();
                let read = stdin().lock().read_line(&mut line);
                // A line without its end was not finished by who wrote it.
                let is_whole = read.is_ok() && line.ends_with('\n');
                is_whole.then_some(()).ok_or(Failure::ConsumerGone)
            }
            Self::Command(command) => run(command, text),
        }
    }
}

/// The file that the standard output is.
fn standard_output() -> io::Result<File> {
    Ok(File::from(stdout().as_fd().try_clone_to_owned()?))
}

/// Runs a command of the shell with a text on its standard input.
fn run(command: &str, text: &str) -> Result<(), Failure> {
    let failed = |source| Failure::Exec {
        command: command.to_owned(),
        source,
    };
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // One that does not read its input, or not all of it, says by its exit code whether it is done.
    let input = child.stdin.take();
    let written = input.map_or(Ok(()), |mut input| input.write_all(text.as_bytes()));
    let status = child.wait().map_err(failed)?;
    if !status.success() {
        return Err(Failure::ExecEnded {
            command: command.to_owned(),
            status,
        });
    }
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_taken_what_it_ended_well_with() {
        assert!(run("grep -q one", "one\n").is_ok());
        assert!(matches!(
            run("grep -q one", "two\n"),
            Err(Failure::ExecEnded { .. })
        ));
        assert!(matches!(
            run("kill -9 $$", "one\n"),
            Err(Failure::ExecEnded { .. })
        ));
        assert!(matches!(
            run("/no/such/command", "one\n"),
            Err(Failure::ExecEnded { .. })
        ));
    }

    #[test]
    fn a_command_need_not_read() {
        assert!(run("true", &"x".repeat(1_000_000)).is_ok());
        assert!(matches!(
            run("exit 3", &"x".repeat(1_000_000)),
            Err(Failure::ExecEnded { .. })
        ));
    }
}
