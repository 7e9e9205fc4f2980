//! `waymark-bench`: measures the release binary as a process of its own, over
//! loopback, against baselines on the same machine in the same run.
//!
//! It deliberately lacks any way into the server: what it measures is what any
//! client sees. Start at [`arguments`], which is also what `--help` prints.

mod arguments;
mod deck;
mod failure;
mod filling;
mod load;
mod output;
mod shop;
mod tally;
mod wire;

use std::{process::ExitCode, time::Duration};

use arguments::{Arguments, Command};
use clap::Parser;
use failure::Failure;
use load::Generator;
use wire::Connections;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&format!(
                "waymark-bench: {:#}",
                anyhow::Error::from(failure)
            ));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    // One thread: the server and its database need the processors more.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::io("no runtime"))?;
    runtime.block_on(async {
        tokio::select! {
            done = carry_out(arguments) => done,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted.map_err(Failure::io("signals cannot be waited for"))?;
                Err(Failure::Interrupted)
            }
        }
    })
}

async fn carry_out(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Load(load) => put_load(load).await,
    }
}

async fn put_load(load: arguments::Load) -> Result<(), Failure> {
    let connections = Connections::open(load.address, load.connections).await?;
    let deck = filling::fill(&connections, load.orders).await?;
    let generator = Generator::new(connections, deck);
    for _ in 0..load.rounds {
        let length = Duration::from_secs_f64(load.seconds.clamp(0.1, 3_600.0));
        let tally = generator.closed(load.kind, load.in_flight, length).await?;
        output::print(&format!(
            "{:.0}/s, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
            tally.per_second(),
            tally.latency_ms(0.5),
            tally.latency_ms(0.99),
            tally.latency_ms(0.999),
        ))?;
    }
    Ok(())
}
