//! Panics while steps are decided and written. They are faults of the service, which cost what they
//! are about and not its neighbours.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use diesel::result::Error as DieselError;
use futures::FutureExt;
use waymark_domain::order::Rejection;

use super::{Refusal, Step};
use crate::Error;

/// Decides a step, which changes nothing. A panic refuses that step alone.
pub(super) fn deciding<T>(
    step: &Step,
    decide: impl FnOnce() -> Result<T, Rejection>,
) -> Result<T, Refusal> {
    match catch_unwind(AssertUnwindSafe(decide)) {
        Ok(decided) => decided.map_err(Refusal::from),
        Err(panic) => {
            tracing::error!(
                order.id = %step.order_id,
                workflow = %step.workflow,
                error = text(&*panic),
                "deciding a step panicked, the step is refused"
            );
            Err(Refusal::Fault)
        }
    }
}

/// Does the work of a transaction. A panic is an error before the commit, as if the database had
/// refused something, so the step that it is about is found in the same way.
pub(super) async fn writing<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let worked = AssertUnwindSafe(work).catch_unwind().await;
    worked.unwrap_or_else(|panic| {
        let what = format!("the service panicked: {}", text(&*panic));
        let source = DieselError::QueryBuilderError(what.into());
        Err(Error::Database { source })
    })
}

fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it panicked")
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use waymark_domain::{
        actor::Actor,
        order::{Action, Command, Context},
        value::{Comment, Metadata},
    };

    use super::*;
    use crate::StepChange;

    fn step() -> Step {
        let context = Context {
            actor: Actor::system(),
            comment: Comment::default(),
            notify_customer: false,
            visible_to_customer: false,
            metadata: Metadata::default(),
            request_id: None,
        };
        Step {
            workflow: "order".parse().unwrap(),
            order_id: "A-1".parse().unwrap(),
            request: None,
            change: StepChange::Change(Command {
                context,
                expected_version: None,
                action: Action::TimeUp,
            }),
        }
    }

    #[test]
    fn a_panic_refuses_its_step() {
        let decided = deciding(&step(), || Ok(7));
        assert_eq!(decided, Ok(7));
        let refused = deciding::<()>(&step(), || Err(Rejection::NothingDue));
        assert_eq!(refused, Err(Refusal::Rejected(Rejection::NothingDue)));
        let panicked = deciding::<()>(&step(), || panic!("out of {}", "bounds"));
        assert_eq!(panicked, Err(Refusal::Fault));
    }

    #[tokio::test]
    async fn a_panic_ends_its_transaction_as_a_refusal_of_the_database_does() {
        fn panicking() -> Result<(), Error> {
            panic!("out of bounds")
        }
        assert_eq!(writing(async { Ok(7) }).await.unwrap(), 7);
        let panicked = writing(async { panicking() }).await;
        let error = panicked.unwrap_err();
        assert!(error.is_of_data() && !error.is_transient(), "{error:?}");
        let cause = error.source().unwrap().to_string();
        assert!(cause.contains("out of bounds"), "{cause}");
    }
}
