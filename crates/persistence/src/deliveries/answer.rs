//! Decisions about deliveries and changes of endpoints, each answered once.

use waymark_domain::{actor::Actor, delivery::DeliveryId, partition::Partition};

use crate::{
    CommitError, Error, Request, Store,
    logging::report,
    once::{self, Answered, ChangeError, ChangeMode, Transact},
    requests::Scope,
};

/// A call that changes the outbox or an endpoint, apart from what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxCall {
    /// Its idempotency key; none for a call that is not idempotent.
    pub request: Option<Request>,
    /// Its actor, who is kept with what is decided about deliveries.
    pub actor: Actor,
    /// Whether it is a dry run.
    pub mode: ChangeMode,
}

/// Why nothing can be decided about a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutboxRefusal {
    /// There is no such delivery.
    #[error("there is no delivery {id}")]
    DeliveryNotFound {
        /// Its id.
        id: DeliveryId,
    },
    /// The target has taken it.
    #[error("delivery {id} has succeeded")]
    DeliverySucceeded {
        /// Its id.
        id: DeliveryId,
    },
}

impl OutboxCall {
    fn once<'c>(&'c self, scope: &'c Scope, locks: &'c [Partition]) -> once::Call<'c> {
        once::Call {
            scope,
            request: self.request.as_ref(),
            mode: self.mode,
            locks,
        }
    }
}

impl Store {
    /// Carries a call out in one transaction, with the locks of some partitions. `encode` makes
    /// the bytes that a repeated call is answered with.
    pub(super) async fn answer_once<W: Transact>(
        &self,
        call: &OutboxCall,
        locks: &[Partition],
        work: W,
        encode: impl FnMut(&W::Done) -> Vec<u8>,
    ) -> Result<Answered<W::Done>, ChangeError<W::Refusal>> {
        let scope = Scope::deliveries();
        self.once(call.once(&scope, locks), work, encode).await
    }

    /// Finds the answer to a call that was carried out before, and makes sure that it lasts.
    pub(super) async fn answered_before<T, E>(
        &self,
        call: &OutboxCall,
    ) -> Result<Option<Answered<T>>, ChangeError<E>> {
        let scope = Scope::deliveries();
        self.find_answer(call.once(&scope, &[])).await
    }
}

/// Reports an error before which nothing was written.
pub(super) fn failure(error: &Error) -> CommitError {
    report(error, "outbox unreadable");
    CommitError::from(error)
}
