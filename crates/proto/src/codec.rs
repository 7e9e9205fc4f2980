//! The codec of servers: protobuf as everybody writes it, weighed before it is decoded.

use std::{marker::PhantomData, sync::Arc};

use bytes::Buf;
use prost::Message;
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder},
};
use tonic_prost::ProstEncoder;

use crate::shape::{self, Shaped, Unfit};

/// Encodes `T` as [`ProstCodec`](tonic_prost::ProstCodec) does, and decodes `U` if that takes no more memory than its bytes allow; see
/// [`shape::weigh`].
#[derive(Debug, Clone)]
pub struct Weighed<T, U>(PhantomData<(T, U)>);

/// Decodes `U`, once it was weighed.
#[derive(Debug, Clone)]
pub struct WeighedDecoder<U>(PhantomData<U>);

impl<T, U> Default for Weighed<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for Weighed<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Shaped + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = WeighedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        WeighedDecoder(PhantomData)
    }
}

impl<U: Message + Default + Shaped> Decoder for WeighedDecoder<U> {
    type Item = U;
    type Error = Status;

    /// A message that is too dense is refused with [`InvalidRequest`](crate::invalid::InvalidRequest) as the source of
    /// the status, one that is none as [`ProstCodec`](tonic_prost::ProstCodec) refuses it.
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // The bytes stand in one piece, in which fields that are bytes stay.
        let mut message = buffer.copy_to_bytes(buffer.remaining());
        shape::weigh(U::shape(), &message).map_err(refusal)?;
        let decoded = U::decode(&mut message);
        decoded
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

fn refusal(unfit: Unfit) -> Status {
    match unfit {
        Unfit::Malformed => Status::internal("the message cannot be read"),
        Unfit::Dense(invalid) => {
            let mut status = Status::invalid_argument(invalid.to_string());
            status.set_source(Arc::new(invalid));
            status
        }
    }
}
