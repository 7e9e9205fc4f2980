//! The reasons why no answer came, in words for the merchant. They name the host of the URL
//! and never an address, which would disclose the network Waymark runs in.

use std::{error::Error, io, iter, time::Duration};

use hyper_util::client::legacy;
use rustls::CertificateError;

use crate::{Barred, Post, client::SendError, resolver::Unresolved};

/// The destination of a webhook, as far as the words need it.
pub(crate) struct Destination {
    host: String,
    timeout: Duration,
}

impl From<&Post> for Destination {
    fn from(post: &Post) -> Self {
        Self {
            host: post.url.host().to_string(),
            timeout: post.timeout,
        }
    }
}

/// The reason why no answer came, in one sentence.
pub(crate) fn problem(error: &SendError, destination: &Destination) -> String {
    let Destination { host, timeout } = destination;
    match error {
        SendError::Timeout => format!("{host} did not answer within {timeout:?}"),
        SendError::Interim => {
            format!("{host} sent one interim response (1xx) after the other, and no answer")
        }
        SendError::Client(error) => client_problem(error, host),
    }
}

fn client_problem(error: &legacy::Error, host: &str) -> String {
    if let Some(barred) = find::<Barred>(error) {
        barred.to_string()
    } else if find::<Unresolved>(error).is_some() {
        format!("the name {host} was not found")
    } else if find::<io::Error>(error).is_some_and(|it| it.kind() == io::ErrorKind::TimedOut) {
        // The system gave the connection up.
        format!("{host} did not answer in time")
    } else if let Some(tls) = find::<rustls::Error>(error) {
        tls_problem(tls, host)
    } else if error.is_connect() {
        connect_problem(error, host)
    } else if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
        format!("the answer of {host} is not HTTP")
    } else {
        format!("{host} closed the connection before it answered")
    }
}

fn connect_problem(error: &legacy::Error, host: &str) -> String {
    match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => format!("{host} refused the connection"),
        _ => format!("no connection to {host} could be made"),
    }
}

fn tls_problem(error: &rustls::Error, host: &str) -> String {
    let rustls::Error::InvalidCertificate(reason) = error else {
        return format!("no secure connection to {host} could be made");
    };
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the certificate of {host} has expired")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate of {host} is for another name")
        }
        CertificateError::UnknownIssuer => {
            format!("the certificate of {host} comes from an authority that is not trusted here")
        }
        _ => format!("the certificate of {host} is not valid"),
    }
}

fn find<'e, T: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e T> {
    let mut causes = iter::successors(Some(error), |error| cause(*error));
    causes.find_map(|error| error.downcast_ref())
}

fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref().and_then(io::Error::get_ref) {
        // The `source` of an error of IO leaves out the error that it wraps.
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}
