//! Settings of what leads out of the house.

use std::{error::Error, fs};

use waymark_delivery::{
    Password, WebhookSettings,
    mail::{Identity, Mailbox, Security, Senders, Server},
    publish::{Access, Servers},
};

use super::{
    DispatchSettings, MailSettings, parse,
    source::{Problem, SettingsError, Values},
};

/// The senders besides the general one, with the keys that name them.
const SENDERS: [(&str, Identity); 4] = [
    ("mail_sales", Identity::Sales),
    ("mail_support", Identity::Support),
    ("mail_custom1", Identity::Custom1),
    ("mail_custom2", Identity::Custom2),
];

/// Reads the settings of deliveries.
pub(super) fn read(values: &Values) -> Result<DispatchSettings, SettingsError> {
    Ok(DispatchSettings {
        lease: values.take("dispatch_lease_ms", parse::milliseconds(100))?,
        poll_interval: values.take("dispatch_poll_ms", parse::milliseconds(10))?,
        in_flight_max: values.take("deliveries_in_flight_max", parse::count(1, 10_000))?,
        keep: values.take("deliveries_keep_days", parse::days(36_500))?,
        webhooks: WebhookSettings {
            allowed: values.take("webhooks_allowed", parse::allowed)?,
            https_only: values.take("webhooks_https_only", parse::switch)?,
        },
        mail: mail(values)?,
        nats: nats(values)?,
    })
}

fn refused(error: impl Error + Send + Sync + 'static) -> Problem {
    Problem::Refused(Box::new(error))
}

/// A text where empty means none.
fn given(values: &Values, key: &'static str) -> Result<Option<String>, SettingsError> {
    values.take(key, |text| {
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    })
}

/// The content of a file that a key names, if it does.
fn file(values: &Values, key: &'static str) -> Result<Option<String>, SettingsError> {
    let Some(path) = given(values, key)? else {
        return Ok(None);
    };
    let content =
        fs::read_to_string(path).map_err(|error| values.refuse(key, Problem::File(error)));
    content.map(Some)
}

fn mail(values: &Values) -> Result<Option<MailSettings>, SettingsError> {
    let Some(host) = given(values, "smtp_host")? else {
        return Ok(None);
    };
    let security: Security = values.take("smtp_security", |text| text.parse().map_err(refused))?;
    let port = values.take("smtp_port", |text| match text {
        "" => Ok(security.usual_port()),
        text => {
            let port = parse::count(1, u64::from(u16::MAX))(text)?;
            Ok(u16::try_from(port).unwrap_or(u16::MAX))
        }
    })?;
    let refuse = |key, error| values.refuse(key, refused(error));
    let mut server = Server::new(&host, port, security).map_err(|e| refuse("smtp_host", e))?;
    if let Some(user) = given(values, "smtp_user")? {
        let password = Password::new(given(values, "smtp_password")?.unwrap_or_default());
        server = server
            .with_login(&user, password)
            .map_err(|e| refuse("smtp_user", e))?;
    }
    if let Some(pem) = file(values, "smtp_ca_file")? {
        server = server
            .with_authorities(&pem)
            .map_err(|e| refuse("smtp_ca_file", e))?;
    }
    if let Some(name) = given(values, "smtp_hello_name")? {
        server = server
            .with_hello_name(&name)
            .map_err(|e| refuse("smtp_hello_name", e))?;
    }
    let general = values.take("mail_general", mailbox)?;
    let Some(general) = general else {
        let problem =
            Problem::Expected("a sender such as `Shop <shop@example.com>`, since mail is on");
        return Err(values.refuse("mail_general", problem));
    };
    let mut senders = Senders::new(general);
    for (key, identity) in SENDERS {
        if let Some(mailbox) = values.take(key, mailbox)? {
            senders = senders.with(identity, mailbox);
        }
    }
    Ok(Some(MailSettings {
        server,
        senders,
        templates: given(values, "mail_templates")?.map(Into::into),
    }))
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

fn nats(values: &Values) -> Result<Option<Servers>, SettingsError> {
    let Some(addresses) = given(values, "nats_servers")? else {
        return Ok(None);
    };
    let refuse = |key, error| values.refuse(key, refused(error));
    let addresses = addresses.split(',').map(str::trim);
    let mut servers = Servers::new(addresses).map_err(|e| refuse("nats_servers", e))?;
    let password = |text: Option<String>| Password::new(text.unwrap_or_default());
    let access = if let Some(credentials) = file(values, "nats_credentials_file")? {
        Access::Credentials(Password::new(credentials))
    } else if let Some(token) = given(values, "nats_token")? {
        Access::Token(Password::new(token))
    } else if let Some(name) = given(values, "nats_user")? {
        let password = password(given(values, "nats_password")?);
        Access::User { name, password }
    } else {
        Access::Anonymous
    };
    servers = servers
        .with_access(access)
        .map_err(|e| refuse("nats_credentials_file", e))?;
    if let Some(pem) = file(values, "nats_ca_file")? {
        servers = servers
            .with_authorities(&pem)
            .map_err(|e| refuse("nats_ca_file", e))?;
    }
    Ok(Some(servers))
}
