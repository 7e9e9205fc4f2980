//! TLS to PostgreSQL: each mode of an address against servers with and without it, and who is
//! trusted.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use waymark_domain::value::Timestamp;
use waymark_persistence::{Clock, Error, Store, migrate, test_access};
use waymark_testkit::{
    Fixture,
    postgres::{Durability, Server, database_in},
};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for a name and its key, both as PEM.
fn leaf(authority: &Authority, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    // A name of its own, or it would seem to be signed by itself.
    params.distinguished_name.push(DnType::CommonName, name);
    let certificate = params.signed_by(&key, authority).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn kept(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    file
}

/// Migrates and opens a database, and returns whether all that the store opened is encrypted.
async fn encrypted(url: &str) -> Result<bool, Error> {
    let (clock, _) = Clock::manual(Timestamp::from_micros(0));
    let settings = Fixture::settings(url);
    migrate(&settings, &clock).await?;
    let store = Store::open(settings, clock).await?;
    test_access::execute(&store, "SELECT 1").await?;
    let sessions = |what: &str| {
        format!(
            "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) \
             WHERE application_name = 'waymark' AND {what}"
        )
    };
    let open = test_access::number(&store, &sessions("true")).await?;
    let safe = test_access::number(&store, &sessions("ssl")).await?;
    store.close().await?;
    assert!(open >= 2, "one that reads and one that writes");
    assert!(safe == 0 || safe == open, "{safe} of {open}");
    Ok(safe > 0)
}

fn with(url: &str, query: &str, file: &Path) -> String {
    format!("{url}?{query}&sslrootcert={}", file.display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modes_verify_what_they_promise() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, others) = (authority("ours"), authority("others"));
    let right = kept(&folder, "ours.pem", &ours.pem());
    let wrong = kept(&folder, "others.pem", &others.pem());
    let (certificate, key) = leaf(&ours, "127.0.0.1");
    let files = [("server.crt", &*certificate), ("server.key", &*key)];
    let server = Server::start_with_files(&["ssl=on"], &files);
    let url = server.url("postgres");
    let named = format!("postgres://postgres@localhost:{}/postgres", server.port());
    for (url, expected) in [
        (url.clone(), true),
        (format!("{url}?sslmode=prefer"), true),
        (format!("{url}?sslmode=disable"), false),
        (with(&url, "sslmode=require", &right), true),
        (with(&url, "sslmode=verify-ca", &right), true),
        (with(&url, "sslmode=verify-full", &right), true),
        // Another name for the same address, about which this mode does not ask.
        (
            with(&named, "hostaddr=127.0.0.1&sslmode=verify-ca", &right),
            true,
        ),
        // What follows the mode is a password.
        (
            url.replace("postgres@", "postgres:sslmode=verify-full@"),
            true,
        ),
    ] {
        let found = encrypted(&url).await;
        assert_eq!(found.ok(), Some(expected), "{url}");
    }
    for url in [
        with(&url, "sslmode=require", &wrong),
        with(&url, "sslmode=verify-ca", &wrong),
        with(&url, "sslmode=verify-full", &wrong),
        with(&named, "hostaddr=127.0.0.1&sslmode=verify-full", &right),
        with(&named, "hostaddr=127.0.0.1&sslmode=require", &right),
        // The machine does not know the authority.
        format!("{url}?sslmode=verify-full"),
    ] {
        let refused = encrypted(&url).await;
        assert!(
            matches!(&refused, Err(Error::CannotReach { cause, lasts: true, .. }) if cause.contains("certificate")),
            "{url}: {refused:?}"
        );
    }
}

/// A certificate of a server, which signs it itself where nobody else does, and its key, both as PEM.
fn made(
    issuer: Option<&Authority>,
    is_ca: IsCa,
    is_expired: bool,
    names: &[&str],
) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "server");
    params.is_ca = is_ca;
    if is_expired {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    }
    let made = match issuer {
        Some(issuer) => params.signed_by(&key, issuer),
        None => params.self_signed(&key),
    };
    (made.unwrap().pem(), key.serialize_pem())
}

