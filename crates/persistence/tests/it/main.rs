//! The conformance suite on both databases, and what happens when PostgreSQL
//! or the way to it fails.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod faults;
mod hints;
mod ledger;
mod lists;
mod once;
mod plans;
mod roles;
mod storage;
mod tls;
mod tracking;
mod values;
mod wal;

mod sqlite {
    waymark_testkit::conformance_suite!(Sqlite);
}

mod postgres {
    waymark_testkit::conformance_suite!(Postgres);
}

/// A case that is written and not listed would never run.
#[test]
fn every_case_is_listed() {
    for source in waymark_testkit::conformance::SOURCES {
        for line in source.lines() {
            let Some(name) = line.strip_prefix("pub async fn ") else {
                continue;
            };
            let name = name.split('(').next().unwrap();
            assert!(sqlite::CASES.contains(&name), "{name} is not listed");
        }
    }
    assert_eq!(sqlite::CASES, postgres::CASES);
}
