use actix_web::web::Bytes;
use futures_util::stream::{Stream, TryStreamExt as _, try_unfold};

use super::codec::Encoder;
use super::{Coding, Compression};

/// Encodes a stream: each chunk leaves when it comes, and the end of the coding follows the last one.
pub(crate) fn compressed<S, E>(
    chunks: S,
    coding: Coding,
    compression: &Compression,
) -> impl Stream<Item = Result<Bytes, E>> + use<S, E>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let encoder = Encoder::new(coding, compression.level, Vec::new());
    try_unfold((chunks, Some(encoder)), |(mut chunks, encoder)| async move {
        let Some(mut encoder) = encoder else {
            return Ok(None);
        };
        Ok(match chunks.try_next().await? {
            Some(chunk) => {
                encoder.write(&chunk);
                Some((Bytes::from(encoder.take()), (chunks, Some(encoder))))
            }
            None => Some((Bytes::from(encoder.finish()), (chunks, None))),
        })
    })
}
