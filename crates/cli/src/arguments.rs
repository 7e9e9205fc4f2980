//! The command line. The comments here are what `--help` prints.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use waymark_proto::v1;

use crate::source::Source;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused, or something was found: findings of lint, differences of diff
  2  wrong arguments, settings or files, or a database that needs `waymark migrate` first, or a newer program
  3  the server or the database cannot be reached or takes no writes, or is stopping, or a port is taken; try again later,
     a change with its --request-id: where the connection broke, it may have been carried out
  4  anything else, such as an outcome that is not known, or a server of which a task ended unexpectedly: start it again
  5  the SQLite file of the server is damaged, replaced or gone
  6  a consumer of `watch` did not take a message";

const EXAMPLES: &str = "\
Examples:
  waymark serve
  waymark serve --database-url postgres://waymark@localhost/waymark
  waymark workflow export > order.yaml
  waymark workflow lint order.yaml
  waymark workflow diff workflow:order order.yaml
  waymark workflow apply order.yaml
  waymark workflow settle order --dry-run
  waymark watch --from beginning --resume-file orders.token --exec ./import.sh";

const WATCH_EXAMPLES: &str = "\
Examples:
  waymark watch --from beginning --until-now > history.jsonl
  waymark watch --status complete --resume-file complete.token --exec 'while read -r entry; do echo \"$entry\"; done'

  coproc waymark watch --resume-file all.token --ack
  while read -r message <&\"${COPROC[0]}\"; do
    echo \"$message\"; echo done >&\"${COPROC[1]}\"
  done";

/// Waymark owns where every order stands: its state, its status, the steps that are allowed next, and all of its history.
#[derive(Debug, Parser)]
#[command(name = "waymark", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the server.
    ///
    /// Settings come from defaults, then a TOML file, then WAYMARK_... environment variables, then flags; the last one
    /// wins. SQLite databases are created and migrated; PostgreSQL databases need `waymark migrate` first.
    ///
    /// SIGTERM, SIGINT and SIGHUP stop the server gently: calls in flight finish, streams end with a token from which to
    /// go on. A second SIGTERM or SIGINT stops it at once. Where SIGHUP is ignored, as below `nohup`, it stays so.
    #[command(after_long_help = settings_help())]
    Serve(Serve),
    /// Creates or upgrades the database, and says what it did.
    ///
    /// Safe to run from several machines at once. Stop the servers of an older version first: some of their calls would
    /// fail after it, and nothing keeps it from a SQLite file that a server has open.
    #[command(after_long_help = settings_help())]
    Migrate(Settings),
    /// Shows the workflows that come with Waymark.
    #[command(subcommand)]
    Preset(Preset),
    /// Applies, exports, checks, draws and compares workflows.
    ///
    /// Where a SOURCE is asked, it is a file (.yaml, .json, or a Magento 1 config.xml), `-` for the standard input,
    /// `preset:NAME`, or `workflow:CODE` of a running server, also `workflow:CODE@VERSION`. Files are in UTF-8, a
    /// config.xml also in ISO-8859-1 or US-ASCII if it declares that.
    #[command(subcommand)]
    Workflow(Workflow),
    /// Passes history on as it is written, one JSON object a line.
    ///
    /// Reconnects when the connection is lost, however that happens, and goes on after the last message that was taken.
    /// With `--resume-file` it does so over restarts of its own. The file is replaced once a message was taken, so that a
    /// crash repeats the entries of a message but never skips any. Taken is what the command of `--exec` ended well with,
    /// what the reader of `--ack` acknowledged, or what was written to a file. What was written into a pipe is none of
    /// these: its reader may die before it reads it, so a pipe and a resume file need `--ack`.
    #[command(after_help = WATCH_EXAMPLES)]
    Watch(Watch),
    /// Prints the version.
    Version,
}

fn settings_help() -> String {
    use std::fmt::Write;
    let mut text = String::from(
        "Settings (in a TOML file as written, in the environment as WAYMARK_ and capitals, with --set as KEY=VALUE; \
         durations as 3s, 250ms or 1m 30s):\n",
    );
    for key in waymark_server::settings::keys() {
        let default = if key.default.is_empty() {
            String::new()
        } else {
            format!(" [{}]", key.default)
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {:<28}{}{default}", key.name, key.help);
    }
    text
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// Allows an address that is not loopback, although there is no authentication yet.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Workflow of requests that name none.
    #[arg(long, value_name = "CODE")]
    pub(crate) default_workflow: Option<String>,
    /// Preset that an empty database gets; `none` for no workflow.
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// A TOML file of settings. None is read unless it is named.
    #[arg(long, env = "WAYMARK_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// `sqlite://FILE` or `postgres://user@host/database`.
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
    /// A level such as info, or directives such as `info,waymark_server=debug`.
    #[arg(long, value_name = "FILTER")]
    pub(crate) log_level: Option<String>,
    /// pretty, json, or auto: pretty on a terminal.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Sets any other setting; may be repeated. `waymark serve --help` lists them.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
}

fn key_value(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The server to ask.
    #[arg(
        long,
        env = "WAYMARK_SERVER",
        default_value = "http://127.0.0.1:50551",
        value_name = "URL",
        value_parser = server_url,
        global = true
    )]
    pub(crate) server: String,
}

