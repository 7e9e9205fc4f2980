//! A call that changes orders, how it is sent, and what its answer says about whether it was written.

use tonic::{Code, Response, Status};
use waymark_proto::v1::{self, step::Command};

use super::verdict::{judge, was_not_sent, weigh};
use crate::{
    Clients,
    validator::{Answer, Done, OrderKey, record_mark},
};

/// One call.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Create(v1::CreateOrderRequest),
    Update(v1::UpdateOrderRequest),
    One(Command),
    Many {
        commands: Vec<Command>,
        how: Together,
    },
}

/// How several steps are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Together {
    /// By `ExecuteSteps`, each for itself.
    Separate,
    /// By `ExecuteSteps`, all or none.
    Atomic,
    /// By `StreamSteps`.
    Streamed,
}

/// What became of a call.
pub(super) enum Sent {
    /// No connection could be made, so nothing was sent.
    Not,
    /// An answer for each of its steps.
    Answered(Vec<Answer>),
}

impl Call {
    /// The mark and the order of each of its steps.
    pub(super) fn steps(&self) -> Vec<(String, OrderKey)> {
        match self {
            Self::Create(request) => vec![named(&request.metadata, request.order.as_ref())],
            Self::Update(request) => vec![named(&request.metadata, request.order.as_ref())],
            Self::One(command) => vec![step_of(command)],
            Self::Many { commands, .. } => commands.iter().map(step_of).collect(),
        }
    }

    /// The same call with some of its steps only.
    pub(super) fn only(&self, places: &[usize]) -> Self {
        match self {
            Self::Many { commands, how } => {
                let commands = places
                    .iter()
                    .map(|place| commands[*place].clone())
                    .collect();
                Self::Many {
                    commands,
                    how: *how,
                }
            }
            whole => whole.clone(),
        }
    }

    pub(super) async fn send(&self, clients: &Clients) -> Sent {
        let count = self.steps().len();
        let mut orders = clients.orders();
        let answer = match self.clone() {
            Self::Create(request) => {
                let answer = orders.create_order(request).await.map(Response::into_inner);
                answer.map(|a| vec![done(a.order, a.entries, a.replayed)])
            }
            Self::Update(request) => {
                let answer = orders.update_order(request).await.map(Response::into_inner);
                answer.map(|a| vec![done(a.order, a.entries, a.replayed)])
            }
            Self::One(command) => one(clients, command).await.map(|answer| vec![answer]),
            Self::Many {
                commands,
                how: Together::Streamed,
            } => streamed(clients, commands).await,
            Self::Many { commands, how } => many(clients, commands, how == Together::Atomic).await,
        };
        match answer {
            Ok(answers) => Sent::Answered(answers),
            Err(status) if was_not_sent(&status) => Sent::Not,
            Err(status) => Sent::Answered(vec![judge(&status); count]),
        }
    }
}

fn named(
    metadata: &std::collections::BTreeMap<String, String>,
    order: Option<&v1::Order>,
) -> (String, OrderKey) {
    let order = order.expect("the load names its orders");
    (
        record_mark(metadata),
        OrderKey {
            workflow: order.workflow.clone(),
            id: order.id.clone(),
        },
    )
}

fn step_of(command: &Command) -> (String, OrderKey) {
    let (metadata, workflow, id) = match command {
        Command::CreateOrder(r) => return named(&r.metadata, r.order.as_ref()),
        Command::UpdateOrder(r) => return named(&r.metadata, r.order.as_ref()),
        Command::TransitionOrder(r) => (&r.metadata, &r.workflow, &r.order_id),
        Command::RecordOperation(r) => (&r.metadata, &r.workflow, &r.order_id),
        Command::HoldOrder(r) => (&r.metadata, &r.workflow, &r.order_id),
        Command::ReleaseOrder(r) => (&r.metadata, &r.workflow, &r.order_id),
        Command::AddComment(r) => (&r.metadata, &r.workflow, &r.order_id),
    };
    (
        record_mark(metadata),
        OrderKey {
            workflow: workflow.clone(),
            id: id.clone(),
        },
    )
}

