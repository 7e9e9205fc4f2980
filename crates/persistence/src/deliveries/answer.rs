//! Changes of the ledger, of endpoints and others that lock no partition, each answered once: a
//! repeated call gets the answer that was remembered.

use waymark_domain::{actor::Actor, partition::Partition, value::Timestamp};

use crate::{
    ChangeError, ChangeMode, CommitError, Error, Request, Store,
    commit::retry::{Patience, report},
    requests,
    tx::{Ending, Tx, WriteFailure},
};

/// Under what the request ids of these calls are kept: they belong to no workflow.
const SCOPE: &str = "";

/// A call that changes the ledger or an endpoint, apart from what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerCall {
    /// What makes the call recognisable when it comes again; none for not idempotent.
    pub request: Option<Request>,
    /// Who makes it; kept with what is decided about deliveries.
    pub actor: Actor,
    /// Whether it is meant.
    pub mode: ChangeMode,
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered<T> {
    /// It was carried out, or would be.
    Done(T),
    /// The same call was made before; these are the bytes that were remembered of its answer.
    Replayed(Vec<u8>),
}

/// What a call does in its transaction. A trait and no closure, since the future of an
/// asynchronous closure that borrows cannot be shown to be `Send`.
pub(crate) trait Transact {
    /// What it answers.
    type Done: Send;
    /// Why it is refused.
    type Refusal: Send;

    /// Does it; asked again when the transaction is tried again.
    fn carry_out(
        &mut self,
        tx: &mut Tx,
        now: Timestamp,
    ) -> impl Future<Output = Result<Result<Self::Done, Self::Refusal>, Error>> + Send;
}

/// What one transaction came to.
enum Decision<T, E> {
    /// It was done; with the bytes that are remembered, where there is a request id.
    Done(T, Vec<u8>),
    Replayed(Vec<u8>),
    Refused(E),
    RequestIdReused,
}

impl Store {
    /// Carries a call out in one transaction, with the locks of some partitions. `encode` makes
    /// the bytes that a repeated call is answered with.
    pub(super) async fn answer_once<W: Transact>(
        &self,
        call: &LedgerCall,
        locks: &[Partition],
        work: W,
        encode: impl FnMut(&W::Done) -> Vec<u8>,
    ) -> Result<Answered<W::Done>, ChangeError<W::Refusal>> {
        self.answer_once_in(SCOPE, call, locks, work, encode).await
    }

    /// Does the same for a call whose request id is kept in another scope.
    pub(crate) async fn answer_once_in<W: Transact>(
        &self,
        scope: &str,
        call: &LedgerCall,
        locks: &[Partition],
        mut work: W,
        mut encode: impl FnMut(&W::Done) -> Vec<u8>,
    ) -> Result<Answered<W::Done>, ChangeError<W::Refusal>> {
        let mut patience = Patience::new(self.settings().commit_patience);
        let mut doubtful: Option<(W::Done, Vec<u8>)> = None;
        let (mut in_doubt, mut refused_before) = (false, false);
        loop {
            let written = self.database().write(locks, async |tx| {
                if let Some(decision) = earlier(tx, scope, call, &mut doubtful).await? {
                    // Waits for the standby, which may not have yet what a restart made visible.
                    return Ok(Ending::Commit(decision));
                }
                let now = self.clock().now();
                let done = match work.carry_out(tx, now).await? {
                    Ok(done) => done,
                    Err(refusal) => return Ok(Ending::RollBack(Decision::Refused(refusal))),
                };
                if call.mode == ChangeMode::Rehearse {
                    return Ok(Ending::RollBack(Decision::Done(done, Vec::new())));
                }
                let mut answer = Vec::new();
                if let Some(request) = &call.request {
                    answer = encode(&done);
                    requests::remember(tx, scope, request, &answer, now).await?;
                }
                Ok(Ending::Commit(Decision::Done(done, answer)))
            });
            let error = match written.await {
                Ok(decision) => return decision.answer(),
                Err(WriteFailure::AtCommit { outcome, error }) => {
                    // Without a request id, nothing tells whether it happened.
                    if call.request.is_none() {
                        report(&error, "the commit of a decision was not answered");
                        return Err(ChangeError::Failed(CommitError::OutcomeUnknown));
                    }
                    in_doubt = true;
                    if let Decision::Done(done, answer) = outcome {
                        doubtful = Some((done, answer));
                    }
                    error
                }
                Err(WriteFailure::Before(error)) => error,
            };
            let passing = error.is_passing() || in_doubt;
            if error.is_lasting()
                || (!passing && std::mem::replace(&mut refused_before, true))
                || !patience.wait().await
            {
                report(&error, "a decision was given up");
                return Err(ChangeError::Failed(if in_doubt {
                    CommitError::OutcomeUnknown
                } else {
                    CommitError::from(&error)
                }));
            }
        }
    }

    /// Finds the answer to a call that was carried out before, and makes sure that it lasts.
    pub(super) async fn answered_before<T, E>(
        &self,
        call: &LedgerCall,
    ) -> Result<Option<Answered<T>>, ChangeError<E>> {
        self.answered_before_in(SCOPE, call).await
    }

    /// Does the same for a call whose request id is kept in another scope.
    pub(crate) async fn answered_before_in<T, E>(
        &self,
        scope: &str,
        call: &LedgerCall,
    ) -> Result<Option<Answered<T>>, ChangeError<E>> {
        if call.request.is_none() {
            return Ok(None);
        }
        let found = self.database().write(&[], async |tx| {
            let found = earlier::<T, E>(tx, scope, call, &mut None).await?;
            Ok(match found {
                Some(decision) => Ending::Commit(Some(decision)),
                None => Ending::RollBack(None),
            })
        });
        match found.await {
            Ok(decision) => decision.map(Decision::answer).transpose(),
            Err(WriteFailure::Before(error)) => Err(ChangeError::Failed(failure(&error))),
            Err(WriteFailure::AtCommit { error, .. }) => {
                report(&error, "the commit of a repeated answer was not answered");
                Err(ChangeError::Failed(CommitError::OutcomeUnknown))
            }
        }
    }
}

/// Reports an error before which nothing was written.
pub(super) fn failure(error: &Error) -> CommitError {
    report(error, "the ledger could not be read");
    CommitError::from(error)
}

/// What was remembered of a call. Where the commit of this very call was not answered, and what is
/// remembered is what it wrote, it was committed.
async fn earlier<T, E>(
    tx: &mut Tx,
    scope: &str,
    call: &LedgerCall,
    doubtful: &mut Option<(T, Vec<u8>)>,
) -> Result<Option<Decision<T, E>>, Error> {
    let Some(request) = &call.request else {
        return Ok(None);
    };
    let Some((fingerprint, answer)) = requests::find(tx, scope, request).await? else {
        return Ok(None);
    };
    if fingerprint.as_slice() != request.fingerprint {
        return Ok(Some(Decision::RequestIdReused));
    }
    let ours = doubtful.take_if(|(_, written)| *written == answer);
    Ok(Some(match ours {
        Some((done, answer)) => Decision::Done(done, answer),
        None => Decision::Replayed(answer),
    }))
}

impl<T, E> Decision<T, E> {
    fn answer(self) -> Result<Answered<T>, ChangeError<E>> {
        match self {
            Self::Done(done, _) => Ok(Answered::Done(done)),
            Self::Replayed(answer) => Ok(Answered::Replayed(answer)),
            Self::Refused(refusal) => Err(ChangeError::Refused(refusal)),
            Self::RequestIdReused => Err(ChangeError::RequestIdReused),
        }
    }
}
