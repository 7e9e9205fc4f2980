//! Mail servers that answer without end.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};
use waymark_transports::mail::{Security, Server};

use super::{assert_accepted, assert_failed, certificate, mail, mailer_of};
use crate::certificate::Certificate;

/// Where in the conversation there is no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endless {
    Greeting,
    /// The reply to the first command with this word.
    To(&'static str),
    Nowhere,
}

/// How an answer goes on.
type Filling = &'static [u8];

const IN_ONE_LINE: Filling = &[b'a'; 4_096];
const IN_MANY_LINES: Filling = b"250-and so on\r\n";
/// No more than this must be taken, buffers included.
const TAKEN_MAX: usize = 8 << 20;

/// A server that says how many bytes were taken of its endless answers.
async fn server(
    endless: Endless,
    filling: Filling,
    tls: Option<TlsAcceptor>,
) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&taken);
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            let counter = Arc::clone(&counter);
            // Whoever hangs up has had enough.
            let _: io::Result<()> = match &tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => converse(stream, endless, filling, &counter).await,
                    Err(error) => Err(error),
                },
                None => converse(stream, endless, filling, &counter).await,
            };
        }
    });
    (port, taken)
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    endless: Endless,
    filling: Filling,
    taken: &AtomicUsize,
) -> io::Result<()> {
    if endless == Endless::Greeting {
        stream.write_all(b"220-").await?;
        return fill(&mut stream, filling, taken).await;
    }
    stream.write_all(b"220 here\r\n").await?;
    let mut received = Vec::new();
    let mut in_data = false;
    loop {
        let end: &[u8] = if in_data { b"\r\n.\r\n" } else { b"\r\n" };
        let Some(at) = received.windows(end.len()).position(|window| window == end) else {
            if stream.read_buf(&mut received).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let said: Vec<u8> = received.drain(..at + end.len()).collect();
        let said = String::from_utf8_lossy(&said).into_owned();
        if let Endless::To(word) = endless
            && (said.starts_with(word) || in_data && word == ".")
        {
            stream.write_all(b"250-").await?;
            return fill(&mut stream, filling, taken).await;
        }
        in_data = said.starts_with("DATA");
        let reply: &[u8] = if in_data {
            b"354 go on\r\n"
        } else {
            b"250 2.0.0 queued as 4711\r\n"
        };
        stream.write_all(reply).await?;
        if said.starts_with("QUIT") {
            return Ok(());
        }
    }
}

async fn fill(
    stream: &mut (impl AsyncWrite + Unpin),
    filling: Filling,
    taken: &AtomicUsize,
) -> io::Result<()> {
    loop {
        stream.write_all(filling).await?;
        taken.fetch_add(filling.len(), Ordering::Relaxed);
    }
}

fn acceptor(certificate: &Certificate) -> TlsAcceptor {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let chain = CertificateDer::pem_file_iter(&certificate.file).unwrap();
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&certificate.key_file).unwrap();
    let config = builder.with_no_client_auth().with_single_cert(chain, key);
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

#[tokio::test]
async fn a_reply_without_end_is_left() {
    let places = [
        Endless::Greeting,
        Endless::To("EHLO"),
        Endless::To("MAIL"),
        Endless::To("RCPT"),
        Endless::To("DATA"),
        Endless::To("."),
    ];
    for (place, filling) in places
        .into_iter()
        .flat_map(|place| [(place, IN_ONE_LINE), (place, IN_MANY_LINES)])
    {
        let (port, taken) = server(place, filling, None).await;
        let plain = Server::new("127.0.0.1", port, Security::None).unwrap();
        let attempt = mailer_of(plain).send(mail("new_order")).await;
        assert_failed(&attempt, None, "127.0.0.1");
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken < TAKEN_MAX, "{place:?}: {taken}");
    }
}

#[tokio::test]
async fn a_reply_without_end_is_left_within_tls() {
    let certificate = certificate::for_localhost();
    let tls = || Some(acceptor(&certificate));
    let trusting = |port| {
        let server = Server::new("localhost", port, Security::Tls).unwrap();
        mailer_of(server.with_authorities(&certificate.pem).unwrap())
    };
    let (port, _) = server(Endless::Nowhere, IN_ONE_LINE, tls()).await;
    assert_accepted(&trusting(port).send(mail("new_order")).await);
    for place in [Endless::Greeting, Endless::To("RCPT")] {
        let (port, taken) = server(place, IN_ONE_LINE, tls()).await;
        let attempt = trusting(port).send(mail("new_order")).await;
        assert_failed(&attempt, None, "sent more than 262144 bytes for one mail");
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken < TAKEN_MAX, "{place:?}: {taken}");
    }
}

/// What one mail was answered does not count for the next one.
#[tokio::test]
async fn a_connection_that_is_kept_may_answer_again() {
    let (port, _) = server(Endless::Nowhere, IN_ONE_LINE, None).await;
    let mailer = mailer_of(Server::new("127.0.0.1", port, Security::None).unwrap());
    // Some 200 bytes a mail.
    for _ in 0..3_000 {
        assert_accepted(&mailer.send(mail("new_order")).await);
    }
}
