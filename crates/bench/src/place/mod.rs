//! The place of a run: its directory, its databases, and the processes
//! that it starts and ends.

mod cluster;
mod data;
mod database;
mod programs;
mod server;
mod site;

pub(crate) use cluster::{Cluster, free_port};
pub(crate) use data::Data;
pub(crate) use database::{Backend, Database, names, number, open};
pub(crate) use server::{Memory, Server};
pub(crate) use site::{Contents, Site};
