//! Steady load over many heartbeats: answers stay fast.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::{Duration, Instant};

use dn_devnet::Devnet;
use dn_e2e::{options, Digits, User};

/// Length of the load.
const LOAD: Duration = Duration::from_secs(20);
/// Between two tasks.
const EVERY: Duration = Duration::from_millis(100);
/// A tenth of the pause between two heartbeats: answers that wait for one exceed it.
const P99: Duration = Duration::from_millis(500);

/// A node's heartbeats and its requests for work share nothing: an answer never waits for a beat.
#[tokio::test(flavor = "multi_thread")]
async fn answers_do_not_wait_for_heartbeats() {
    let digits = Digits::import().unwrap();
    let folder = |name: &str| Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut options = options(&digits.package, folder("serving"), folder("data")).unwrap();
    // A beat every five seconds, and a first one before the load has ended.
    options.lease = Duration::from_secs(20);
    options.batch_wait = Duration::from_secs(3600);
    let devnet = Devnet::start(&options).await.unwrap();
    let user = User::new(&devnet, 0).await.unwrap();
    let start = Instant::now();
    let mut asked = Vec::new();
    let mut nonce = 0;
    while start.elapsed() < LOAD {
        let (user, input) = (user.clone(), digits.inputs[nonce % digits.inputs.len()].clone());
        asked.push(tokio::spawn(async move { user.ask(&input, nonce as u64).await }));
        nonce += 1;
        tokio::time::sleep(EVERY).await;
    }
    let mut times = Vec::new();
    for answer in asked {
        times.push(answer.await.unwrap().unwrap().1);
    }
    times.sort();
    let p99 = times[times.len() * 99 / 100];
    assert!(p99 < P99, "p99 is {p99:?} over {} answers", times.len());
}
