//! `waymark`: the server and the tools around it in one program.
//!
//! It deliberately lacks rules and state: `serve` and `migrate` start
//! `waymark-server`, the other commands are clients of a running server, or work
//! on files alone. Start at [`arguments`], which is also what `--help` prints.

mod arguments;
mod connection;
mod failure;
mod output;
mod preset;
mod serve;
mod source;
mod watch;
mod workflow;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::Parser;
use failure::Failure;

/// The system's allocator costs a tenth of the time of a step.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::Runtime)
        .and_then(|runtime| {
            let done = runtime.block_on(run(arguments));
            // What still runs has had its time: nothing waits for it.
            runtime.shutdown_background();
            done
        });
    match done {
        Ok(code) => code,
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            let code = failure.exit_code();
            output::print_error(&format!("waymark: {:#}", anyhow::Error::from(failure)));
            code
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    match arguments.command {
        Command::Serve(serve) => serve::serve(serve).await,
        Command::Migrate(migrate) => serve::migrate(migrate).await,
        Command::Preset(preset) => preset::run(preset),
        Command::Workflow(workflow) => workflow::run(workflow).await,
        Command::Watch(watch) => watch::run(watch).await,
        Command::Version => {
            output::print(concat!("waymark ", env!("CARGO_PKG_VERSION"), "\n"))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
