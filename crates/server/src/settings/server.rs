//! Settings of the process: its ports, its default workflow, its end and its log.

use std::{net::SocketAddr, time::Duration};

use serde::Deserializer;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};
use waymark_domain::{preset, value::WorkflowCode};

use super::{
    addresses::{BaseUrl, Origin},
    key::{if_given, parsed, settings},
    values::{Noted, Values},
};

settings! {
    /// Where and how the server listens and stops.
    #[derive(Debug, Clone)]
    pub struct ServerSettings {
        /// Address and port to listen on; port 0 takes a free one.
        #[serde(deserialize_with = "address")]
        listen: SocketAddr = "listen", Text, "127.0.0.1:50551";
        /// Allows an address that is not loopback, although there is no authentication yet.
        insecure: bool = "insecure", Switch, "false";
        /// Other origins whose pages may call by gRPC-Web from a browser, such as
        /// `https://shop.example`, separated by commas; unset: none. Each by name: `*` is refused.
        #[serde(deserialize_with = "origins")]
        grpc_web_origins: Vec<Origin> = "grpc_web_origins", Text, "";
        /// Workflow of requests that name none; an empty database gets the preset under this name.
        default_workflow: WorkflowCode = "default_workflow", Text, "order";
        /// Preset that an empty database gets under the name of `default_workflow`; `none` for no
        /// workflow.
        #[serde(deserialize_with = "preset_name")]
        preset: Option<String> = "preset", Text, "magento";
        /// How long a stopping server waits for calls in flight; what is not begun by half of it is
        /// refused.
        shutdown_deadline: Duration = "shutdown_deadline", Span(0), "10s";
        /// How many calls of one connection may be cancelled before the server takes them up; more
        /// end the connection, with its streams. Such calls cost memory that no other limit counts,
        /// so a client could flood the server with them. Calls are taken up after every 16 KiB that
        /// a connection sends, which hold some 650 of them: from 1,000 on nobody's connection ends,
        /// and below that floods end sooner.
        cancelled_calls_max: usize = "cancelled_calls_max", Number(1, 1_000_000), "4096";
    }
}

settings! {
    /// The port for customers' feeds.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct FeedSettings {
        /// Address and port for the feeds of customers over HTTP, port 0 takes a free one; unset: no
        /// feeds.
        #[serde(deserialize_with = "address_if_given")]
        listen: Option<SocketAddr> = "feeds_listen", Text, "";
        /// Where customers reach that port, such as `https://shop.example`; unset: the address
        /// itself.
        #[serde(deserialize_with = "base_url")]
        base_url: Option<BaseUrl> = "feeds_base_url", Text, "";
    }
}

settings! {
    /// The log: what it has, and its form.
    #[derive(Debug, Clone)]
    pub struct LogSettings {
        /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as
        /// `info,waymark_server=debug`.
        #[serde(deserialize_with = "log_filter")]
        filter: String = "log_level", Text, "info";
        /// `pretty`, `json`, or `auto`: pretty on a terminal, JSON otherwise.
        #[serde(deserialize_with = "log_format")]
        format: LogFormat = "log_format", Word(&["auto", "pretty", "json"]), "auto";
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Pretty,
    /// For machines: one JSON object a line.
    Json,
}

/// Reads the settings of the server.
pub(super) fn server(values: &mut Values) -> Result<ServerSettings, Noted> {
    let settings: ServerSettings = values.read()?;
    if !settings.insecure && !settings.listen.ip().is_loopback() {
        let problem = "must be a loopback address such as 127.0.0.1, since there is no authentication yet; `--insecure` allows any";
        values.note("listen", &["insecure"], problem);
    }
    Ok(settings)
}

/// Reads the settings of the feeds, which have another port than `listen`.
pub(super) fn feeds(values: &mut Values, listen: SocketAddr) -> Result<FeedSettings, Noted> {
    let settings: FeedSettings = values.read()?;
    if settings.listen.is_none() && settings.base_url.is_some() {
        let problem = "must be given together with feeds_listen, without which there are no feeds";
        values.note("feeds_base_url", &["feeds_listen"], problem);
    }
    let meets = |other: SocketAddr| {
        let (one, two) = (listen.ip(), other.ip());
        let is_one = one == two || one.is_unspecified() || two.is_unspecified();
        is_one && listen.port() != 0 && listen.port() == other.port()
    };
    if settings.listen.is_some_and(meets) {
        let problem = "must be another address or port than that of listen";
        values.note("feeds_listen", &["listen"], problem);
    }
    Ok(settings)
}

fn socket_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "must be an address and port such as 127.0.0.1:50551")
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    parsed(deserializer, socket_address)
}

fn address_if_given<'de, D>(deserializer: D) -> Result<Option<SocketAddr>, D::Error>
where
    D: Deserializer<'de>,
{
    parsed(deserializer, |text| if_given(text, socket_address))
}

fn base_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BaseUrl>, D::Error> {
    let problem = "must be an address such as https://shop.example or https://shop.example/orders";
    parsed(deserializer, |text| {
        if_given(text, |text| BaseUrl::parse(text).ok_or(problem))
    })
}

fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Origin>, D::Error> {
    parsed(deserializer, |text| {
        let listed = text.split(',').map(str::trim);
        let listed = listed.filter(|origin| !origin.is_empty()).enumerate();
        let origins = listed.map(|(before, origin)| {
            Origin::parse(origin).ok_or_else(|| {
                let number = before + 1;
                format!("must be origins such as https://shop.example, separated by commas, each by name without a path; number {number} is none")
            })
        });
        origins.collect::<Result<_, _>>()
    })
}

fn preset_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    parsed(deserializer, |text| match text {
        "none" => Ok(None),
        name if preset::find(name).is_some() => Ok(Some(name.to_owned())),
        _ => Err("must be none or the name of a preset, see `waymark preset list`"),
    })
}

fn log_filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    parsed(deserializer, |text| {
        // A bare word that is no level would be taken for the name of a crate and silence everything
        // else.
        let is_bare = !text.contains([',', '=', '[']);
        let is_filter = EnvFilter::try_new(text).is_ok();
        if !is_filter || (is_bare && text.parse::<LevelFilter>().is_err()) {
            return Err(
                "must be a level such as info, or directives such as info,waymark_server=debug",
            );
        }
        Ok(text.to_owned())
    })
}

fn log_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LogFormat, D::Error> {
    parsed(deserializer, |text| match text {
        "auto" => Ok(LogFormat::Auto),
        "pretty" => Ok(LogFormat::Pretty),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be auto, pretty or json"),
    })
}
