//! The body of a request, which is read to the end also where nobody asks for the rest: a call may be answered before
//! all of it came, such as when its deadline passes.
//!
//! h2 never forgets a small piece of a call that nobody reads, and ends the connection when they are many, although it
//! may be years old; so what comes late is read here, where it is little and comes soon. From anything longer, the call
//! is cut off.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::{runtime::Handle, time::sleep};
use tokio_util::sync::CancellationToken;

use super::turns::{Call, Turns};

/// The most that is read of a call that was answered, and the longest time.
const REST_BYTES_MAX: usize = 16 * 1024;
const REST_TIME_MAX: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Received<B: Body<Data = Bytes> + Send + Unpin + 'static> {
    /// None when it has ended.
    body: Option<B>,
    turns: Arc<Turns>,
    stopping: CancellationToken,
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Received<B> {
    pub(super) fn new(body: B, turns: &Arc<Turns>, stopping: &CancellationToken) -> Self {
        Self {
            body: Some(body),
            turns: Arc::clone(turns),
            stopping: stopping.clone(),
        }
    }
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Body for Received<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if !matches!(frame, Some(Ok(_))) {
            this.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let none = || SizeHint::with_exact(0);
        self.body.as_ref().map_or_else(none, Body::size_hint)
    }
}

impl<B: Body<Data = Bytes> + Send + Unpin + 'static> Drop for Received<B> {
    fn drop(&mut self) {
        let Some(body) = self.body.take() else {
            return;
        };
        if body.is_end_stream() {
            return;
        }
        // Without a runtime there is no connection any more.
        if let Ok(runtime) = Handle::try_current() {
            let rest = Box::pin(read_rest(body, self.stopping.clone()));
            runtime.spawn(Call::new(rest, &self.turns));
        }
    }
}

async fn read_rest(mut body: impl Body<Data = Bytes> + Unpin, stopping: CancellationToken) {
    let mut rest = pin!(async move {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if bytes > REST_BYTES_MAX {
                return;
            }
        }
    });
    tokio::select! {
        () = &mut rest => {}
        () = sleep(REST_TIME_MAX) => {}
        () = stopping.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::StreamBody;
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::ReceiverStream;

    use super::*;

    type Pieces = mpsc::Sender<Result<Frame<Bytes>, Infallible>>;
    type Sent = StreamBody<ReceiverStream<Result<Frame<Bytes>, Infallible>>>;

    fn received(stopping: &CancellationToken) -> (Pieces, Received<Sent>) {
        let (pieces, body) = mpsc::channel(1);
        let body = StreamBody::new(ReceiverStream::new(body));
        (pieces, Received::new(body, &Arc::default(), stopping))
    }

    async fn send(pieces: &Pieces, bytes: usize) -> bool {
        let piece = Frame::data(Bytes::from(vec![1; bytes]));
        pieces.send(Ok(piece)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_late_is_read() {
        let (pieces, mut body) = received(&CancellationToken::new());
        assert!(send(&pieces, 10).await);
        assert!(body.frame().await.is_some());
        drop(body);
        for _ in 0..100 {
            assert!(send(&pieces, 100).await);
        }
        // The sender has an end as well.
        tokio::time::timeout(REST_TIME_MAX * 2, pieces.closed())
            .await
            .expect("nobody waits for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_long_is_cut_off() {
        let (pieces, body) = received(&CancellationToken::new());
        drop(body);
        let mut sent = 0;
        while send(&pieces, 1_000).await {
            sent += 1_000;
            assert!(sent < 2 * REST_BYTES_MAX);
        }
        assert!(sent >= REST_BYTES_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_when_the_server_stops() {
        let stopping = CancellationToken::new();
        let (pieces, body) = received(&stopping);
        drop(body);
        let begun = tokio::time::Instant::now();
        stopping.cancel();
        pieces.closed().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_body_that_has_ended_stays_ended() {
        let (pieces, mut body) = received(&CancellationToken::new());
        drop(pieces);
        assert!(body.frame().await.is_none());
        assert!(body.frame().await.is_none() && body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
    }
}
