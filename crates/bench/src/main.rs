//! `waymark-bench`: measures the release binary as a process of its own, over
//! loopback, against baselines on the same machine in the same run.
//!
//! It deliberately lacks any way into the server: what it measures is what any
//! client sees. Start at [`arguments`], which is also what `--help` prints.

mod arguments;
mod baseline;
mod card;
mod clock;
mod deck;
mod enlarging;
mod failure;
mod filling;
mod hooks;
mod listed;
mod load;
mod output;
mod pace;
mod place;
mod plot;
mod receiver;
mod report;
mod rows;
mod shop;
mod stage;
mod tally;
mod watch;
mod wire;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use arguments::{Arguments, Command};
use clap::Parser;
use failure::Failure;
use load::Generator;
use pace::Pace;
use place::{Backend, Data, Site};
use rows::Row;
use tokio::signal::unix::{SignalKind, signal};
use watch::{Watchers, Wish};
use wire::Connections;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::print_error(&format!(
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
    let done = runtime.block_on(async {
        // What is dropped on the way out ends its processes.
        tokio::select! {
            done = execute(arguments) => done,
            failure = interruption() => Err(failure),
        }
    });
    // A loop that still runs has no one who wants its result.
    runtime.shutdown_background();
    done
}

async fn interruption() -> Failure {
    let no_signals = "signals cannot be waited for";
    let mut terminated = match signal(SignalKind::terminate()) {
        Ok(terminated) => terminated,
        Err(error) => return Failure::io(no_signals)(error),
    };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => match interrupted {
            Ok(()) => Failure::Interrupted,
            Err(error) => Failure::io(no_signals)(error),
        },
        _ = terminated.recv() => Failure::Interrupted,
    }
}

async fn execute(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Run(run) => measure(run).await,
        Command::Fill(run) => fill(run).await,
        Command::Load(load) => put_load(load).await,
        Command::Table(shown) => output::print(&report::table(&report::read(&shown.json)?)),
        Command::Plot(plot) => plot::draw(&report::read(&plot.json)?, &plot.svg),
    }
}

async fn measure(run: arguments::Run) -> Result<(), Failure> {
    if run.list {
        return rows::ALL
            .iter()
            .try_for_each(|row| output::print(&row.name()));
    }
    // A part of the rows does not replace the figures of all.
    let everything = run
        .rows
        .is_empty()
        .then(|| PathBuf::from("target/bench.json"));
    let json = run.json.clone().or(everything);
    let (site, chosen) = open(run).await?;
    let figures = rows::measure(&site, &chosen).await?;
    if let Some(json) = json {
        report::write(&figures, &json)?;
    }
    output::print(&report::table(&figures))
}

async fn fill(run: arguments::Run) -> Result<(), Failure> {
    let (site, chosen) = open(run).await?;
    rows::fill(&site, &chosen).await
}

/// Opens the place where rows are measured.
async fn open(run: arguments::Run) -> Result<(Site, Vec<Row>), Failure> {
    let chosen = run.rows.iter().map(|name| Row::named(name));
    let mut chosen = chosen.collect::<Result<Vec<_>, _>>()?;
    if chosen.is_empty() {
        chosen = rows::ALL.to_vec();
    }
    let pace = if run.quick { Pace::QUICK } else { Pace::FULL };
    let data = Data::open(run.waymark, run.data)?;
    let backends = chosen.iter().map(|row| row.backend);
    let backends = backends.collect::<Vec<Backend>>();
    Ok((Site::open(data, pace, &backends).await?, chosen))
}

async fn put_load(load: arguments::Load) -> Result<(), Failure> {
    let connections = Connections::shared(&load.addresses).await?;
    let deck = filling::fill(&connections, load.orders).await?;
    let generator = Generator::new(deck);
    let watchers = match load.watchers {
        0 => None,
        count => {
            let first = *load.addresses.first().ok_or(Failure::Interrupted)?;
            Some(Watchers::start(first, count, Wish::Everything).await?)
        }
    };
    let length = Duration::from_secs_f64(load.seconds.clamp(0.1, 3_600.0));
    for _ in 0..load.rounds {
        let tally = match load.rate {
            Some(rate) => generator.open(&connections, rate, length).await?,
            None => {
                generator
                    .closed(&connections, load.kind, load.in_flight, length)
                    .await?
            }
        };
        output::print(&format!(
            "{:.0}/s, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
            tally.per_second(),
            tally.latency_ms(0.5),
            tally.latency_ms(0.99),
            tally.latency_ms(0.999),
        ))?;
    }
    let Some(watchers) = watchers else {
        return Ok(());
    };
    let seen = watchers.stop()?;
    output::print(&format!(
        "{} deliveries, p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
        seen.deliveries,
        seen.latency_ms(0.5),
        seen.latency_ms(0.99),
        seen.latency_ms(0.999),
    ))
}
