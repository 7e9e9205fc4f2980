//! The log: a line for each call that did not work, at DEBUG one for each that did, and whatever
//! else happens. Pretty on a terminal, one JSON object a line otherwise; never the content of a
//! message.

mod call;

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use tokio::{task::AbortHandle, time::sleep};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};
use waymark_persistence::ErrorChain;

pub(crate) use call::{CallLog, note_order, note_request};

use crate::settings::{LogFormat, LogSettings};

/// The error of logging that could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("the log filter cannot be read")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Another part of the process logs already.
    #[error("logging was set up before")]
    SetUpBefore(#[from] tracing_subscriber::util::TryInitError),
}

/// Maximum of lines that wait for whoever reads the log; those beyond are dropped.
const LINES_MAX: usize = 8_192;
/// Interval at which dropped lines are counted in the log.
const INTERVAL: Duration = Duration::from_secs(10);

/// The log of the process. Dropped, it waits a second for what is not written yet.
#[derive(Debug)]
pub struct Logging {
    _writer: WorkerGuard,
    counting: AbortHandle,
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.counting.abort();
    }
}

/// Sends log lines of the whole process to the standard error output, until what it returns is
/// dropped. They are written by a thread of its own: whoever reads them may stand still, as a
/// terminal that was stopped or a pipe to a process that hangs, and keeps nobody waiting.
///
/// It is called within a tokio runtime.
///
/// # Errors
/// Returns [`TelemetryError`] for a filter that cannot be read, and when called twice.
pub fn start(settings: &LogSettings) -> Result<Logging, TelemetryError> {
    let registry = tracing_subscriber::registry().with(EnvFilter::try_new(&settings.filter)?);
    let on_terminal = stderr().is_terminal();
    let json = match settings.format {
        LogFormat::Auto => !on_terminal,
        LogFormat::Pretty => false,
        LogFormat::Json => true,
    };
    let writer = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LINES_MAX)
        .thread_name("log");
    let (write, writer) = writer.finish(stderr());
    let dropped = write.error_counter();
    if json {
        let layer = fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false);
        registry.with(layer.with_writer(write)).try_init()?;
    } else {
        let layer = fmt::layer().with_ansi(on_terminal).with_target(false);
        registry.with(layer.with_writer(write)).try_init()?;
    }
    Ok(Logging {
        _writer: writer,
        counting: tokio::spawn(count(dropped)).abort_handle(),
    })
}

/// An error with all its causes, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    ErrorChain(error).to_string()
}

async fn count(dropped: ErrorCounter) {
    let mut logged = 0;
    loop {
        sleep(INTERVAL).await;
        let all = dropped.dropped_lines();
        if all > logged {
            let lines = all - logged;
            tracing::warn!(lines, "log lines dropped: they were not read in time");
            logged = all;
        }
    }
}
