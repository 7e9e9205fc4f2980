//! What PostgreSQL is asked, by its own log of statements.

use waymark_proto::v1::{self, step::Command};
use waymark_testkit::postgres::{Durability, Server};

use crate::{
    replica::Replica,
    stage::{fresh_database, superuser},
};

/// However many steps name it, and with the suggestion that is made to the first of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_misspelled_workflow_costs_a_batch_one_lookup() {
    const STEPS: usize = 1_000;
    let postgres = Server::start_with(Durability::Fast, &["log_statement=all"]);
    let replica = Replica::start(&fresh_database(&postgres).await, &[]).await;
    let session = superuser(&postgres).await;
    let step = |number: usize| v1::Step {
        command: Some(Command::AddComment(v1::AddCommentRequest {
            workflow: "ordre".to_owned(),
            order_id: format!("o{number}"),
            comment: "x".to_owned(),
            ..Default::default()
        })),
    };
    for round in 0..2 {
        let request = v1::ExecuteStepsRequest {
            steps: (0..STEPS).map(step).collect(),
            ..Default::default()
        };
        let (begin, end) = (format!("'begin {round}'"), format!("'end {round}'"));
        session
            .batch_execute(&format!("SELECT {begin}"))
            .await
            .unwrap();
        let answer = replica.clients().orders().execute_steps(request).await;
        session
            .batch_execute(&format!("SELECT {end}"))
            .await
            .unwrap();

        let results = answer.unwrap().into_inner().results;
        assert_eq!(results.len(), STEPS);
        let mut errors = results.iter().map(|result| result.error.as_ref().unwrap());
        assert!(errors.all(|error| error.reason == "WORKFLOW_NOT_FOUND"));
        let first = &results[0].error.as_ref().unwrap().message;
        assert!(first.contains("order"), "{first}");

        let log = postgres.log();
        let (_, behind) = log.split_once(&begin).unwrap();
        let (asked, _) = behind.split_once(&end).unwrap();
        let statements: Vec<_> = asked
            .lines()
            .filter(|line| line.contains("LOG:  execute") || line.contains("LOG:  statement"))
            .collect();
        let is_lookup =
            |line: &&&str| line.contains("FROM \"workflows\"") || line.contains("FROM workflows");
        // Which workflows there are, once to decide the batch and once for the suggestion.
        let lookups: Vec<_> = statements.iter().filter(is_lookup).collect();
        assert!(lookups.len() <= 3, "{lookups:#?}");
        // Orders are read by the hundred; some more is asked beside the call at any time.
        assert!(
            (3..100).contains(&statements.len()),
            "{} statements: {statements:#?}",
            statements.len()
        );
    }
}
