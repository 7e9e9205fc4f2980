//! Calls that are carried out once, however often they come: a repeated call gets the answer that
//! was remembered, and a commit that was not answered is found out. Changes of workflows, decisions
//! about deliveries, endpoints, and tokens of customers go this way; orders have their history.

use uuid::Uuid;
use waymark_domain::{partition::Partition, value::Timestamp};

use crate::{
    Clock, CommitError, Error, Request, Store,
    logging::report,
    patience::Patience,
    requests::{self, Scope},
    tx::{Ending, Tx, WriteFailure},
};

/// A call, apart from what it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'c> {
    pub(crate) scope: &'c Scope,
    /// Its idempotency key; none for a call that is not idempotent.
    pub(crate) request: Option<&'c Request>,
    pub(crate) mode: ChangeMode,
    pub(crate) locks: &'c [Partition],
}

/// Whether a change is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeMode {
    /// It is saved.
    Apply,
    /// A dry run: it is only checked. Where its request id was used, that is answered as to a call
    /// that is carried out; it is not remembered.
    DryRun,
}

/// Why a change of a workflow did not happen.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError<E> {
    /// The edit refused, or orders use what it takes away.
    #[error("the change was refused")]
    Refused(E),
    /// The request id was used for another call.
    #[error("the request id was used for another call")]
    RequestIdReused,
    /// The database failed.
    #[error(transparent)]
    Failed(CommitError),
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered<T> {
    /// It was carried out, or would be; what is answered.
    Done(T),
    /// The same call was made before; these are the bytes that were remembered of its answer.
    Replayed(Vec<u8>),
}

/// What became of the work of a call: its answer or its refusal, unless the database failed.
pub(crate) type CarriedOut<W> =
    Result<Result<<W as Transact>::Done, <W as Transact>::Refusal>, Error>;

/// The work of a call in its transaction. A trait and no closure, since the future of an
/// asynchronous closure that borrows cannot be shown to be `Send`.
pub(crate) trait Transact {
    /// Its answer.
    type Done: Send;
    /// Why it is refused.
    type Refusal: Send;

    /// Whether it can be done again without a request id after a commit that was not answered:
    /// [`Self::settle`] tells what became of that, or doing it again changes nothing.
    const IS_REPEATABLE: bool = false;

    /// Does it; asked again when the transaction is tried again.
    fn carry_out(
        &mut self,
        tx: &mut Tx,
        now: Timestamp,
    ) -> impl Future<Output = Result<Result<Self::Done, Self::Refusal>, Error>> + Send;

    /// Says, with the locks of the call, whether its last commit happened, which was not answered;
    /// none where nothing tells. Asked only where there is no request id.
    fn settle(&mut self, _: &mut Tx) -> impl Future<Output = Result<Option<bool>, Error>> + Send {
        std::future::ready(Ok(None))
    }
}

enum CallOutcome<T, E> {
    Done(T),
    /// An answer was remembered, perhaps by an earlier attempt of this very call.
    Found {
        answer: Vec<u8>,
        is_ours: bool,
    },
    Refused(E),
    RequestIdReused,
}

/// The commits so far that are in doubt.
enum Doubt<T> {
    /// Nothing.
    None,
    /// Whether an answer lasts that was only found.
    Repeated,
    /// Whether this was done.
    Wrote(T),
}

struct Attempts<'c, W: Transact, F> {
    call: Call<'c>,
    work: W,
    encode: F,
    /// Tells what this call wrote from what the same call wrote elsewhere.
    change_id: [u8; 16],
    doubt: Doubt<W::Done>,
}

/// Looks for an earlier answer and does nothing.
struct Lookup;

impl Transact for Lookup {
    type Done = std::convert::Infallible;
    type Refusal = ();

    async fn carry_out(&mut self, _: &mut Tx, _: Timestamp) -> CarriedOut<Self> {
        Ok(Err(()))
    }
}

impl Store {
    /// Carries a call out in one transaction, tried again while the database does not take it.
    /// `encode` makes the bytes that a repeated call is answered with.
    ///
    /// # Errors
    /// Returns [`ChangeError`].
    pub(crate) async fn once<W: Transact>(
        &self,
        call: Call<'_>,
        work: W,
        encode: impl FnMut(&W::Done) -> Vec<u8>,
    ) -> Result<Answered<W::Done>, ChangeError<W::Refusal>> {
        let mut patience = Patience::new(self.settings().commit_patience);
        let mut refused_before = false;
        let mut attempts = Attempts {
            call,
            work,
            encode,
            change_id: Uuid::new_v4().into_bytes(),
            doubt: Doubt::None,
        };
        loop {
            let clock = self.clock();
            let written = self
                .database()
                .write(call.locks, async |tx| attempts.attempt(tx, clock).await);
            let error = match written.await {
                Ok(decision) => return attempts.answer(decision),
                Err(WriteFailure::AtCommit { outcome, error }) => {
                    if call.request.is_none() && !W::IS_REPEATABLE {
                        report(&error, "commit of a change not answered");
                        return Err(ChangeError::Failed(CommitError::OutcomeUnknown));
                    }
                    attempts.unanswered(outcome);
                    error
                }
                Err(WriteFailure::Before(error)) => error,
            };
            let in_doubt = !matches!(attempts.doubt, Doubt::None);
            // A refusal whose words are not known may have been a transient one.
            let is_transient = error.is_transient() || in_doubt;
            if error.is_lasting()
                || (!is_transient && std::mem::replace(&mut refused_before, true))
                || !patience.wait().await
            {
                report(&error, "change given up");
                return Err(ChangeError::Failed(if in_doubt {
                    CommitError::OutcomeUnknown
                } else {
                    CommitError::from(&error)
                }));
            }
        }
    }

