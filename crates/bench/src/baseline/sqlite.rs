//! A plain loop over Diesel in this process, on a copy of the file that the
//! service has and under the same settings: for each step it selects an order by
//! its key, updates it and inserts an entry; for each new order it inserts an
//! entry, the order and that of its customer. All columns are written, with the
//! values of what the service wrote; only keys, versions, times and random ids are
//! new.

mod creation;
mod statement;
mod steps;

use std::time::{Duration, Instant};

use creation::Creations;
use diesel::SqliteConnection;
use steps::Steps;

use crate::{
    failure::Failure,
    place::{Database, number, open},
};

/// The loop, ready to run.
pub(crate) struct Plain {
    connection: SqliteConnection,
    random: fastrand::Rng,
    next_offset: i64,
    work: Work,
}

/// The work of the loop.
enum Work {
    Steps(Steps),
    Creations(Creations),
}

impl Plain {
    /// Prepares a loop of steps on a file.
    pub(crate) fn steps(database: &Database) -> Result<Self, Failure> {
        Self::new(database, |connection| {
            Ok(Work::Steps(Steps::new(connection)?))
        })
    }

    /// Prepares a loop of new orders on a file.
    pub(crate) fn creations(database: &Database) -> Result<Self, Failure> {
        Self::new(database, |connection| {
            Ok(Work::Creations(Creations::new(connection)?))
        })
    }

    fn new(
        database: &Database,
        work: impl FnOnce(&mut SqliteConnection) -> Result<Work, Failure>,
    ) -> Result<Self, Failure> {
        let Database::Sqlite(file) = database else {
            return Err(Failure::NoCluster);
        };
        let mut connection = open(file)?;
        let last = "SELECT MAX(log_offset) AS number FROM history";
        Ok(Self {
            random: fastrand::Rng::new(),
            next_offset: number(&mut connection, last)? + 1,
            work: work(&mut connection)?,
            connection,
        })
    }

    /// Works for a while, so many pieces in each transaction, and returns the rate.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate is shown with four digits"
    )]
    pub(crate) fn run(
        &mut self,
        pieces_per_transaction: u32,
        length: Duration,
    ) -> Result<f64, Failure> {
        let begun = Instant::now();
        let mut pieces = 0_u64;
        while begun.elapsed() < length {
            self.transaction(pieces_per_transaction)?;
            pieces += u64::from(pieces_per_transaction);
        }
        Ok(pieces as f64 / begun.elapsed().as_secs_f64())
    }

    fn transaction(&mut self, pieces: u32) -> Result<(), Failure> {
        let Self {
            connection,
            random,
            next_offset,
            work,
        } = self;
        connection.immediate_transaction(|connection| {
            for _ in 0..pieces {
                match work {
                    Work::Steps(steps) => steps.make(connection, random, *next_offset)?,
                    Work::Creations(creations) => {
                        creations.make(connection, random, *next_offset)?;
                    }
                }
                *next_offset += 1;
            }
            Ok(())
        })
    }
}
