//! What the server says about itself: a line for each call that did not work, at
//! DEBUG one for each that did, and whatever else happens. Pretty on a terminal, one JSON object a line otherwise; never the
//! content of a message.

mod call;

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

pub(crate) use call::{CallLog, note_order, note_request};

use crate::settings::{LogFormat, LogSettings};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("the log filter cannot be read")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Another part of the process logs already.
    #[error("logging was set up before")]
    SetUpBefore(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends log lines of the whole process to the standard error output.
///
/// # Errors
/// Returns [`TelemetryError`] for a filter that cannot be read, and when called twice.
pub fn start(settings: &LogSettings) -> Result<(), TelemetryError> {
    let registry = tracing_subscriber::registry().with(EnvFilter::try_new(&settings.filter)?);
    let on_terminal = stderr().is_terminal();
    let json = match settings.format {
        LogFormat::Auto => !on_terminal,
        LogFormat::Pretty => false,
        LogFormat::Json => true,
    };
    if json {
        let layer = fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false);
        registry.with(layer.with_writer(stderr)).try_init()?;
    } else {
        let layer = fmt::layer().with_ansi(on_terminal).with_target(false);
        registry.with(layer.with_writer(stderr)).try_init()?;
    }
    Ok(())
}
