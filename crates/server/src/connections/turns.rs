//! Turns: how far a connection is read before its calls are run.
//!
//! h2 hands calls over once it has read all that came, and ends a connection on which too much lies unread by then:
//! calls that were cancelled, and messages of a few bytes, each of which takes more memory than it has bytes. A burst of
//! honest calls looks like that as well where the server is slower than they come. So a connection is read a little at a
//! time, and no further while many of its calls wait to be run: then only so much lies unread, whatever comes.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
};

use futures::task::AtomicWaker;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Notify,
};

/// Bytes that a connection reads in a turn: at most some 650 calls that are cancelled at once, or 700 small messages. With
/// those of the calls that may wait, that is less than h2 bears, which is 8,192 messages for a window of 4 MiB.
const TURN_BYTES: usize = 16 * 1024;
/// Maximum of calls that wait to be run where a connection reads on.
const WAITING_MAX: usize = 256;

/// With how many bytes a connection has begun: by these, HTTP/2 is told from HTTP/1.
const BEGINNING_BYTES: usize = 24;

/// The state that a connection shares with its calls.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Bytes that may still be read in this turn.
    left: AtomicUsize,
    /// Calls that wait to be run.
    waiting: AtomicUsize,
    /// The connection, where it waits for them.
    reader: AtomicWaker,
    /// Bytes that were read, up to its beginning.
    read: AtomicUsize,
    /// Rung when it has begun.
    beginning: Notify,
}

impl Turns {
    /// Gives a connection its turn.
    pub(super) fn poll<F: Future>(
        &self,
        connection: Pin<&mut F>,
        context: &mut Context<'_>,
    ) -> Poll<F::Output> {
        self.left.store(TURN_BYTES, Ordering::Relaxed);
        connection.poll(context)
    }

    /// Waits until the connection has begun; one waits at a time.
    pub(super) async fn begun(&self) {
        if self.read.load(Ordering::SeqCst) < BEGINNING_BYTES {
            self.beginning.notified().await;
        }
    }

    fn note_read(&self, bytes: usize) {
        let before = self.read.load(Ordering::SeqCst);
        if before < BEGINNING_BYTES {
            let read = before.saturating_add(bytes);
            self.read.store(read, Ordering::SeqCst);
            if read >= BEGINNING_BYTES {
                self.beginning.notify_one();
            }
        }
    }

    fn enter(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
    }

    fn leave(&self) {
        if self.waiting.fetch_sub(1, Ordering::SeqCst) == WAITING_MAX {
            self.reader.wake();
        }
    }

    /// Whether few calls wait; otherwise the connection is woken as soon as they do.
    fn poll_few(&self, context: &Context<'_>) -> Poll<()> {
        let few = || self.waiting.load(Ordering::SeqCst) < WAITING_MAX;
        if few() {
            return Poll::Ready(());
        }
        self.reader.register(context.waker());
        // They may have been run before the reader was there to be woken.
        if few() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

#[derive(Debug)]
pub(super) struct Paced<T> {
    stream: T,
    turns: Arc<Turns>,
}

impl<T> Paced<T> {
    pub(super) fn new(stream: T, turns: &Arc<Turns>) -> Self {
        let turns = Arc::clone(turns);
        Self { stream, turns }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, turns } = self.get_mut();
        let left = turns.left.load(Ordering::Relaxed);
        if left == 0 {
            // The runtime puts the connection behind the calls that it has just handed over.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(turns.poll_few(context));
        let before = buffer.filled().len();
        if buffer.remaining() <= left {
            ready!(Pin::new(stream).poll_read(context, buffer))?;
        } else {
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(left));
            ready!(Pin::new(stream).poll_read(context, &mut part))?;
            let read = part.filled().len();
            buffer.advance(read);
        }
        let read = buffer.filled().len() - before;
        turns.note_read(read);
        turns
            .left
            .store(left.saturating_sub(read), Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A call, which waits to be run from the moment that there is something new for it until it is polled.
#[derive(Debug)]
pub(super) struct Call<F> {
    inner: F,
    news: Arc<CallNews>,
}

/// Whether there is something new for a call: the first time that it is polled, and whenever it was woken.
#[derive(Debug)]
struct CallNews {
    turns: Arc<Turns>,
    state: AtomicU8,
    task: AtomicWaker,
}

/// The states of [`CallNews`]: nothing new, something new, and a call that is over, for which nothing counts.
const RESTING: u8 = 0;
const WAITING: u8 = 1;
const OVER: u8 = 2;

impl<F> Call<F> {
    pub(super) fn new(inner: F, turns: &Arc<Turns>) -> Self {
        turns.enter();
        let news = CallNews {
            turns: Arc::clone(turns),
            state: AtomicU8::new(WAITING),
            task: AtomicWaker::new(),
        };
        Self {
            inner,
            news: Arc::new(news),
        }
    }
}

impl<F: Future + Unpin> Future for Call<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { inner, news } = self.get_mut();
        news.task.register(context.waker());
        news.become_state(RESTING);
        let waker = Waker::from(Arc::clone(news));
        Pin::new(inner).poll(&mut Context::from_waker(&waker))
    }
}

impl<F> Drop for Call<F> {
    fn drop(&mut self) {
        self.news.become_state(OVER);
    }
}

impl CallNews {
    fn become_state(&self, state: u8) {
        if self.state.swap(state, Ordering::SeqCst) == WAITING {
            self.turns.leave();
        }
    }
}

impl Wake for CallNews {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Counted before anybody can find that it waits and stop counting it.
        self.turns.enter();
        let waits =
            self.state
                .compare_exchange(RESTING, WAITING, Ordering::SeqCst, Ordering::SeqCst);
        if waits.is_err() {
            self.turns.leave();
        }
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, pin::pin};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        sync::oneshot,
    };

