//! Resume tokens: after a restart, from elsewhere, from before a restore.

use std::{fs, path::Path};

use tonic::Code;
use waymark_proto::v1::{self, WatchStart};
use waymark_tests::{
    Backend, Refusal, Server, Shop, Watcher, World, refused, watcher::everything_of, world,
};

use crate::bench;

on_each_database!(
    a_watcher_goes_on_after_kill_and_restart,
    any_token_ever_given_out_resumes,
    tokens_of_others_are_refused
);

async fn watch(shop: &Shop, resume_token: &str) -> Result<Refusal, v1::WatchHistoryResponse> {
    let request = v1::WatchHistoryRequest {
        resume_token: resume_token.to_owned(),
        ..everything_of(shop)
    };
    let status = match shop.history().watch_history(request).await {
        Err(status) => status,
        Ok(stream) => match stream.into_inner().message().await {
            Ok(message) => return Err(message.expect("a first message")),
            Err(status) => status,
        },
    };
    Ok(Refusal::of(&status))
}

async fn a_watcher_goes_on_after_kill_and_restart(backend: Backend) {
    let mut server = Server::start(backend).await;
    let mut shop = world::apply(&server.clients(), "bench", bench::DOCUMENT).await;
    let mut watcher = Watcher::of(&shop).await;
    shop.place("1", &[]).await;
    for round in 0..3 {
        shop.comment("1", "before", "").await.unwrap();
        watcher.until(2 * round + 2).await;
        // This one is written, and perhaps not sent any more.
        shop.comment("1", "perhaps unseen", "").await.unwrap();
        server.kill();
        server.restart().await;
        shop = shop.over(server.clients());
        watcher.resume(&shop).await;
    }
    shop.comment("1", "last", "").await.unwrap();
    watcher.until_sequence("1", 8).await;
    assert_eq!(
        watcher.recording().sequences_of(&shop, "1"),
        (1..=8).collect::<Vec<_>>()
    );
    assert_eq!(watcher.recording().entries(), shop.entries("1").await);
}

async fn any_token_ever_given_out_resumes(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    let request = v1::WatchHistoryRequest {
        start: WatchStart::Beginning.into(),
        ..everything_of(&shop)
    };
    let mut watcher = Watcher::open(&shop, request).await;
    let mut tokens = vec![(watcher.token().to_owned(), 0)];
    for count in 1..=6 {
        watcher.until(count).await;
        tokens.push((
            watcher.token().to_owned(),
            watcher.recording().entries().len(),
        ));
        shop.comment("1", "next", "").await.unwrap();
    }
    watcher.until(7).await;
    for (token, seen) in tokens {
        let request = v1::WatchHistoryRequest {
            resume_token: token,
            ..everything_of(&shop)
        };
        let mut again = Watcher::open(&shop, request).await;
        let entries = again.until(7 - seen).await;
        assert_eq!(entries, &watcher.recording().entries()[seen..]);
    }
}

async fn tokens_of_others_are_refused(backend: Backend) {
    let world = World::on(backend).await;
    let shop = bench::shop(&world).await;
    shop.place("1", &[]).await;
    let own = Watcher::of(&shop).await.token().to_owned();
    let elsewhere = Server::start(backend).await;
    let foreign = world::apply(&elsewhere.clients(), "bench", bench::DOCUMENT).await;
    foreign.place("1", &[]).await;
    let token = Watcher::of(&foreign).await.token().to_owned();
    let refusal = watch(&shop, &token).await.unwrap();
    assert_eq!(
        (refusal.code, refusal.reason.as_str()),
        (Code::InvalidArgument, "RESUME_TOKEN_FOREIGN")
    );
    refusal.names("resume_token");

    let half = own[..own.len() / 2].to_owned();
    for wrong in [
        "x".to_owned(),
        "not a token".into(),
        half,
        own.to_lowercase(),
        "A".repeat(100_000),
        format!("{own}{own}"),
    ] {
        if wrong == own {
            continue;
        }
        let refusal = watch(&shop, &wrong).await.unwrap();
        assert_eq!(
            (refusal.code, refusal.reason.as_str()),
            (Code::InvalidArgument, "RESUME_TOKEN_INVALID"),
            "{wrong:.40}"
        );
        refusal.names("resume_token");
        let stream = v1::StreamHistoryRequest {
            resume_token: wrong,
            ..Default::default()
        };
        refused(
            shop.history().stream_history(stream).await,
            Code::InvalidArgument,
            "RESUME_TOKEN_INVALID",
        );
    }
}

/// The database goes back to an older copy of itself: tokens from after the copy are from the future, and once other
/// entries have taken their places, from a timeline that is lost. SQLite only, since its backup is a copy of a file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_lost_timeline_is_refused() {
    let mut server = Server::start(Backend::Sqlite).await;
    let shop = world::apply(&server.clients(), "bench", bench::DOCUMENT).await;
    shop.place("1", &[]).await;
    stop(&mut server).await;
    let directory = server.database().directory().unwrap().to_owned();
    let backup = tempfile::tempdir().unwrap();
    copy_files(&directory, backup.path());
    server.restart().await;
    let shop = shop.over(server.clients());
    for _ in 0..3 {
        shop.comment("1", "lost", "").await.unwrap();
    }
    let token = Watcher::of(&shop).await.token().to_owned();
    stop(&mut server).await;
    copy_files(backup.path(), &directory);
    server.restart().await;

    let shop = shop.over(server.clients());
    let ahead = watch(&shop, &token).await.unwrap();
    assert_eq!(
        (ahead.code, ahead.reason.as_str()),
        (Code::OutOfRange, "RESUME_TOKEN_AHEAD")
    );
    for _ in 0..5 {
        shop.comment("1", "another timeline", "").await.unwrap();
    }
    let foreign = watch(&shop, &token).await.unwrap();
    assert_eq!(
        (foreign.code, foreign.reason.as_str()),
        (Code::InvalidArgument, "RESUME_TOKEN_FOREIGN")
    );
}

/// Makes the files of one directory those of another; the write-ahead log belongs to the database.
fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(to).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for entry in fs::read_dir(from).unwrap() {
        let file = entry.unwrap().path();
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

async fn stop(server: &mut Server) {
    server.terminate();
    assert!(
        server
            .ended(std::time::Duration::from_secs(20))
            .await
            .success()
    );
}
