//! `waymark serve` and `waymark migrate`.

use std::process::ExitCode;

use waymark_server::{
    Clock, Server, Settings, Stopped, settings::Sources, signals::Stop, telemetry,
};

use crate::{
    arguments,
    failure::{FAILED, Failure},
    output,
};

/// Runs the server until it is told to stop.
pub(crate) async fn serve(arguments: arguments::Serve) -> Result<ExitCode, Failure> {
    let arguments::Serve {
        listen,
        insecure,
        default_workflow,
        preset,
        settings,
    } = arguments;
    let flags = [
        ("listen", listen),
        ("insecure", insecure.then(|| "true".to_owned())),
        ("default_workflow", default_workflow),
        ("preset", preset),
    ];
    let settings = read(settings, flags)?;
    let _logging = telemetry::start(&settings.log)?;
    let stop = Stop::on_signals().map_err(Failure::Signals)?;
    let server = tokio::select! {
        server = Server::start(settings, Clock::system()) => server?,
        () = stop.gently.cancelled() => return Ok(ExitCode::SUCCESS),
    };
    Ok(match server.run(stop).await? {
        Stopped::Drained => ExitCode::SUCCESS,
        Stopped::DeadlinePassed | Stopped::AtOnce => ExitCode::from(FAILED),
    })
}

/// Creates or upgrades the database.
pub(crate) async fn migrate(arguments: arguments::Settings) -> Result<ExitCode, Failure> {
    let settings = read(arguments, [])?;
    let _logging = telemetry::start(&settings.log)?;
    let applied = waymark_server::migrate(&settings)
        .await
        .map_err(Failure::Migrate)?;
    if applied.is_empty() {
        output::print("the database is up to date\n")?;
    }
    for version in applied {
        output::print(&format!("applied {version}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(
    arguments: arguments::Settings,
    more: impl IntoIterator<Item = (&'static str, Option<String>)>,
) -> Result<Settings, Failure> {
    let arguments::Settings {
        config,
        database_url,
        log_level,
        log_format,
        set,
    } = arguments;
    let named = [
        ("database_url", database_url),
        ("log_level", log_level),
        ("log_format", log_format),
    ];
    let named = named.into_iter().chain(more);
    let named = named.filter_map(|(key, value)| value.map(|value| (key.to_owned(), value)));
    let flags = set.into_iter().chain(named).collect();
    Ok(Settings::read(&Sources::of_process(config, flags))?)
}
