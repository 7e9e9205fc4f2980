//! Calls of each kind that are carried out once, whose commit is not answered.

use std::time::Duration;

use waymark_domain::value::{EndpointCode, Timestamp};
use waymark_persistence::{
    ChangeError, ChangeMode, CommitError, Endpoint, EndpointEdit, EndpointInUse, OutboxCall,
};
use waymark_testkit::{
    Backend, Fixture,
    build::actor,
    conformance::once::{Kind, Told},
    proxy::Cut,
};

use crate::faults::through_a_proxy;

const PATIENCE: Duration = Duration::from_secs(20);
const CUTS: [Cut; 3] = [Cut::Before, Cut::After, Cut::Amid];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_was_not_answered_is_found_out() {
    let fixture = Fixture::open(Backend::Postgres).await;
    Kind::set_up(&fixture).await;
    let (store, proxy) = through_a_proxy(&fixture, PATIENCE).await;
    for kind in Kind::ALL {
        for cut in CUTS {
            kind.supply(&fixture).await;
            let before = kind.effects(&fixture).await;
            let call = async || {
                let request = kind.request(&format!("{cut:?}"), 1);
                kind.call(&store, request, ChangeMode::Apply).await
            };
            proxy.cut(cut, 1);
            let first = call().await;
            assert!(
                matches!(first, Told::Done(_)),
                "{kind:?} {cut:?}: {first:?}"
            );
            assert_eq!(proxy.cuts_left(cut), 0, "the proxy saw no COMMIT");
            // Repeated answers are committed too, and that may not be answered either.
            proxy.cut(cut, 1);
            for _ in 0..2 {
                assert_eq!(call().await, first.again(), "{kind:?} {cut:?}");
            }
            assert_eq!(proxy.cuts_left(cut), 0, "the proxy saw no COMMIT");
            let after = kind.effects(&fixture).await;
            assert_eq!(after, before + 1, "{kind:?} {cut:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_request_id_something_else_tells_or_nothing_does() {
    let fixture = Fixture::open(Backend::Postgres).await;
    Kind::set_up(&fixture).await;
    let (store, proxy) = through_a_proxy(&fixture, PATIENCE).await;
    for kind in Kind::ALL {
        for cut in CUTS {
            kind.supply(&fixture).await;
            let before = kind.effects(&fixture).await;
            proxy.cut(cut, 1);
            let told = kind.call(&store, None, ChangeMode::Apply).await;
            assert_eq!(proxy.cuts_left(cut), 0, "the proxy saw no COMMIT");
            match kind {
                Kind::Definition | Kind::Token => {
                    assert!(matches!(told, Told::Done(_)), "{kind:?} {cut:?}: {told:?}");
                    let after = kind.effects(&fixture).await;
                    assert_eq!(after, before + 1, "{kind:?} {cut:?}");
                }
                Kind::Endpoint | Kind::Decision | Kind::Revocation => {
                    let unknown = Told::Failed(CommitError::OutcomeUnknown);
                    assert_eq!(told, unknown, "{kind:?} {cut:?}");
                }
            }
        }
    }
}

/// Lets the database refuse every statement that writes a table but the first.
async fn refuse_all_but_one(fixture: &Fixture, table: &str) {
    let sql = format!(
        "CREATE SEQUENCE attempts;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('attempts') > 1 THEN
                 RAISE EXCEPTION 'not again' USING ERRCODE = 'check_violation';
             END IF;
             RETURN NULL;
         END $$;
         CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table}
             FOR EACH STATEMENT EXECUTE FUNCTION refuse()"
    );
    fixture.execute(&sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_by_the_database_after_a_commit_that_did_not_happen_is_told_as_such() {
    let fixture = Fixture::open(Backend::Postgres).await;
    Kind::set_up(&fixture).await;
    let (store, proxy) = through_a_proxy(&fixture, PATIENCE).await;
    for kind in Kind::ALL {
        kind.supply(&fixture).await;
        let before = kind.effects(&fixture).await;
        refuse_all_but_one(&fixture, kind.table()).await;
        proxy.cut(Cut::Before, 1);
        let request = kind.request("r-1", 1);
        let told = kind.call(&store, request, ChangeMode::Apply).await;
        assert_eq!(proxy.cuts_left(Cut::Before), 0, "the proxy saw no COMMIT");
        // Nothing was written, and that is known.
        assert_eq!(told, Told::Failed(CommitError::Database), "{kind:?}");
        assert_eq!(kind.effects(&fixture).await, before, "{kind:?}");
        let undone = format!(
            "DROP TRIGGER refuse ON {}; DROP FUNCTION refuse; DROP SEQUENCE attempts",
            kind.table()
        );
        fixture.execute(&undone).await;
    }
    assert_eq!(fixture.number("SELECT count(*) FROM requests").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_by_a_rule_after_a_commit_is_told_where_that_did_not_happen() {
    let fixture = Fixture::open(Backend::Postgres).await;
    let (store, proxy) = through_a_proxy(&fixture, PATIENCE).await;
    for cut in [Cut::Before, Cut::After] {
        let name = format!("{cut:?}").to_lowercase();
        let code = EndpointCode::new(&name).unwrap();
        let call = OutboxCall {
            request: Kind::Endpoint.request(&name, 1),
            actor: actor(),
            mode: ChangeMode::Apply,
        };
        // What the rules say changes between the two attempts.
        let mut attempts = 0;
        let edit = |_: Option<&Endpoint>, now: Timestamp| {
            attempts += 1;
            match attempts {
                1 => Ok(EndpointEdit::Save(endpoint(code.clone(), now))),
                _ => Err(None::<EndpointInUse>),
            }
        };
        proxy.cut(cut, 1);
        let changed = store.change_endpoint(&call, &code, edit, |_| Vec::new());
        let changed = changed.await;
        assert_eq!(proxy.cuts_left(cut), 0, "the proxy saw no COMMIT");
        match cut {
            Cut::Before => assert!(
                matches!(changed, Err(ChangeError::Refused(None))),
                "{changed:?}"
            ),
            Cut::After | Cut::Amid => assert!(changed.is_ok(), "{changed:?}"),
        }
    }
    assert_eq!(fixture.number("SELECT count(*) FROM endpoints").await, 1);
}

fn endpoint(code: EndpointCode, now: Timestamp) -> Endpoint {
    Endpoint {
        code,
        url: "https://erp.example/".to_owned(),
        description: waymark_domain::value::Description::default(),
        active: true,
        problem: String::new(),
        secrets: Vec::new(),
        version: 0,
        create_time: now,
        update_time: now,
    }
}
