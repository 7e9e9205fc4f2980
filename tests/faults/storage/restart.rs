//! What a start does on what a damage has left.

use std::{fs, time::Duration};

use tokio::time::Instant;
use tonic::{Code, Status};
use waymark_tests::binary;

use super::{Damage, Left, Place, beside, create, find, reason};
use crate::{replica::Replica, stage::PATIENCE};

/// Starts the service on what is left, and says what is there.
pub(super) async fn after_restart(
    damage: &Damage,
    place: &Place,
    replica: &mut Replica,
    acknowledged: &[(Instant, String)],
) -> String {
    match damage.left {
        Left::Everything => {
            replica.restart().await;
            let (clients, mut found) = (replica.clients(), 0);
            for (_, id) in acknowledged {
                find(&clients, id)
                    .await
                    .unwrap_or_else(|status| panic!("{}: {id}: {status}", damage.name));
                found += 1;
            }
            format!("{found}")
        }
        Left::Remains => on_the_remains(damage.name, replica, acknowledged).await,
        Left::LogAlone => {
            let log = fs::read(beside(&place.file(), "-wal")).unwrap();
            let said = refusal_to_start(place).unwrap_or_default();
            assert!(
                said.contains("waymark.db") && said.contains("-wal"),
                "{}: {said}",
                damage.name
            );
            assert!(!place.file().exists(), "{}", damage.name);
            let kept = fs::read(beside(&place.file(), "-wal")).unwrap();
            assert!(kept == log, "{}: its -wal was changed", damage.name);
            format!("does not start: {said}")
        }
    }
}

/// Starts the service on what only a backup brings back. Either it says why it does not start. Or it serves: then each
/// order is there, is not there or is refused, what is written is there, and where the damage is met again, the process
/// ends as it did before.
async fn on_the_remains(
    name: &str,
    replica: &mut Replica,
    acknowledged: &[(Instant, String)],
) -> String {
    let before = replica.lines("").len();
    if let Some(status) = replica.try_again("create_database=false").await {
        let said = replica.line_after(before, "waymark: ").await;
        let said = said.unwrap_or_else(|| panic!("{name}: {status} without a word"));
        // Neither that of a panic, nor that which says that the same may work later.
        let is_known = matches!(status.code(), Some(2 | 4 | 5));
        assert!(
            is_known && said.contains("database"),
            "{name}: {status}: {said}"
        );
        return format!("does not start: {said}");
    }
    let clients = replica.clients();
    let (mut found, mut lost, mut refusals) = (0, 0, Vec::new());
    for (_, id) in acknowledged {
        match find(&clients, id).await {
            Ok(()) => found += 1,
            Err(status) if is_unknown_order(&status) => lost += 1,
            Err(status) => refusals.push(status),
        }
    }
    // What is written now is there.
    let written = match create(&clients, "new").await {
        Ok(()) => find(&clients, "new").await,
        refused => refused,
    };
    refusals.extend(written.err());
    let mut names_damage = false;
    for status in &refusals {
        match (status.code(), reason(status).as_deref()) {
            (Code::Internal, Some("INTERNAL")) => {}
            // The connection broke, which only the end of the process explains.
            (_, None)
            | (Code::Unavailable, Some("STORAGE_DAMAGED" | "SHUTTING_DOWN"))
            | (Code::Unknown, Some("OUTCOME_UNKNOWN")) => names_damage = true,
            _ => panic!("{name}: {status:?}"),
        }
    }
    let told = format!("{found} found, {lost} lost, {} refused", refusals.len());
    if !names_damage && replica.is_running() {
        return told;
    }
    let status = replica.ended(PATIENCE).await;
    assert_eq!(status.code(), Some(5), "{name}: {told}");
    format!("{told}, and it ends again")
}

fn is_unknown_order(status: &Status) -> bool {
    status.code() == Code::NotFound && reason(status).as_deref() == Some("ORDER_NOT_FOUND")
}

/// What the service says where it does not start on what is left, with a new database forbidden.
fn refusal_to_start(place: &Place) -> Option<String> {
    let mut command =
        binary::command(&["serve", "--listen", "127.0.0.1:0", "--log-level", "error"]);
    command.args([
        "--database-url",
        &place.url(),
        "--set",
        "create_database=false",
    ]);
    let mut child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(2);
    while child.try_wait().unwrap().is_none() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let starts = child.try_wait().unwrap().is_none();
    if starts {
        child.kill().unwrap();
    }
    let output = child.wait_with_output().unwrap();
    (!starts).then(|| String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
