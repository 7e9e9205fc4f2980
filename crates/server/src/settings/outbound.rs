//! Settings of mails and of events. Those of a server that is not named are checked all the same.

use std::{
    fs, io,
    net::Ipv6Addr,
    path::{Path, PathBuf},
};

use serde::Deserializer;
use waymark_transports::{
    Password,
    mail::{Identity, Mailbox, Security, Senders, Server},
    publish::{Access, Servers},
};

use super::{
    key::{if_given, parsed, settings},
    values::{Noted, Values},
};

/// Stands for the server that is not named.
const ANY_HOST: &str = "localhost";

/// How mails are sent.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The server that takes them.
    pub server: Server,
    /// Who they are from.
    pub senders: Senders,
}

settings! {
    /// Mails, as they are set.
    pub(super) struct MailKeys {
        /// SMTP server that takes mails; unset: none are sent, and their deliveries stay pending.
        #[serde(deserialize_with = "host")]
        host: Option<String> = "smtp_host", Text, "";
        /// `starttls`, `tls` or `none`.
        #[serde(deserialize_with = "security")]
        security: Security = "smtp_security", Word(&["starttls", "tls", "none"]), "starttls";
        /// Its port; unset: 587 with `starttls`, 465 with `tls`, 25 with `none`.
        port: Option<u16> = "smtp_port", Number(1, 65_535), "";
        /// User to log in as; unset: no login.
        user: Option<String> = "smtp_user", Text, "";
        /// Password of that user.
        password: Option<String> = "smtp_password", Text, "";
        /// PEM file of authorities to trust besides those of the system.
        ca_file: Option<PathBuf> = "smtp_ca_file", Text, "";
        /// Name to greet the server with; unset: the domain of the general sender.
        hello_name: Option<String> = "smtp_hello_name", Text, "";
        /// General contact, such as `Shop <shop@example.com>`; needed where mails are sent.
        #[serde(deserialize_with = "mailbox")]
        general: Option<Mailbox> = "mail_general", Text, "";
        /// Sales representative; unset: the general contact, and so for the next three.
        #[serde(deserialize_with = "mailbox")]
        sales: Option<Mailbox> = "mail_sales", Text, "";
        /// Customer support.
        #[serde(deserialize_with = "mailbox")]
        support: Option<Mailbox> = "mail_support", Text, "";
        /// First sender of the shop's own.
        #[serde(deserialize_with = "mailbox")]
        custom1: Option<Mailbox> = "mail_custom1", Text, "";
        /// Second sender of the shop's own.
        #[serde(deserialize_with = "mailbox")]
        custom2: Option<Mailbox> = "mail_custom2", Text, "";
        /// Directory of the shop's own templates of mails; unset: those that are built in.
        templates: Option<PathBuf> = "mail_templates", Text, "";
    }
}

settings! {
    /// Events, as they are set.
    pub(super) struct NatsKeys {
        /// NATS servers that take events, such as `nats://host:4222`, separated by commas; unset:
        /// none are sent, and their deliveries stay pending.
        servers: Option<String> = "nats_servers", Text, "";
        /// `.creds` file to log in to NATS with.
        credentials_file: Option<PathBuf> = "nats_credentials_file", Text, "";
        /// Token to log in to NATS with.
        token: Option<String> = "nats_token", Text, "";
        /// User to log in to NATS as.
        user: Option<String> = "nats_user", Text, "";
        /// Password of that user.
        password: Option<String> = "nats_password", Text, "";
        /// PEM file of authorities to trust besides those of the system.
        ca_file: Option<PathBuf> = "nats_ca_file", Text, "";
    }
}

/// Reads the settings of mails, none where no server is named, and the directory of templates.
pub(super) fn mail(values: &mut Values) -> Result<(Option<MailSettings>, Option<PathBuf>), Noted> {
    let keys: MailKeys = values.read()?;
    if let Some(path) = &keys.templates
        && let Err(error) = check_directory(path)
    {
        let path = path.display();
        let problem = format!("names a directory that cannot be used: {path}: {error}");
        values.note("mail_templates", &[], problem);
    }
    let is_on = keys.host.is_some();
    if is_on && keys.general.is_none() {
        let problem = "must be a sender such as `Shop <shop@example.com>`, since mail is on";
        values.note("mail_general", &[], problem);
    }
    let server = mail_server(values, &keys)?;
    let senders = keys.general.filter(|_| is_on).map(|general| {
        let others = [
            (Identity::Sales, keys.sales),
            (Identity::Support, keys.support),
            (Identity::Custom1, keys.custom1),
            (Identity::Custom2, keys.custom2),
        ];
        let named = others.into_iter();
        let named = named.filter_map(|(identity, mailbox)| Some((identity, mailbox?)));
        named.fold(Senders::new(general), |senders, (identity, mailbox)| {
            senders.with(identity, mailbox)
        })
    });
    let settings = senders.map(|senders| MailSettings { server, senders });
    Ok((settings, keys.templates))
}

