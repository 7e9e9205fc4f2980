//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::load::Kind;

/// Measures Waymark on this machine.
#[derive(Debug, Parser)]
#[command(name = "waymark-bench", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measures rows and prints a table.
    Run(Run),
    /// Fills the databases that rows need and that are not there yet, and measures nothing.
    Fill(Run),
    /// Puts load on a server that is running already, and prints the rate.
    Load(Load),
    /// Prints figures that were measured before as a table in Markdown.
    Table(Shown),
    /// Draws figures that were measured before.
    Plot(Plot),
}

/// The rows to measure, and the place.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Shorter rounds on smaller databases: all rows in some five minutes.
    #[arg(long)]
    pub(crate) quick: bool,
    /// A row to measure; may be given several times. All rows if it is not given.
    #[arg(long = "row")]
    pub(crate) rows: Vec<String>,
    /// Prints the names of the rows instead.
    #[arg(long)]
    pub(crate) list: bool,
    /// The file of the figures; `target/bench.json` when all rows are measured.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// The binary that is measured; the one beside this program if not given.
    #[arg(long)]
    pub(crate) waymark: Option<PathBuf>,
    /// The directory of databases; `target/bench-data` if not given.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
}

/// The place of figures.
#[derive(Debug, Args)]
pub(crate) struct Shown {
    /// The figures.
    #[arg(long, default_value = "target/bench.json")]
    pub(crate) json: PathBuf,
}

/// The place of figures, and of their drawing.
#[derive(Debug, Args)]
pub(crate) struct Plot {
    /// The figures.
    #[arg(long, default_value = "target/bench.json")]
    pub(crate) json: PathBuf,
    /// The drawing.
    #[arg(long, default_value = "docs/benchmarks.svg")]
    pub(crate) svg: PathBuf,
}

/// The load, and its servers.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Address of the server; several times for several replicas, which share the load.
    #[arg(long = "address", required = true)]
    pub(crate) addresses: Vec<SocketAddr>,
    /// The kind of calls.
    #[arg(long, value_enum, default_value_t = Kind::Unary)]
    pub(crate) kind: Kind,
    /// The number of steps or calls in flight.
    #[arg(long, default_value_t = 64)]
    pub(crate) in_flight: usize,
    /// Steps in a second instead, in flight or not: an open loop.
    #[arg(long, conflicts_with_all = ["kind", "in_flight"])]
    pub(crate) rate: Option<f64>,
    /// The seconds of a measurement, after a warm-up of a tenth of that.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// The number of measurements.
    #[arg(long, default_value_t = 1)]
    pub(crate) rounds: usize,
    /// The number of orders; those that are missing are created.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) orders: usize,
    /// The number of watchers of everything meanwhile.
    #[arg(long, default_value_t = 0)]
    pub(crate) watchers: usize,
}