    /// Finds the answer to a call that was carried out before, and makes sure that it lasts.
    ///
    /// # Errors
    /// Returns [`ChangeError::RequestIdReused`] and [`ChangeError::Failed`].
    pub(crate) async fn find_answer<T, E>(
        &self,
        call: Call<'_>,
    ) -> Result<Option<Answered<T>>, ChangeError<E>> {
        if call.request.is_none() {
            return Ok(None);
        }
        match self.once(call, Lookup, |_| Vec::new()).await {
            Ok(Answered::Done(done)) => match done {},
            Ok(Answered::Replayed(answer)) => Ok(Some(Answered::Replayed(answer))),
            Err(ChangeError::Refused(())) => Ok(None),
            Err(ChangeError::RequestIdReused) => Err(ChangeError::RequestIdReused),
            Err(ChangeError::Failed(error)) => Err(ChangeError::Failed(error)),
        }
    }
}

impl<W: Transact, F: FnMut(&W::Done) -> Vec<u8>> Attempts<'_, W, F> {
    async fn attempt(
        &mut self,
        tx: &mut Tx,
        clock: &Clock,
    ) -> Result<Ending<CallOutcome<W::Done, W::Refusal>>, Error> {
        if let Some(found) = self.earlier(tx, clock.now()).await? {
            // Waits for the standby, which may not have yet what a restart made visible.
            return Ok(Ending::Commit(found));
        }
        let done = match self.work.carry_out(tx, clock.now()).await? {
            Ok(done) => done,
            Err(refusal) => return Ok(Ending::RollBack(CallOutcome::Refused(refusal))),
        };
        match (self.call.mode, self.call.request) {
            (ChangeMode::DryRun, _) => return Ok(Ending::RollBack(CallOutcome::Done(done))),
            (ChangeMode::Apply, Some(request)) => {
                let answer = (self.encode)(&done);
                requests::remember(tx, self.call.scope, request, &answer).await?;
            }
            (ChangeMode::Apply, None) => {}
        }
        Ok(Ending::Commit(CallOutcome::Done(done)))
    }

    /// Finds what was done before, by the same call or by an attempt of this one. What is open
    /// of the attempts is settled by that.
    async fn earlier(
        &mut self,
        tx: &mut Tx,
        now: Timestamp,
    ) -> Result<Option<CallOutcome<W::Done, W::Refusal>>, Error> {
        let Some(request) = self.call.request else {
            return self.settled(tx).await;
        };
        let claim = (&self.change_id, now);
        let Some(kept) = requests::claim(tx, self.call.scope, request, claim).await? else {
            // Nobody has the id, so no commit of this call has happened.
            self.doubt = Doubt::None;
            return Ok(None);
        };
        if kept.fingerprint.as_slice() != request.fingerprint {
            return Ok(Some(CallOutcome::RequestIdReused));
        }
        Ok(Some(CallOutcome::Found {
            is_ours: kept.change_id.as_slice() == self.change_id,
            answer: kept.answer,
        }))
    }

    /// Does the same for a call without a request id.
    async fn settled(
        &mut self,
        tx: &mut Tx,
    ) -> Result<Option<CallOutcome<W::Done, W::Refusal>>, Error> {
        if matches!(self.doubt, Doubt::None) {
            return Ok(None);
        }
        Ok(match self.work.settle(tx).await? {
            Some(true) => Some(CallOutcome::Found {
                answer: Vec::new(),
                is_ours: true,
            }),
            Some(false) => {
                self.doubt = Doubt::None;
                None
            }
            None => None,
        })
    }

    /// Records that the commit of a transaction was not answered.
    fn unanswered(&mut self, outcome: CallOutcome<W::Done, W::Refusal>) {
        match outcome {
            CallOutcome::Done(done) => self.doubt = Doubt::Wrote(done),
            CallOutcome::Found { .. } | CallOutcome::Refused(_) | CallOutcome::RequestIdReused => {
                if matches!(self.doubt, Doubt::None) {
                    self.doubt = Doubt::Repeated;
                }
            }
        }
    }

    fn answer(
        self,
        decision: CallOutcome<W::Done, W::Refusal>,
    ) -> Result<Answered<W::Done>, ChangeError<W::Refusal>> {
        match decision {
            CallOutcome::Done(done) => Ok(Answered::Done(done)),
            CallOutcome::Found { answer, is_ours } => Ok(match self.doubt {
                Doubt::Wrote(done) if is_ours => Answered::Done(done),
                Doubt::None | Doubt::Repeated | Doubt::Wrote(_) => Answered::Replayed(answer),
            }),
            CallOutcome::Refused(refusal) => Err(ChangeError::Refused(refusal)),
            CallOutcome::RequestIdReused => Err(ChangeError::RequestIdReused),
        }
    }
}