fn mail_server(values: &mut Values, keys: &MailKeys) -> Result<Server, Noted> {
    let security = keys.security;
    let port = keys.port.unwrap_or_else(|| security.usual_port());
    let unnamed = Server::new(ANY_HOST, port, security);
    let mut server = unnamed.map_err(|error| values.note("smtp_host", &[], error))?;
    if let Some(host) = &keys.host {
        server = values.change("smtp_host", server, |_| Server::new(host, port, security));
    }
    if let Some(user) = &keys.user {
        if keys.password.is_none() {
            let problem = "must be given together with smtp_password";
            values.note("smtp_user", &["smtp_password"], problem);
        }
        let password = Password::new(keys.password.as_deref().unwrap_or_default());
        let change = |server: Server| server.with_login(user, password);
        server = values.change("smtp_user", server, change);
    }
    if let Some(pem) = values.file("smtp_ca_file", keys.ca_file.as_deref()) {
        let change = |server: Server| server.with_authorities(&pem);
        server = values.change("smtp_ca_file", server, change);
    }
    if let Some(name) = &keys.hello_name {
        let change = |server: Server| server.with_hello_name(name);
        server = values.change("smtp_hello_name", server, change);
    }
    Ok(server)
}

/// Reads the settings of events; none where no server is named.
pub(super) fn nats(values: &mut Values) -> Result<Option<Servers>, Noted> {
    let keys: NatsKeys = values.read()?;
    let unnamed = Servers::new([ANY_HOST]);
    let mut servers = unnamed.map_err(|error| values.note("nats_servers", &[], error))?;
    if let Some(addresses) = &keys.servers {
        let addresses = addresses.split(',').map(str::trim);
        servers = values.change("nats_servers", servers, |_| Servers::new(addresses));
    }
    let access = nats_access(values, &keys);
    let change = |servers: Servers| servers.with_access(access);
    servers = values.change("nats_credentials_file", servers, change);
    if let Some(pem) = values.file("nats_ca_file", keys.ca_file.as_deref()) {
        let change = |servers: Servers| servers.with_authorities(&pem);
        servers = values.change("nats_ca_file", servers, change);
    }
    Ok(keys.servers.map(|_| servers))
}

fn nats_access(values: &mut Values, keys: &NatsKeys) -> Access {
    let credentials = values.file("nats_credentials_file", keys.credentials_file.as_deref());
    if keys.user.is_some() && keys.password.is_none() {
        let problem = "must be given together with nats_password";
        values.note("nats_user", &["nats_password"], problem);
    }
    if keys.user.is_some() && keys.token.is_some() {
        let problem = "must be given without nats_user, since there is one way to log in";
        values.note("nats_token", &[], problem);
    }
    match (credentials, &keys.token, &keys.user) {
        (Some(credentials), _, _) => Access::Credentials(Password::new(credentials)),
        (None, Some(token), _) => Access::Token(Password::new(token.as_str())),
        (None, None, Some(name)) => Access::User {
            name: name.clone(),
            password: Password::new(keys.password.as_deref().unwrap_or_default()),
        },
        (None, None, None) => Access::Anonymous,
    }
}

fn check_directory(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() {
        Ok(())
    } else {
        Err(io::ErrorKind::NotADirectory.into())
    }
}

/// Reads the name or the address of a server, which has its port in a setting of its own.
fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let problem =
        "must be the name of a server alone, such as mail.example.com: its port is smtp_port";
    parsed(deserializer, |text| {
        let inner = text.strip_prefix('[');
        let inner = inner.and_then(|text| text.strip_suffix(']'));
        if text.contains(':') && inner.unwrap_or(text).parse::<Ipv6Addr>().is_err() {
            return Err(problem);
        }
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    })
}

fn security<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Security, D::Error> {
    parsed(deserializer, |text| {
        let security = text.parse::<Security>();
        security.map_err(|error| format!("is refused: {error}"))
    })
}

/// Reads `Name <address>` or an address alone.
fn mailbox<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Mailbox>, D::Error> {
    parsed(deserializer, |text| {
        if_given(text.trim(), |text| {
            let named = text.strip_suffix('>').and_then(|text| text.split_once('<'));
            let (name, address) = named.unwrap_or(("", text));
            Mailbox::new(name.trim(), address).map_err(|error| format!("is refused: {error}"))
        })
    })
}
