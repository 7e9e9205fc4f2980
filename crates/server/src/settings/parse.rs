//! From the text of a value to a valid type. Each function says what it wanted
//! instead, in words that complete "must be …".

use std::{net::SocketAddr, time::Duration};

use tracing_subscriber::EnvFilter;
use waymark_domain::{partition::PartitionCount, preset, value::WorkflowCode};
use waymark_persistence::DatabaseUrl;
use waymark_transports::Allowed;

use super::{BaseUrl, LogFormat, Origin, Problem};

pub(super) fn address(text: &str) -> Result<SocketAddr, Problem> {
    text.parse()
        .map_err(|_| Problem::Expected("an address and port such as 127.0.0.1:50551"))
}

/// Reads a value where empty means none.
pub(super) fn optional<T>(
    parse: impl Fn(&str) -> Result<T, Problem>,
) -> impl Fn(&str) -> Result<Option<T>, Problem> {
    move |text| {
        Some(text)
            .filter(|text| !text.is_empty())
            .map(&parse)
            .transpose()
    }
}

pub(super) fn base_url(text: &str) -> Result<BaseUrl, Problem> {
    BaseUrl::parse(text).ok_or(Problem::Expected(
        "an address such as https://shop.example or https://shop.example/orders",
    ))
}

/// Reads origins between commas.
pub(super) fn origins(text: &str) -> Result<Vec<Origin>, Problem> {
    let listed = text.split(',').map(str::trim);
    let origins = listed.filter(|origin| !origin.is_empty()).enumerate();
    origins
        .map(|(before, origin)| Origin::parse(origin).ok_or(Problem::Origin { number: before + 1 }))
        .collect()
}

pub(super) fn switch(text: &str) -> Result<bool, Problem> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Problem::Expected("true or false")),
    }
}

pub(super) fn workflow(text: &str) -> Result<WorkflowCode, Problem> {
    WorkflowCode::new(text).map_err(Problem::Value)
}

pub(super) fn preset(text: &str) -> Result<Option<String>, Problem> {
    match text {
        "none" => Ok(None),
        name if preset::find(name).is_some() => Ok(Some(name.to_owned())),
        _ => Err(Problem::Expected(
            "none or the name of a preset, see `waymark preset list`",
        )),
    }
}

pub(super) fn database_url(text: &str) -> Result<DatabaseUrl, Problem> {
    DatabaseUrl::parse(text).map_err(|error| Problem::Database(Box::new(error)))
}

pub(super) fn partitions(text: &str) -> Result<Option<PartitionCount>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let count = text.parse().ok().and_then(PartitionCount::new);
    count
        .map(Some)
        .ok_or(Problem::OutOfRange { min: 1, max: 1024 })
}

/// Reads a number of days, where 0 means no end.
pub(super) fn days(max: u64) -> impl Fn(&str) -> Result<Option<Duration>, Problem> {
    move |text| {
        let days = count(0, max)(text)?;
        let days = u64::try_from(days).ok().filter(|days| *days > 0);
        Ok(days.map(|days| Duration::from_hours(24 * days)))
    }
}

pub(super) fn count(min: u64, max: u64) -> impl Fn(&str) -> Result<usize, Problem> {
    move |text| {
        let number = text
            .parse::<u64>()
            .ok()
            .filter(|number| (min..=max).contains(number));
        number
            .and_then(|number| usize::try_from(number).ok())
            .ok_or(Problem::OutOfRange { min, max })
    }
}

/// Milliseconds from `min` to an hour.
pub(super) fn milliseconds(min: u64) -> impl Fn(&str) -> Result<Duration, Problem> {
    const HOUR_MS: u64 = 3_600_000;
    move |text| {
        let number = text
            .parse::<u64>()
            .ok()
            .filter(|number| (min..=HOUR_MS).contains(number));
        number
            .map(Duration::from_millis)
            .ok_or(Problem::OutOfRange { min, max: HOUR_MS })
    }
}

pub(super) fn allowed(text: &str) -> Result<Allowed, Problem> {
    text.parse().map_err(|_| {
        Problem::Expected(
            "networks such as 10.1.0.0/16, addresses and names of hosts, separated by commas",
        )
    })
}

pub(super) fn log_filter(text: &str) -> Result<String, Problem> {
    let wanted =
        Problem::Expected("a level such as info, or directives such as info,waymark_server=debug");
    // A bare word that is no level would be taken for the name of a crate and silence everything else.
    let bare_word = !text.contains([',', '=', '[']);
    if bare_word
        && text
            .parse::<tracing_subscriber::filter::LevelFilter>()
            .is_err()
    {
        return Err(wanted);
    }
    EnvFilter::try_new(text)
        .map(|_| text.to_owned())
        .map_err(|_| wanted)
}

pub(super) fn log_format(text: &str) -> Result<LogFormat, Problem> {
    match text {
        "auto" => Ok(LogFormat::Auto),
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err(Problem::Expected("auto, pretty or json")),
    }
}