fn server_url(text: &str) -> Result<String, &'static str> {
    let address = text.strip_prefix("http://").filter(|it| !it.is_empty());
    let text = address.map(|_| text.to_owned());
    text.ok_or("must be like http://127.0.0.1:50551")
}

/// Who changes something.
#[derive(Debug, Args)]
pub(crate) struct Caller {
    /// Who does it, as the server keeps it; empty for a program without a name.
    #[arg(
        long = "actor",
        value_name = "ID",
        env = "USER",
        hide_env_values = true
    )]
    id: Option<String>,
}

impl Caller {
    /// The actor of a call; none for a program without a name.
    pub(crate) fn actor(self) -> Option<v1::Actor> {
        let id = self.id.filter(|id| !id.is_empty())?;
        Some(v1::Actor {
            kind: v1::ActorKind::User.into(),
            id,
            ..v1::Actor::default()
        })
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Preset {
    /// Lists the presets.
    List,
    /// Prints the document of a preset.
    Show {
        /// The name of the preset.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Workflow {
    /// Makes a workflow of the server what a document says, and prints what changed.
    Apply(Apply),
    /// Prints a workflow of the server as a document, without loss.
    Export(Export),
    /// Says what is wrong with a workflow. Exits with 1 on errors.
    ///
    /// Where a server is asked, by `workflow:CODE`, it also says which endpoints and templates it does not have, and what
    /// of the workflow it cannot read.
    Lint(Lint),
    /// Draws a workflow.
    Diagram(Diagram),
    /// Says what differs between two workflows. Exits with 1 if anything does.
    Diff(Diff),
    /// Asks the automatic transitions of all orders of a workflow once, after a rule has changed. Exits with 1 where orders
    /// were refused.
    ///
    /// Prints the orders that moved, each with the transitions that it took. A connection that is lost meanwhile is made
    /// again, and what was begun is gone on with.
    Settle(Settle),
}

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DocumentFormat {
    Yaml,
    Json,
    /// The config.xml of a Magento 1 module.
    MagentoXml,
}

/// What happens to parts that the document does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ApplyMode {
    /// They are removed.
    Replace,
    /// They are kept.
    Merge,
}

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    Yaml,
    Json,
}

/// The language of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiagramFormat {
    Mermaid,
    Dot,
    Svg,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The document: a file, or `-` for the standard input.
    pub(crate) file: PathBuf,
    /// How it is written; else as the ending of the file's name says, else YAML.
    #[arg(long)]
    pub(crate) format: Option<DocumentFormat>,
    /// The workflow; else the one that the document names, else the server's default.
    #[arg(long, value_name = "CODE")]
    pub(crate) workflow: Option<String>,
    /// What happens to parts that the document does not name; else replace, for Magento's XML merge.
    #[arg(long)]
    pub(crate) mode: Option<ApplyMode>,
    /// Makes the states that a Magento config.xml names and the workflow does not have.
    #[arg(long)]
    pub(crate) create_states: bool,
    /// Refuses unless the workflow has this etag, which each apply prints.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) etag: String,
    /// Makes the call safe to repeat, as after a lost connection, when it may have been carried out.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) request_id: String,
    /// Says what would change, and changes nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) caller: Caller,
    #[command(flatten)]
    pub(crate) server: Server,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The workflow; else the server's default.
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) workflow: String,
    /// How to write it.
    #[arg(long, default_value = "yaml")]
    pub(crate) format: ExportFormat,
    /// An earlier version.
    #[arg(long, default_value_t = 0, hide_default_value = true, value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) version: i64,
    #[command(flatten)]
    pub(crate) server: Server,
}

#[derive(Debug, Args)]
pub(crate) struct Lint {
    /// What to check: a file, `-`, `preset:NAME` or `workflow:CODE`, which its server judges.
    pub(crate) source: Source,
    /// How a document is written; else as the ending of the file's name says, else YAML.
    #[arg(long)]
    pub(crate) format: Option<DocumentFormat>,
    /// Checks the document as it would be after being merged into this workflow; into one of a server, that server judges.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) onto: Option<Source>,
    /// Checks a Magento config.xml as if the states were made that it names and the workflow does not have.
    #[arg(long)]
    pub(crate) create_states: bool,
    /// Exits with 1 on warnings too.
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) server: Server,
}

