//! The reasons why the benchmark cannot go on. Any refusal by the server is one of them: a
//! rate that counts refused calls would be a lie.

use std::{io, net::SocketAddr, path::PathBuf, process::ExitStatus};

/// A reason why the benchmark cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot connect to {address}")]
    Connect {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the connection broke")]
    Http2(#[from] h2::Error),
    #[error("the call cannot be written")]
    Http(#[from] http::Error),
    #[error("{method} was answered with HTTP status {status}")]
    HttpStatus {
        method: &'static str,
        status: http::StatusCode,
    },
    #[error("{method} was refused: gRPC status {status}: {message}")]
    Refused {
        method: &'static str,
        status: String,
        message: String,
    },
    #[error("a step was refused: {reason}: {message}")]
    StepRefused { reason: String, message: String },
    #[error("{method} was answered without a status")]
    NoStatus { method: &'static str },
    #[error("{method} was answered without a message")]
    NoMessage { method: &'static str },
    #[error("the answer cannot be read")]
    Decode(#[from] prost::DecodeError),
    #[error("an answer belongs to no call: correlation id {correlation_id:?}")]
    Uncorrelated { correlation_id: String },
    #[error("{wanted} steps cannot be in flight on {orders} orders")]
    TooFewOrders { wanted: usize, orders: usize },
    #[error("latencies cannot be counted")]
    Histogram(#[from] hdrhistogram::CreationError),
    #[error("the PostgreSQL driver failed")]
    Postgres(#[from] tokio_postgres::Error),
    #[error("SQLite failed")]
    Diesel(#[from] diesel::result::Error),
    #[error("no connection to the database")]
    Connection(#[from] diesel::ConnectionError),
    #[error("the programs of PostgreSQL are needed: apt-get install -y postgresql")]
    NoPostgres,
    #[error("no PostgreSQL server was started")]
    NoCluster,
    #[error("there is no {path}: run `make bench`, which builds it", path = path.display())]
    NoWaymark { path: PathBuf },
    #[error("another benchmark uses the same directory of data")]
    Running,
    #[error("{program} did not start; see {log}", log = log.display())]
    NotStarted { program: &'static str, log: PathBuf },
    #[error("waymark has ended unasked")]
    NotRunning,
    #[error("waymark did not stop when asked")]
    NotStopped,
    #[error("the memory of waymark is not known")]
    NoMemory,
    #[error("{program} ended with {status}: {said}")]
    Program {
        program: &'static str,
        status: ExitStatus,
        said: String,
    },
    #[error("the orders to be copied are not as they were made")]
    Sources,
    #[error("{acknowledged} steps were acknowledged and {written} entries written")]
    Unequal { acknowledged: u64, written: u64 },
    #[error("{came} webhooks came of {wanted}")]
    Missing { came: usize, wanted: usize },
    #[error("{found} deliveries are {state} that should be {expected}")]
    Outbox {
        state: &'static str,
        expected: u64,
        found: u64,
    },
    #[error("nothing was tried while it was measured")]
    NothingTried,
    #[error("a list of {wanted} orders came with {found}, with others, or out of order")]
    WrongList { wanted: usize, found: usize },
    #[error("an entry came without its position or time")]
    NoPosition,
    #[error("in partition {partition}, offset {offset} came after {after}")]
    OutOfOrder {
        partition: i32,
        offset: i64,
        after: i64,
    },
    #[error("there is no row {name:?}; --list names them")]
    NoRow { name: String },
    #[error("the figures are not the JSON that they should be")]
    Json(#[from] serde_json::Error),
    #[error("the plot cannot be drawn: {said}")]
    Plot { said: String },
    #[error("interrupted")]
    Interrupted,
    #[error("{what}")]
    Io {
        what: &'static str,
        #[source]
        source: io::Error,
    },
}

impl Failure {
    /// A refusal of the operating system, with what was tried.
    pub(crate) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }
}