fn done(order: Option<v1::Order>, entries: Vec<v1::HistoryEntry>, replayed: bool) -> Answer {
    Answer::Done(Box::new(Done {
        entries,
        order,
        replayed,
    }))
}

async fn one(clients: &Clients, command: Command) -> Result<Answer, Status> {
    let mut orders = clients.orders();
    Ok(match command {
        Command::CreateOrder(request) => {
            let answer = orders.create_order(request).await?.into_inner();
            done(answer.order, answer.entries, answer.replayed)
        }
        Command::UpdateOrder(request) => {
            let answer = orders.update_order(request).await?.into_inner();
            done(answer.order, answer.entries, answer.replayed)
        }
        Command::TransitionOrder(request) => {
            let answer = orders.transition_order(request).await?.into_inner();
            done(answer.order, answer.entries, answer.replayed)
        }
        Command::RecordOperation(request) => {
            let answer = orders.record_operation(request).await?.into_inner();
            done(answer.order, answer.entries, answer.replayed)
        }
        Command::HoldOrder(request) => {
            let answer = orders.hold_order(request).await?.into_inner();
            done(answer.order, answer.entries, answer.replayed)
        }
        Command::ReleaseOrder(request) => {
            let answer = orders.release_order(request).await?.into_inner();
            done(answer.order, answer.entries, answer.replayed)
        }
        Command::AddComment(request) => {
            let answer = orders.add_comment(request).await?.into_inner();
            done(answer.order, answer.entries, answer.replayed)
        }
    })
}

async fn many(
    clients: &Clients,
    commands: Vec<Command>,
    atomic: bool,
) -> Result<Vec<Answer>, Status> {
    let count = commands.len();
    let steps = commands
        .into_iter()
        .map(|command| v1::Step {
            command: Some(command),
        })
        .collect();
    let request = v1::ExecuteStepsRequest {
        steps,
        atomic,
        return_orders: true,
        ..Default::default()
    };
    let results = clients
        .orders()
        .execute_steps(request)
        .await?
        .into_inner()
        .results;
    assert_eq!(results.len(), count, "one result for each step");
    Ok(results.into_iter().map(result).collect())
}

/// Sends steps as a stream that ends, and reads results until that ends. What an error of the stream says holds for the
/// steps that have no result.
async fn streamed(clients: &Clients, commands: Vec<Command>) -> Result<Vec<Answer>, Status> {
    let count = commands.len();
    let steps = commands
        .into_iter()
        .enumerate()
        .map(|(place, command)| v1::StreamStepsRequest {
            correlation_id: place.to_string(),
            step: Some(v1::Step {
                command: Some(command),
            }),
        });
    let answer = clients
        .orders()
        .stream_steps(tokio_stream::iter(steps.collect::<Vec<_>>()))
        .await?;
    let mut results = answer.into_inner();
    let mut answers = vec![None; count];
    let rest = loop {
        match results.message().await {
            Ok(Some(message)) => {
                let place: usize = message
                    .correlation_id
                    .parse()
                    .expect("a correlation id comes back as it was");
                let told = result(message.result.expect("a result"));
                assert!(
                    answers[place].replace(told).is_none(),
                    "one result for each step"
                );
            }
            Ok(None) => break Answer::Unknown("the stream ended without a result".to_owned()),
            Err(status) => break judge(&status),
        }
    };
    Ok(answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(|| rest.clone()))
        .collect())
}

/// Reads an order.
///
/// # Errors
/// Returns what the error says.
pub(super) async fn read(clients: &Clients, workflow: &str, id: &str) -> Result<v1::Order, Answer> {
    let request = v1::GetOrderRequest {
        workflow: workflow.to_owned(),
        order_id: id.to_owned(),
        ..Default::default()
    };
    match clients.orders().get_order(request).await {
        Ok(answer) => Ok(answer.into_inner().order.expect("an order")),
        Err(status) => Err(judge(&status)),
    }
}

fn result(result: v1::StepResult) -> Answer {
    let Some(error) = result.error else {
        return done(result.order, result.entries, result.replayed);
    };
    weigh(Code::from_i32(error.code), error.reason)
}