/// What stands in `sslrootcert` itself is verified as well: its dates, and that it signed itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listed_certificate_is_verified_too() {
    let folder = tempfile::tempdir().unwrap();
    let ours = authority("ours");
    let authority = ours.pem();
    let (by_ours, by_itself) = (Some(&ours), None);
    // The authority is listed, or the certificate itself.
    let (listed, itself) = (Some(&*authority), None);
    let (ca, leaf) = (IsCa::Ca(BasicConstraints::Unconstrained), IsCa::NoCa);
    let (name, nameless): (&[&str], &[&str]) = (&["127.0.0.1"], &[]);
    let expired = "has expired";
    for (number, (issuer, is_ca, is_expired, names, root, refusal)) in [
        (by_itself, leaf, false, name, itself, ""),
        (by_itself, ca, false, name, itself, ""),
        (by_ours, leaf, false, name, listed, ""),
        (by_itself, leaf, true, name, itself, expired),
        (by_itself, ca, true, name, itself, expired),
        (by_ours, leaf, true, name, listed, expired),
        (by_ours, leaf, false, name, itself, "nobody who is trusted"),
        (by_ours, ca, false, name, listed, "one of an authority"),
        (
            by_ours,
            leaf,
            false,
            nameless,
            listed,
            "no name in its subjectAltName",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let (certificate, key) = made(issuer, is_ca, is_expired, names);
        let root = root.unwrap_or(&certificate);
        let root = kept(&folder, &format!("{number}.pem"), root);
        let files = [("server.crt", &*certificate), ("server.key", &*key)];
        let server = Server::start_with_files(&["ssl=on"], &files);
        let url = with(&server.url("postgres"), "sslmode=verify-full", &root);
        match encrypted(&url).await {
            Ok(is_encrypted) => assert!(is_encrypted && refusal.is_empty(), "{number}"),
            Err(Error::CannotReach {
                cause, lasts: true, ..
            }) => assert!(
                !refusal.is_empty() && cause.contains(refusal),
                "{number}: {cause}"
            ),
            Err(error) => panic!("{number}: {error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_and_servers_name_themselves() {
    let folder = tempfile::tempdir().unwrap();
    // A server that signed its certificate itself, and lets in whom the same authority knows.
    let own = authority("127.0.0.1");
    let (own_pem, own_key) = (own.pem(), own.key().serialize_pem());
    let trusted = kept(&folder, "server.pem", &own_pem);
    let files = [
        ("server.crt", &*own_pem),
        ("server.key", &*own_key),
        ("ca.crt", &*own_pem),
        (
            "pg_hba.conf",
            "hostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n",
        ),
    ];
    let server = Server::start_with_files(&["ssl=on", "ssl_ca_file=ca.crt"], &files);
    let (certificate, key) = leaf(&own, "waymark");
    let certificate = kept(&folder, "client.pem", &certificate);
    let key = kept(&folder, "client.key", &key);
    let mode = "sslmode=verify-ca";
    let url = with(&server.url("postgres"), mode, &trusted);
    assert!(encrypted(&url).await.is_err(), "without a certificate");
    let identity = format!(
        "&sslcert={}&sslkey={}",
        certificate.display(),
        key.display()
    );
    assert_eq!(encrypted(&(url + &identity)).await.ok(), Some(true));
}

/// `prefer` goes on without TLS, as what connected before TLS was tried.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_no_tls_is_spoken_to_without() {
    let (certificate, key) = leaf(&authority("ours"), "127.0.0.1");
    let files = [("server.crt", &*certificate), ("server.key", &*key)];
    // The server has none.
    let none = Server::start_with(Durability::Fast, &[]);
    assert_eq!(encrypted(&none.url("postgres")).await.ok(), Some(false));
    // The two agree on none.
    let old = [
        "ssl=on",
        "ssl_min_protocol_version=TLSv1",
        "ssl_max_protocol_version=TLSv1.1",
    ];
    let old = Server::start_with_files(&old, &files);
    assert_eq!(encrypted(&old.url("postgres")).await.ok(), Some(false));
    let refused = encrypted(&format!("{}?sslmode=require", old.url("postgres"))).await;
    assert!(
        matches!(refused, Err(Error::CannotReach { .. })),
        "{refused:?}"
    );
    // The rules of the server let nobody in over it.
    let rules = ("pg_hba.conf", "hostnossl all all 127.0.0.1/32 trust\n");
    let [certificate, key] = files;
    let plain = Server::start_with_files(&["ssl=on"], &[certificate, key, rules]);
    assert_eq!(encrypted(&plain.url("postgres")).await.ok(), Some(false));
}

/// A database that cannot keep every letter is not taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_encoding_is_refused() {
    let (clock, _) = Clock::manual(Timestamp::from_micros(0));
    for name in ["LATIN1", "SQL_ASCII"] {
        let database = database_in(name).await;
        let settings = Fixture::settings(database.url());
        let migrated = migrate(&settings, &clock).await.map(drop);
        let opened = Store::open(settings, clock.clone()).await.map(drop);
        for refused in [migrated, opened] {
            let Err(error) = refused else {
                panic!("{name} is taken");
            };
            assert!(
                matches!(&error, Error::Encoding { encoding } if encoding == name),
                "{error:?}"
            );
            assert!(error.is_of_settings() && error.to_string().contains("createdb"));
        }
    }
}
