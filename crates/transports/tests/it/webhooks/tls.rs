//! Endpoints behind TLS, with certificates of an authority that tests make.

use std::{fs, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer, pki_types::PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;
use waymark_transports::Outcome;

use super::{
    LOOPBACK,
    environment::{run_again, url_in_second_process},
    post_to, problem,
    receiver::Receiver,
    webhooks,
};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    // A name of its own, or its certificates would seem to be signed by themselves.
    params
        .distinguished_name
        .push(DnType::CommonName, "authority of the tests");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn leaf(authority: &Authority, name: &str, last_year: i32) -> (Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    (params.signed_by(&key, authority).unwrap(), key)
}

/// Serves any number of connections by TLS, and answers each with 204. Returns the port.
async fn serve((certificate, key): (Certificate, KeyPair)) -> u16 {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust the certificate breaks off here.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 4096];
            assert_ne!(stream.read(&mut request).await.unwrap(), 0);
            let answer = b"HTTP/1.1 204 OK\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    port
}

/// Runs a test again on a machine that trusts this authority.
async fn run_where_trusted(authority: &Authority, test: &str, url: String) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.pem"));
    fs::write(&file, authority.pem()).unwrap();
    let variables = vec![
        ("SSL_CERT_FILE", file.display().to_string()),
        ("SSL_CERT_DIR", String::new()),
    ];
    run_again(&format!("webhooks::tls::{test}"), url, variables).await;
}

#[tokio::test]
async fn a_certificate_that_the_machine_trusts_is_accepted() {
    if let Some(url) = url_in_second_process() {
        let attempt = webhooks(LOOPBACK).post(post_to(&url)).await;
        assert_eq!(
            (attempt.outcome, attempt.code),
            (Outcome::Accepted, Some(204))
        );
        return;
    }
    let authority = authority();
    let port = serve(leaf(&authority, "localhost", 2099)).await;
    let test = "a_certificate_that_the_machine_trusts_is_accepted";
    run_where_trusted(&authority, test, format!("https://localhost:{port}/")).await;
}

#[tokio::test]
async fn an_expired_certificate_is_told() {
    if let Some(url) = url_in_second_process() {
        let attempt = webhooks(LOOPBACK).post(post_to(&url)).await;
        assert_eq!(problem(attempt), "the certificate of localhost has expired");
        return;
    }
    let authority = authority();
    let port = serve(leaf(&authority, "localhost", 2021)).await;
    let test = "an_expired_certificate_is_told";
    run_where_trusted(&authority, test, format!("https://localhost:{port}/")).await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_told() {
    if let Some(url) = url_in_second_process() {
        let attempt = webhooks(LOOPBACK).post(post_to(&url)).await;
        let expected = "the certificate of localhost is for another name";
        assert_eq!(problem(attempt), expected);
        return;
    }
    let authority = authority();
    let port = serve(leaf(&authority, "inner-name.internal", 2099)).await;
    let test = "a_certificate_for_another_name_is_told";
    run_where_trusted(&authority, test, format!("https://localhost:{port}/")).await;
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_told() {
    let port = serve(leaf(&authority(), "localhost", 2099)).await;
    let url = format!("https://localhost:{port}/");
    let attempt = webhooks(LOOPBACK).post(post_to(&url)).await;
    assert_eq!(
        problem(attempt),
        "the certificate of localhost comes from an authority that is not trusted here"
    );
}

#[tokio::test]
async fn a_port_without_tls_is_told() {
    let receiver = Receiver::answering(axum::response::Response::default).await;
    let url = format!("https://localhost:{}/", receiver.address.port());
    let attempt = webhooks(LOOPBACK).post(post_to(&url)).await;
    let expected = "no secure connection to localhost could be made";
    assert_eq!(problem(attempt), expected);
}
