//! Pages of `SettleOrders` under a request id. A page is carried out in many transactions, so which
//! orders it is about is kept before the first of them, and the answer in its place after the last
//! one: who repeats a page that was cut off goes on with the same orders.

use std::convert::Infallible;

use waymark_domain::value::{Timestamp, WorkflowCode};

use crate::{
    Answered, ChangeError, ChangeMode, Request, Store,
    error::ErrorChain,
    once::{Call, CarriedOut, Transact},
    requests::{self, Scope},
    tx::{Ending, Tx, before},
};

/// How what is kept begins: of a page that was begun, and of one that has ended.
const BEGUN: u8 = b'b';
const ENDED: u8 = b'e';

/// A page that is carried out under a request id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlingCall {
    /// The workflow of the orders, to which the request id belongs.
    pub workflow: WorkflowCode,
    /// What makes the call recognisable when it comes again.
    pub request: Request,
}

/// What is kept of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settling {
    /// It was begun: which orders it is about, as the caller wrote it.
    Begun(Vec<u8>),
    /// It has ended: what was answered.
    Ended(Vec<u8>),
}

type Result<T> = std::result::Result<T, ChangeError<Infallible>>;

impl Store {
    /// Finds what is kept of a page, and makes sure that it lasts.
    ///
    /// # Errors
    /// Returns [`ChangeError::RequestIdReused`] and [`ChangeError::Failed`].
    pub async fn find_settling(&self, call: &SettlingCall) -> Result<Option<Settling>> {
        let scope = Scope::workflow(&call.workflow);
        let once = stage(&scope, Some(&call.request));
        Ok(match self.find_answer::<(), Infallible>(once).await? {
            Some(Answered::Replayed(kept)) => Some(read(&kept)),
            Some(Answered::Done(())) | None => None,
        })
    }

    /// Keeps which orders a page is about, unless something is kept of it, and says what is.
    ///
    /// # Errors
    /// Returns [`ChangeError::RequestIdReused`] and [`ChangeError::Failed`].
    pub async fn begin_settling(&self, call: &SettlingCall, plan: &[u8]) -> Result<Settling> {
        let scope = Scope::workflow(&call.workflow);
        let once = stage(&scope, Some(&call.request));
        let keep = |(): &()| write(BEGUN, plan);
        Ok(match self.once(once, Nothing, keep).await? {
            Answered::Done(()) => Settling::Begun(plan.to_vec()),
            Answered::Replayed(kept) => read(&kept),
        })
    }

    /// Keeps the answer to a page that was begun. Where it has an answer by now, that stays.
    ///
    /// # Errors
    /// Returns [`ChangeError::Failed`].
    pub async fn end_settling(
        &self,
        call: &SettlingCall,
        (plan, answer): (&[u8], &[u8]),
    ) -> Result<()> {
        let scope = Scope::workflow(&call.workflow);
        let end = End {
            scope: &scope,
            request: &call.request,
            kept: (write(BEGUN, plan), write(ENDED, answer)),
        };
        let once = stage(&scope, None);
        self.once(once, end, |()| Vec::new()).await?;
        Ok(())
    }

    /// Forgets a page that was begun and of which nothing was carried out. Where that fails, it is
    /// gone on with when it comes again.
    pub async fn give_up_settling(&self, call: &SettlingCall, plan: &[u8]) {
        let (scope, kept) = (Scope::workflow(&call.workflow), write(BEGUN, plan));
        let forgotten = self.database().write(&[], async |tx| {
            requests::forget(tx, &scope, &call.request, &kept).await?;
            Ok(Ending::Commit(()))
        });
        if let Err(failure) = forgotten.await {
            let error = before(failure);
            tracing::debug!(error = %ErrorChain(&error), "a page of orders was given up, but is still kept");
        }
    }
}

/// The call that keeps a stage of a page.
fn stage<'c>(scope: &'c Scope, request: Option<&'c Request>) -> Call<'c> {
    Call {
        scope,
        request,
        mode: ChangeMode::Apply,
        locks: &[],
    }
}

fn write(stage: u8, bytes: &[u8]) -> Vec<u8> {
    let mut kept = vec![stage];
    kept.extend_from_slice(bytes);
    kept
}

fn read(kept: &[u8]) -> Settling {
    match kept.split_first() {
        Some((&BEGUN, plan)) => Settling::Begun(plan.to_vec()),
        Some((_, answer)) => Settling::Ended(answer.to_vec()),
        None => Settling::Ended(Vec::new()),
    }
}

/// Does nothing besides what is remembered.
struct Nothing;

/// Puts the answer in the place of the plan.
struct End<'c> {
    scope: &'c Scope,
    request: &'c Request,
    /// What is kept before and after.
    kept: (Vec<u8>, Vec<u8>),
}

impl Transact for Nothing {
    type Done = ();
    type Refusal = Infallible;

    async fn carry_out(&mut self, _: &mut Tx, _: Timestamp) -> CarriedOut<Self> {
        Ok(Ok(()))
    }
}

impl Transact for End<'_> {
    type Done = ();
    type Refusal = Infallible;
    // The plan is replaced once, however often that is tried.
    const IS_REPEATABLE: bool = true;

    async fn carry_out(&mut self, tx: &mut Tx, _: Timestamp) -> CarriedOut<Self> {
        let kept = (self.kept.0.as_slice(), self.kept.1.as_slice());
        requests::answer_otherwise(tx, self.scope, self.request, kept).await?;
        Ok(Ok(()))
    }
}