    use super::*;

    /// Notes that it was woken.
    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A connection to which so much was sent, and how much of that it has read.
    async fn connection(
        turns: &Arc<Turns>,
        bytes: usize,
    ) -> (DuplexStream, Arc<AtomicUsize>, impl Future<Output = ()>) {
        let (mut peer, stream) = tokio::io::duplex(bytes);
        peer.write_all(&vec![7; bytes]).await.unwrap();
        let mut paced = Paced::new(stream, turns);
        let total = Arc::<AtomicUsize>::default();
        let read = Arc::clone(&total);
        let reading = async move {
            let mut buffer = [0; 5_000];
            loop {
                let bytes = paced.read(&mut buffer).await.unwrap();
                assert!(buffer[..bytes].iter().all(|byte| *byte == 7));
                read.fetch_add(bytes, Ordering::SeqCst);
            }
        };
        (peer, total, reading)
    }

    fn waiting(turns: &Turns) -> usize {
        turns.waiting.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn a_connection_begins_with_its_first_bytes() {
        let turns = Arc::<Turns>::default();
        let mut context = Context::from_waker(Waker::noop());
        for (bytes, has_begun) in [(BEGINNING_BYTES - 1, false), (1, true), (1, true)] {
            let (_peer, _total, reading) = connection(&turns, bytes).await;
            assert!(turns.poll(pin!(reading), &mut context).is_pending());
            let begun = pin!(turns.begun()).poll(&mut context);
            assert_eq!(begun.is_ready(), has_begun);
        }
    }

    #[tokio::test]
    async fn a_turn_reads_so_much_and_no_more() {
        let turns = Arc::<Turns>::default();
        let (_peer, total, reading) = connection(&turns, 40_000).await;
        let mut reading = pin!(reading);
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        for expected in [TURN_BYTES, 2 * TURN_BYTES, 40_000] {
            let before = woken.0.load(Ordering::SeqCst);
            assert!(turns.poll(reading.as_mut(), &mut context).is_pending());
            assert_eq!(total.load(Ordering::SeqCst), expected);
            let asks_again = woken.0.load(Ordering::SeqCst) > before;
            assert_eq!(asks_again, expected < 40_000, "while there may be more");
        }
    }

    #[tokio::test]
    async fn a_connection_reads_on_when_its_calls_were_run() {
        let turns = Arc::<Turns>::default();
        let (_peer, total, reading) = connection(&turns, 1_000).await;
        let mut reading = pin!(reading);
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let mut calls: Vec<_> = (0..WAITING_MAX + 3)
            .map(|_| Call::new(pending::<()>(), &turns))
            .map(Box::pin)
            .collect();
        let mut idle = Context::from_waker(Waker::noop());
        for call in &mut calls[..4] {
            assert!(turns.poll(reading.as_mut(), &mut context).is_pending());
            assert_eq!(total.load(Ordering::SeqCst), 0);
            assert_eq!(woken.0.load(Ordering::SeqCst), 0);
            assert!(call.as_mut().poll(&mut idle).is_pending());
        }
        assert_eq!(woken.0.load(Ordering::SeqCst), 1);
        assert!(turns.poll(reading.as_mut(), &mut context).is_pending());
        assert_eq!(total.load(Ordering::SeqCst), 1_000);
        drop(calls);
        assert_eq!(waiting(&turns), 0);
    }

    #[tokio::test]
    async fn a_call_waits_from_the_news_until_it_is_polled() {
        let turns = Arc::<Turns>::default();
        let woken = Arc::<Woken>::default();
        let waker = Waker::from(Arc::clone(&woken));
        let mut context = Context::from_waker(&waker);
        let (news, future) = oneshot::channel();
        let mut call = Call::new(future, &turns);
        assert_eq!(waiting(&turns), 1);
        assert!(Pin::new(&mut call).poll(&mut context).is_pending());
        assert_eq!(waiting(&turns), 0);
        news.send(5).unwrap();
        assert_eq!((waiting(&turns), woken.0.load(Ordering::SeqCst)), (1, 1));
        assert_eq!(Pin::new(&mut call).poll(&mut context), Poll::Ready(Ok(5)));
        assert_eq!(waiting(&turns), 0);
        call.news.wake_by_ref();
        call.news.wake_by_ref();
        assert_eq!(waiting(&turns), 1, "however often it is woken");
        let late = Waker::from(Arc::clone(&call.news));
        drop(call);
        assert_eq!(waiting(&turns), 0);
        late.wake();
        assert_eq!(waiting(&turns), 0, "it is over");
    }
}
