//! Reading bodies.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::refusal::Refusal;

/// Largest body.
pub(crate) const MAX_BODY_BYTES: usize = 16 << 20;
/// Longest time for a body, and for room for it.
pub(crate) const BODY_LIMIT: Duration = Duration::from_secs(30);
/// Bytes of bodies that are in memory at once. What is read of a body in JSON takes up to sixteen times as much.
const ROOM_BYTES: usize = 4 * MAX_BODY_BYTES;

/// Room for the bodies of all requests.
#[derive(Clone, Debug)]
pub(crate) struct Room(Arc<Semaphore>);

/// The whole body of a request. Its part of the room is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

impl Deref for Body {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Room {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(ROOM_BYTES)))
    }

    /// Reads a body as soon as there is room for as much as it says it has.
    pub(crate) async fn body(&self, request: Request) -> Result<Body, Refusal> {
        let headers = request.headers();
        if let Some(encoding) = headers.get(CONTENT_ENCODING).filter(|e| *e != "identity") {
            let encoding = String::from_utf8_lossy(encoding.as_bytes()).into_owned();
            return Err(Refusal::Encoding(encoding));
        }
        let said = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let size = said.and_then(|text| text.parse().ok()).unwrap_or(MAX_BODY_BYTES);
        let permits = u32::try_from(size.min(MAX_BODY_BYTES)).unwrap_or(u32::MAX);
        let room = timeout(BODY_LIMIT, self.0.clone().acquire_many_owned(permits)).await;
        // The semaphore is never closed.
        let room = room.map_err(|_| Refusal::Busy)?.map_err(|_| Refusal::Busy)?;
        let body = timeout(BODY_LIMIT, Bytes::from_request(request, &())).await;
        // The only other way to fail is a broken connection, on which nobody reads the answer.
        let bytes = body.map_err(|_| Refusal::TooSlow)?.map_err(|_| Refusal::TooLarge)?;
        Ok(Body { bytes, _room: room })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(length: Option<usize>, body: Vec<u8>) -> Request {
        let mut request = Request::builder();
        if let Some(length) = length {
            request = request.header(CONTENT_LENGTH, length);
        }
        request.body(axum::body::Body::from(body)).expect("a request")
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_wait_for_room_and_small_ones_find_it() {
        let room = Room::new();
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(room.body(request(None, vec![1; 9])).await.expect("room"));
        }
        let most = MAX_BODY_BYTES - 1_000;
        held.push(room.body(request(Some(most), vec![2; 9])).await.expect("room"));
        let small = room.body(request(Some(9), vec![3; 9])).await.expect("room for a small one");
        assert_eq!((&*small, small.bytes.len()), (&[3; 9][..], 9));
        let refused = room.body(request(None, vec![4; 9])).await;
        assert!(matches!(refused, Err(Refusal::Busy)));
        held.pop();
        room.body(request(Some(most), vec![5; 9])).await.expect("room again");
    }
}