#[derive(Debug, Args)]
pub(crate) struct Diagram {
    /// What to draw: a file, `-`, `preset:NAME` or `workflow:CODE`.
    pub(crate) source: Source,
    /// How a document is written; else as the ending of the file's name says, else YAML.
    #[arg(long)]
    pub(crate) format: Option<DocumentFormat>,
    /// The language of the drawing.
    #[arg(long, default_value = "mermaid")]
    pub(crate) language: DiagramFormat,
    /// Marks where this order stands and has been; for `workflow:CODE` only.
    #[arg(long, value_name = "ORDER_ID")]
    pub(crate) order: Option<String>,
    /// Shows how many orders stand where; for `workflow:CODE` only.
    #[arg(long)]
    pub(crate) counts: bool,
    #[command(flatten)]
    pub(crate) server: Server,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The workflow before: a file, `-`, `preset:NAME` or `workflow:CODE[@VERSION]`.
    pub(crate) before: Source,
    /// The workflow after.
    pub(crate) after: Source,
    #[command(flatten)]
    pub(crate) server: Server,
}

#[derive(Debug, Args)]
pub(crate) struct Settle {
    /// The workflow; else the server's default.
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) workflow: String,
    /// Says which orders would move, and moves none.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// A role of who does it, for transitions that need one; may be repeated.
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    #[command(flatten)]
    pub(crate) caller: Caller,
    #[command(flatten)]
    pub(crate) server: Server,
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WatchFrom {
    /// With what is written from now on.
    Now,
    /// With the oldest entry that is kept.
    Beginning,
}

/// The kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum EntryKind {
    Created,
    Transitioned,
    Commented,
    Held,
    Released,
    OperationRecorded,
    Updated,
    Imported,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Where to begin, unless the resume file says.
    #[arg(long, default_value = "now")]
    pub(crate) from: WatchFrom,
    /// Keeps what was taken, which is where to go on after a restart.
    #[arg(long, value_name = "FILE")]
    pub(crate) resume_file: Option<PathBuf>,
    /// Only orders of this workflow; may be repeated.
    #[arg(long = "workflow", value_name = "CODE")]
    pub(crate) workflows: Vec<String>,
    /// Only this order; may be repeated.
    #[arg(long = "order", value_name = "ORDER_ID")]
    pub(crate) orders: Vec<String>,
    /// Only entries of this kind; may be repeated.
    #[arg(long = "kind")]
    pub(crate) kinds: Vec<EntryKind>,
    /// Only entries that lead to this status; may be repeated.
    #[arg(long = "status", value_name = "CODE")]
    pub(crate) statuses: Vec<String>,
    /// Only entries that changed the status.
    #[arg(long)]
    pub(crate) status_changes_only: bool,
    /// Only this partition, from 0; may be repeated. Several watchers may share the work so.
    #[arg(long = "partition", value_name = "NUMBER")]
    pub(crate) partitions: Vec<i32>,
    /// How often the server says how far it is, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub(crate) checkpoint_interval_ms: u64,
    /// Ends when everything up to now is printed.
    #[arg(long, conflicts_with_all = ["partitions", "checkpoint_interval_ms"])]
    pub(crate) until_now: bool,
    /// Passes whole messages on, checkpoints and tokens included, instead of entries.
    #[arg(long)]
    pub(crate) messages: bool,
    /// Runs this command of the shell for each message that has entries, which it finds on its standard input, one a
    /// line. When it ends with 0 the next message comes; else the watch ends with 6.
    #[arg(long, value_name = "COMMAND", conflicts_with = "ack")]
    pub(crate) exec: Option<String>,
    /// Waits for a line on the standard input after each message; whole messages are printed then, one a line. When the
    /// input ends, the watch ends with 6.
    #[arg(long)]
    pub(crate) ack: bool,
    /// Ends with 3 when the server goes away, instead of connecting again.
    #[arg(long)]
    pub(crate) no_reconnect: bool,
    #[command(flatten)]
    pub(crate) server: Server,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_lists_every_setting_and_exit_code() {
        let mut command = Arguments::command();
        assert!(
            command
                .render_long_help()
                .to_string()
                .contains("Exit codes")
        );
        let serve = command
            .find_subcommand_mut("serve")
            .unwrap()
            .render_long_help()
            .to_string();
        for key in waymark_server::settings::keys() {
            assert!(serve.contains(key.name), "{}", key.name);
        }
    }
}
