//! Gathering the messages of a body, each whole before it is decoded.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::Instant;
use tonic::{Status, body::Body};

use super::pool::{ConnectionQueue, Held, NoRoom, Pools, REST_MAX};
use crate::error::{Problem, Reason};

/// The prefix of a message: whether it is compressed, and its length.
const FRAME_BYTES: usize = 5;
/// Pieces below this size are copied together, so that keeping them costs no more than their bytes.
const PIECE_BYTES: usize = 1024;
/// The most of them that is copied together.
const TAIL_BYTES: usize = 64 * 1024;
/// The speed at which a message counts as moving while others wait for room: so many bytes put off by a second that it stands
/// still. Over the longest ways, what may be sent at once on a call comes faster.
const BYTES_PER_SECOND_MIN: u32 = 256 * 1024;

pub(super) struct Gatherer {
    pools: Arc<Pools>,
    body: Body,
    bytes_max: usize,
    /// The bytes that came after the message before.
    rest: Bytes,
    held: Held,
    /// The time at which it counts as standing still.
    idle_at: Instant,
}

/// A message, with what stands before it, in pieces.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    pieces: VecDeque<Bytes>,
    tail: BytesMut,
    bytes: usize,
}

impl Gatherer {
    pub(super) fn new(
        pools: Arc<Pools>,
        queue: ConnectionQueue,
        body: Body,
        bytes_max: usize,
    ) -> Self {
        Self {
            pools,
            body,
            bytes_max,
            rest: Bytes::new(),
            held: Held::nothing(queue),
            idle_at: Instant::now() + REST_MAX,
        }
    }

    /// The only message, when the body has ended, and the room that it takes. A body without any gives none: who
    /// decodes it says so.
    ///
    /// # Errors
    /// Returns a status when the message is too large, when there is no room for it, or when more comes after it.
    pub(super) async fn whole(mut self) -> Result<(Arrived, Held), Status> {
        let Some(message) = self.gather().await? else {
            return Ok((Arrived::default(), self.held));
        };
        let more = !self.rest.is_empty() || self.piece().await?.is_some();
        if more {
            let problem = "is more than one message, of which this method takes one";
            let problem = Problem::of_field(Reason::MessageMalformed, "request", problem);
            return Err(problem.into());
        }
        self.take_turn().await?;
        Ok((message, self.held))
    }

    /// The next message; none at the end of the body.
    ///
    /// # Errors
    /// As [`Self::whole`].
    pub(super) async fn next(&mut self) -> Result<Option<Arrived>, Status> {
        let message = self.gather().await?;
        self.take_turn().await?;
        Ok(message)
    }

    /// Gives the room of the last message back.
    pub(super) fn let_go(&mut self) {
        self.held.let_go();
    }

    /// A message that is cut off by the end of the body is given as it is: who decodes it says what is wrong.
    async fn gather(&mut self) -> Result<Option<Arrived>, Status> {
        let mut message = Arrived::default();
        let mut head = Vec::with_capacity(FRAME_BYTES);
        let mut length = None;
        loop {
            if self.rest.is_empty() {
                match self.piece().await? {
                    Some(piece) => self.rest = piece,
                    None if message.bytes == 0 => return Ok(None),
                    None => return Ok(Some(message.end())),
                }
            }
            let wanted = if let Some(wanted) = length {
                wanted
            } else {
                let missing = FRAME_BYTES - head.len();
                head.extend(self.rest.iter().take(missing));
                match head.first_chunk() {
                    Some(head) => *length.insert(self.length(*head)?),
                    None => FRAME_BYTES,
                }
            };
            let taken = (wanted - message.bytes).min(self.rest.len());
            self.take_room(taken, wanted).await?;
            message.add(self.rest.split_to(taken));
            if length == Some(message.bytes) {
                return Ok(Some(message.end()));
            }
        }
    }

    fn length(&self, [_, length @ ..]: [u8; FRAME_BYTES]) -> Result<usize, Status> {
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > self.bytes_max {
            return Err(Problem::message_too_large(self.bytes_max).into());
        }
        Ok(FRAME_BYTES + length)
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            let holds = !self.held.is_empty();
            let frame = tokio::select! {
                biased;
                frame = self.body.frame() => frame,
                () = self.pools.wants_it_back(&self.held, self.idle_at), if holds => return Err(overloaded()),
            };
            let Some(frame) = frame else {
                return Ok(None);
            };
            // The peer went away: nobody hears what is answered.
            let frame = frame.map_err(|_| Status::cancelled("the call was given up"))?;
            match frame.into_data() {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => {
                    self.moved(piece.len());
                    return Ok(Some(piece));
                }
                // Trailers, which end the body.
                Err(_) => return Ok(None),
            }
        }
    }

    fn moved(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let gained = Duration::from_secs(1) * bytes / BYTES_PER_SECOND_MIN;
        let latest = Instant::now() + REST_MAX;
        self.idle_at = if self.held.is_empty() {
            latest
        } else {
            latest.min(self.idle_at + gained)
        };
    }

    /// Takes room for so many bytes of a message of this length.
    async fn take_room(&mut self, bytes: usize, length: usize) -> Result<(), Status> {
        let begun = Instant::now();
        let room = self.pools.take(&mut self.held, bytes, length).await;
        room.map_err(|NoRoom| overloaded())?;
        // Meanwhile it was not the peer that stood still.
        self.idle_at += begun.elapsed();
        Ok(())
    }

    async fn take_turn(&mut self) -> Result<(), Status> {
        let turn = self.pools.turn(&mut self.held).await;
        turn.map_err(|NoRoom| overloaded())
    }
}

fn overloaded() -> Status {
    let message = "more requests are on their way than the server has room for";
    Problem::new(Reason::Overloaded, message).into()
}

impl Arrived {
    fn add(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        let is_whole = self.pieces.is_empty() && self.tail.is_empty();
        if piece.len() >= PIECE_BYTES || is_whole {
            self.close();
            self.pieces.push_back(piece);
            return;
        }
        if self.tail.len() >= TAIL_BYTES {
            self.close();
        }
        self.tail.extend_from_slice(&piece);
    }

    fn close(&mut self) {
        if !self.tail.is_empty() {
            self.pieces
                .push_back(std::mem::take(&mut self.tail).freeze());
        }
    }

    fn end(mut self) -> Self {
        self.close();
        self
    }
}

impl Iterator for Arrived {
    type Item = Frame<Bytes>;

    fn next(&mut self) -> Option<Frame<Bytes>> {
        self.pieces.pop_front().map(Frame::data)
    }
}

/// As a body, it lets go of each piece as it is copied.
impl http_body::Body for Arrived {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(self.next().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let bytes = self.pieces.iter().map(|piece| piece.len() as u64);
        SizeHint::with_exact(bytes.sum())
    }
}
