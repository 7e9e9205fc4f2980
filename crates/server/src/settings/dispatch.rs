//! Settings of what leads out of the house.

use std::{error::Error, fs, io, net::Ipv6Addr, path::PathBuf};

use waymark_transports::{
    Password, WebhookSettings,
    mail::{Identity, Mailbox, Security, Senders, Server},
    publish::{Access, Servers},
};

use super::{
    DispatchSettings, Keep, MailSettings, parse,
    source::{Noted, Problem, Values},
};

/// Stands for the server that is not named where what is said about one is checked all the same.
const ANY_HOST: &str = "localhost";

/// The senders besides the general one, with the keys that name them.
const SENDERS: [(&str, Identity); 4] = [
    ("mail_sales", Identity::Sales),
    ("mail_support", Identity::Support),
    ("mail_custom1", Identity::Custom1),
    ("mail_custom2", Identity::Custom2),
];

/// Reads the settings of deliveries.
pub(super) fn read(values: &mut Values) -> Result<DispatchSettings, Noted> {
    let lease = values.take("dispatch_lease_ms", parse::milliseconds(100));
    let poll_interval = values.take("dispatch_poll_ms", parse::milliseconds(10));
    let in_flight_max = values.take("deliveries_in_flight_max", parse::count(1, 10_000));
    let deliveries = values.take("deliveries_keep_days", parse::days(36_500));
    let requests = values.take("requests_keep_days", parse::days(36_500));
    let allowed = values.take("webhooks_allowed", parse::allowed);
    let https_only = values.take("webhooks_https_only", parse::switch);
    let mail = mail(values);
    let templates = values.take("mail_templates", parse::optional(directory));
    let nats = nats(values);
    Ok(DispatchSettings {
        lease: lease?,
        poll_interval: poll_interval?,
        in_flight_max: in_flight_max?,
        keep: Keep {
            deliveries: deliveries?,
            requests: requests?,
        },
        webhooks: WebhookSettings {
            allowed: allowed?,
            https_only: https_only?,
        },
        mail: mail?,
        templates: templates?,
        nats: nats?,
    })
}

fn refused(error: impl Error + Send + Sync + 'static) -> Problem {
    Problem::Refused(Box::new(error))
}

/// A text where empty means none.
fn given(values: &mut Values, key: &'static str) -> Result<Option<String>, Noted> {
    values.take(key, parse::optional(|text| Ok(text.to_owned())))
}

/// The content of a file that a key names, if it does.
fn file(values: &mut Values, key: &'static str) -> Result<Option<String>, Noted> {
    let content = |path: &str| fs::read_to_string(path).map_err(Problem::File);
    values.take(key, parse::optional(content))
}

/// Changes what is set up so far; where that is refused, notes it and leaves all as it was.
fn change<T: Clone, E: Error + Send + Sync + 'static>(
    values: &mut Values,
    key: &'static str,
    before: T,
    change: impl FnOnce(T) -> Result<T, E>,
) -> T {
    change(before.clone()).unwrap_or_else(|error| {
        values.note(key, refused(error));
        before
    })
}

fn mail(values: &mut Values) -> Result<Option<MailSettings>, Noted> {
    let host = values.take("smtp_host", parse::optional(host));
    let named = host.as_ref().ok().and_then(Option::as_deref);
    let server = mail_server(values, named);
    let senders = senders(values, named.is_some());
    let is_on = host?.is_some();
    let (server, senders) = (server?, senders?);
    let settings = senders.map(|senders| MailSettings { server, senders });
    Ok(settings.filter(|_| is_on))
}

/// The server of mails, perhaps without a name.
fn mail_server(values: &mut Values, host: Option<&str>) -> Result<Server, Noted> {
    let security = values.take("smtp_security", |text| {
        text.parse::<Security>().map_err(refused)
    });
    let port = values.take("smtp_port", parse::optional(port));
    let user = given(values, "smtp_user");
    let password = given(values, "smtp_password");
    if let (Ok(Some(_)), Ok(None)) = (&user, &password) {
        let expected = "given together with smtp_password";
        values.note("smtp_user", Problem::Expected(expected));
    }
    let authorities = file(values, "smtp_ca_file");
    let name = given(values, "smtp_hello_name");
    let security = security?;
    let port = port?.unwrap_or_else(|| security.usual_port());
    let unnamed = Server::new(ANY_HOST, port, security);
    let mut server = unnamed.map_err(|error| values.note("smtp_host", refused(error)))?;
    if let Some(host) = host {
        server = change(values, "smtp_host", server, |_| {
            Server::new(host, port, security)
        });
    }
    if let Some(user) = user? {
        let password = Password::new(password?.unwrap_or_default());
        server = change(values, "smtp_user", server, |server| {
            server.with_login(&user, password)
        });
    }
    if let Some(pem) = authorities? {
        server = change(values, "smtp_ca_file", server, |server| {
            server.with_authorities(&pem)
        });
    }
    if let Some(name) = name? {
        server = change(values, "smtp_hello_name", server, |server| {
            server.with_hello_name(&name)
        });
    }
    Ok(server)
}

