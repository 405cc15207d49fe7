//! How many connections there may be.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Serving;
use crate::metrics;

/// Most refusals that are being told at once. Further connections are closed without a word.
const REFUSALS: usize = 256;
/// Longest time to tell a refusal.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// Counts connections, all together and by address.
pub(super) struct Limits {
    most: usize,
    most_per_address: usize,
    open: Arc<Mutex<Open>>,
    refusals: Arc<Semaphore>,
}

#[derive(Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place. Dropping it makes room for another one.
pub(super) struct Place {
    address: IpAddr,
    open: Arc<Mutex<Open>>,
}

/// Why a connection is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The server has too many.
    Server,
    /// The address has too many.
    Address,
}

impl Limits {
    pub(super) fn of(serving: &Serving) -> Self {
        Self {
            most: serving.max_connections,
            most_per_address: serving.max_connections_per_address,
            open: Arc::default(),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
        }
    }

    /// Takes a place for a connection from `address`.
    pub(super) fn admit(&self, address: IpAddr) -> Result<Place, Refusal> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.all >= self.most {
            return Err(Refusal::Server);
        }
        let of_address = open.by_address.entry(address).or_default();
        if *of_address >= self.most_per_address {
            return Err(Refusal::Address);
        }
        *of_address += 1;
        open.all += 1;
        metrics::gauge!(metrics::CONNECTIONS).increment(1.0);
        Ok(Place { address, open: self.open.clone() })
    }

    /// Leave to tell a refusal, unless too many are being told.
    pub(super) fn turn_to_refuse(&self) -> Option<OwnedSemaphorePermit> {
        self.refusals.clone().try_acquire_owned().ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.all -= 1;
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
        metrics::gauge!(metrics::CONNECTIONS).decrement(1.0);
    }
}

impl Refusal {
    /// The limit's name in metrics.
    pub(super) fn limit(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Address => "address",
        }
    }

    /// Answers whatever the client asks and closes.
    pub(super) async fn tell(self, mut stream: TcpStream) {
        let told = async {
            stream.write_all(self.response().as_bytes()).await?;
            stream.shutdown().await?;
            // Closing over unread bytes would take the answer from the client.
            let mut unread = [0; 1024];
            while stream.read(&mut unread).await? != 0 {}
            std::io::Result::Ok(())
        };
        // A client that does not listen has lost nothing.
        let _ = tokio::time::timeout(REFUSAL_TIME, told).await;
    }

    fn response(self) -> String {
        let (status, reason, detail) = match self {
            Self::Server => {
                (503, "Service Unavailable", "the server has as many connections as it serves")
            }
            Self::Address => {
                (429, "Too Many Requests", "your address has as many connections as it may have")
            }
        };
        let body = serde_json::json!({
            "type": "about:blank",
            "title": "Too many connections",
            "status": status,
            "code": "too_many_connections",
            "detail": detail,
            "hint": "use connections again, and try again after the time in Retry-After",
        });
        let body = body.to_string();
        format!(
            "HTTP/1.1 {status} {reason}\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_given_back() {
        let serving =
            Serving { max_connections: 3, max_connections_per_address: 2, ..Serving::default() };
        let limits = Limits::of(&serving);
        let [a, b] = [IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2])];
        let first = limits.admit(a).ok();
        let _second = limits.admit(a).ok();
        assert_eq!(limits.admit(a).err(), Some(Refusal::Address));
        let _third = limits.admit(b).ok();
        assert_eq!(limits.admit(b).err(), Some(Refusal::Server));
        drop(first);
        assert!(limits.admit(a).is_ok());
    }
}
