//! What the command line takes.

use std::net::SocketAddr;

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
    /// Puts load on a server that is running already, and prints the rate.
    Load(Load),
}

/// What load, and where.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Address of the server.
    #[arg(long)]
    pub(crate) address: SocketAddr,
    /// What is asked of it.
    #[arg(long, value_enum, default_value_t = Kind::Unary)]
    pub(crate) kind: Kind,
    /// How many steps or calls are in flight.
    #[arg(long, default_value_t = 64)]
    pub(crate) in_flight: usize,
    /// How long it is measured, after a warm-up of a tenth of that.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// How many times it is measured.
    #[arg(long, default_value_t = 1)]
    pub(crate) rounds: usize,
    /// How many orders there are to be; those that are missing are created.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) orders: usize,
    /// How many connections are opened.
    #[arg(long, default_value_t = 4)]
    pub(crate) connections: usize,
}