/// Who mails are from; none where no general sender is named, as where mail is off.
fn senders(values: &mut Values, is_on: bool) -> Result<Option<Senders>, Noted> {
    let general = values.take("mail_general", mailbox);
    let others = SENDERS.map(|(key, identity)| (identity, values.take(key, mailbox)));
    let Some(general) = general? else {
        if is_on {
            let expected = "a sender such as `Shop <shop@example.com>`, since mail is on";
            values.note("mail_general", Problem::Expected(expected));
        }
        return Ok(None);
    };
    let mut senders = Senders::new(general);
    for (identity, mailbox) in others {
        if let Some(mailbox) = mailbox? {
            senders = senders.with(identity, mailbox);
        }
    }
    Ok(Some(senders))
}

/// Reads the name or the address of a server, which has its port in a setting of its own.
fn host(text: &str) -> Result<String, Problem> {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    if text.contains(':') && inner.unwrap_or(text).parse::<Ipv6Addr>().is_err() {
        let expected =
            "the name of a server alone, such as mail.example.com: its port is smtp_port";
        return Err(Problem::Expected(expected));
    }
    Ok(text.to_owned())
}

fn port(text: &str) -> Result<u16, Problem> {
    let port = parse::count(1, u64::from(u16::MAX))(text)?;
    Ok(u16::try_from(port).unwrap_or(u16::MAX))
}

/// Reads the path of a directory that is there.
fn directory(text: &str) -> Result<PathBuf, Problem> {
    let path = PathBuf::from(text);
    let error = match fs::metadata(&path) {
        Ok(entry) if entry.is_dir() => return Ok(path),
        Ok(_) => io::Error::from(io::ErrorKind::NotADirectory),
        Err(error) => error,
    };
    Err(Problem::Directory { path, error })
}

/// Reads `Name <address>` or an address alone; empty means none.
fn mailbox(text: &str) -> Result<Option<Mailbox>, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let (name, address) = match text.strip_suffix('>').and_then(|text| text.split_once('<')) {
        Some((name, address)) => (name.trim(), address),
        None => ("", text),
    };
    Mailbox::new(name, address).map(Some).map_err(refused)
}

fn nats(values: &mut Values) -> Result<Option<Servers>, Noted> {
    let addresses = given(values, "nats_servers");
    let access = nats_access(values);
    let authorities = file(values, "nats_ca_file");
    let addresses = addresses?;
    let unnamed = Servers::new([ANY_HOST]);
    let mut servers = unnamed.map_err(|error| values.note("nats_servers", refused(error)))?;
    if let Some(addresses) = &addresses {
        servers = change(values, "nats_servers", servers, |_| {
            Servers::new(addresses.split(',').map(str::trim))
        });
    }
    let access = access?;
    servers = change(values, "nats_credentials_file", servers, |servers| {
        servers.with_access(access)
    });
    if let Some(pem) = authorities? {
        servers = change(values, "nats_ca_file", servers, |servers| {
            servers.with_authorities(&pem)
        });
    }
    Ok(addresses.map(|_| servers))
}

fn nats_access(values: &mut Values) -> Result<Access, Noted> {
    let credentials = file(values, "nats_credentials_file");
    let token = given(values, "nats_token");
    let name = given(values, "nats_user");
    let password = given(values, "nats_password");
    if let (Ok(Some(_)), Ok(None)) = (&name, &password) {
        let expected = "given together with nats_password";
        values.note("nats_user", Problem::Expected(expected));
    }
    if let (Ok(Some(_)), Ok(Some(_))) = (&name, &token) {
        let expected = "given without nats_user, since there is one way to log in";
        values.note("nats_token", Problem::Expected(expected));
    }
    Ok(if let Some(credentials) = credentials? {
        Access::Credentials(Password::new(credentials))
    } else if let Some(token) = token? {
        Access::Token(Password::new(token))
    } else if let Some(name) = name? {
        let password = Password::new(password?.unwrap_or_default());
        Access::User { name, password }
    } else {
        Access::Anonymous
    })
}
