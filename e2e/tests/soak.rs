//! Everything at once, for a while: steady load, killed processes, a chain that fails and forgets.
//! Then quiet; then the books must balance.
//!
//! `DN_SOAK_S` is the length in seconds, `DN_SOAK_SEED` makes another run of faults.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a soak tells what it did")]

use std::path::Path;
use std::time::{Duration, Instant};

use alloy::primitives::U256;
use dn_core::api::{Bytes32, SubmitTask};
use dn_core::task::{Reason, TaskState};
use dn_e2e::{Fault, Stage, User};
use dn_sdk::{domain, task_id, wire};
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tokio::task::JoinHandle;

/// Between two tasks.
const EVERY: Duration = Duration::from_millis(100);
/// Until everything is settled, once faults have stopped.
const QUIET: Duration = Duration::from_secs(120);
/// Length of a failure of the chain's endpoint.
const OUTAGE: Duration = Duration::from_secs(2);
const SERVICES: [&str; 5] = ["sequencer", "worker-1", "worker-2", "prover", "validator"];
const NAME: &str = "soak";

fn root() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// A task that was sent, whatever became of it.
struct Sent {
    id: Bytes32,
    user: usize,
    asking: JoinHandle<Option<Duration>>,
}

/// Faults that were made.
#[derive(Debug, Default)]
struct Made {
    kills: u32,
    chain_kills: u32,
    outages: u32,
    reorganisations: u32,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_ends_once_whatever_happens() {
    let length = Duration::from_secs(number("DN_SOAK_S", 90));
    let seed = number("DN_SOAK_SEED", 1);
    println!("soak of {length:?}, seed {seed}");
    let mut stage = Stage::start(root(), NAME, |options| {
        options.running_workers = 2;
        options.batch_wait = Duration::from_secs(1);
        options.lease = Duration::from_secs(4);
        options.block_time = Some(Duration::from_millis(500));
        options.confirmations = 2;
    })
    .await
    .unwrap();
    let users = [stage.user.clone(), User::new(&stage.devnet, 1).await.unwrap()];
    let (mut made, mut sent) = (Made::default(), Vec::new());
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let end = Instant::now() + length;
    let mut next_fault = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        sent.push(send(&stage, &users, sent.len()));
        stage.devnet.restart_ended().unwrap();
        if Instant::now() >= next_fault {
            let is_late = Instant::now() + length / 2 > end;
            fault(&mut stage, &mut random, &mut made, is_late).await;
            next_fault = Instant::now() + Duration::from_millis(random.gen_range(1_500..4_500));
        }
        tokio::time::sleep(EVERY).await;
    }
    tokio::time::sleep(OUTAGE).await;
    stage.proxy.lift();
    let quiet = Instant::now();
    let ended = settle(&mut stage, &users, &sent).await;
    let settled = quiet.elapsed();
    books_balance(&stage, &users, &ended).await;
    let times = answer_times(sent).await;
    let leases = count("reason = 'lease_expired'").await;
    let end = |state| ended.iter().filter(|(_, s, _)| *s == state).count();
    println!("{made:?}");
    println!(
        "tasks {} proven {} refunded {} leases ended {leases} settled after {settled:?}",
        ended.len(),
        end(TaskState::Proven),
        end(TaskState::Refunded)
    );
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("answers {} p50 {:?} p99 {:?}", times.len(), at(50), at(99));
}

/// Sends a task in, under its key until it is taken, and waits for the answer.
fn send(stage: &Stage, users: &[User], number: usize) -> Sent {
    let user = users[number % users.len()].clone();
    let task = user.order(&stage.image(number as u64), number as u64).unwrap();
    let domain = domain(user.chain.chain_id, wire::address(user.chain.rollup));
    let id = wire::api_bytes32(task_id(&wire::order(&task.order), &domain));
    let asking = tokio::spawn(ask(user, task));
    Sent { id, user: number % users.len(), asking }
}

async fn ask(user: User, task: SubmitTask) -> Option<Duration> {
    let (start, key) = (Instant::now(), format!("soak-{}", task.order.nonce));
    let id = user.client.submit(&task, Some(&key)).await.ok()?.task_id;
    while start.elapsed() < QUIET {
        match user.client.task(id, Duration::from_secs(10)).await {
            Ok(task) if task.state.is_answered() => return Some(start.elapsed()),
            Ok(_) => {}
            Err(_) => tokio::time::sleep(EVERY).await,
        }
    }
    None
}

/// Makes a fault. The chain is killed early and reorganised late: anvil does not store the blocks of a
/// reorganisation, and one that starts again after it has a hole for ever.
async fn fault(stage: &mut Stage, random: &mut ChaCha8Rng, made: &mut Made, is_late: bool) {
    stage.proxy.lift();
    match random.gen_range(0..20) {
        0..12 => {
            stage.devnet.kill(SERVICES.choose(random).unwrap()).unwrap();
            made.kills += 1;
        }
        12..15 if !is_late => {
            stage.kill_chain().await.unwrap();
            made.chain_kills += 1;
        }
        15.. => {
            let delay = Duration::from_millis(700);
            let faults = [
                Fault::Error("rate limited"),
                Fault::Drop,
                Fault::Lose,
                Fault::Delay(delay),
                Fault::Lag(2),
            ];
            stage.proxy.fault(&[], faults.choose(random).unwrap());
            made.outages += 1;
        }
        _ => {
            // A block that is being made while the chain is reorganised would be an impossible one.
            stage.proxy.fault(&["eth_sendRawTransaction"], &Fault::Drop);
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            let depth = random.gen_range(1..=3);
            // So would one that anvil's clock makes meanwhile: it would have a hole for ever. The chain may be
            // down at this moment.
            let is_still = stage.chain("evm_setIntervalMining", json!([0])).await.is_ok();
            tokio::time::sleep(Duration::from_millis(600)).await;
            if is_still {
                let done = stage.chain("anvil_reorg", json!([depth, []])).await;
                made.reorganisations += u32::from(done.is_ok());
                stage.chain("evm_setIntervalMining", json!([1])).await.unwrap();
            }
            stage.proxy.lift();
        }
    }
}

type Ended = (usize, TaskState, Option<Reason>);

/// Waits until every task that was taken has ended.
async fn settle(stage: &mut Stage, users: &[User], sent: &[Sent]) -> Vec<Ended> {
    let deadline = Instant::now() + QUIET;
    let mut ended = Vec::new();
    for Sent { id, user, .. } in sent {
        let client = users[*user].client.clone();
        let look = async || match client.task(*id, Duration::ZERO).await {
            Ok(task) if task.state.is_final() => Some(Some(task)),
            Ok(_) => None,
            // It was never taken, and nobody was told that it was.
            Err(error) if error.code() == Some("not_found") => Some(None),
            Err(_) => None,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let task = stage.until(&format!("task {id} ends"), left, look).await.unwrap();
        ended.extend(task.map(|task| (*user, task.state, task.reason)));
    }
    ended
}

async fn books_balance(stage: &Stage, users: &[User], ended: &[Ended]) {
    let after = stage.devnet.balances().await.unwrap();
    for (index, user) in users.iter().enumerate() {
        let own = ended.iter().filter(|(owner, ..)| *owner == index);
        let paid = own.filter(|(_, s, r)| (*s, *r) == (TaskState::Proven, None)).count();
        let spent = stage.before.members[index].1 - after.members[index].1;
        assert_eq!(spent, U256::from(user.model.price.0 * paid as u128), "user {index}");
    }
    for (_, state, reason) in ended {
        let is_paid = *state == TaskState::Proven && reason.is_none();
        let is_refunded = *state == TaskState::Refunded && reason.is_some();
        assert!(is_paid || is_refunded, "a task ended as {state:?}: {reason:?}");
    }
    assert!(after.balance_since(&stage.before), "{after:?}");
    let ends = count("state in ('proven', 'refunded', 'failed')").await;
    let taken_back = count("reason = 'chain_reorganised'").await;
    assert_eq!(ends - taken_back, ended.len() as i64, "each task ends once");
}

/// Number of events of which this is true.
async fn count(condition: &str) -> i64 {
    let url = format!("sqlite://{}", root().join(NAME).join("sequencer.db").display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let query = sqlx::AssertSqlSafe(format!("select count(*) from event where {condition}"));
    let (count,): (i64,) = sqlx::query_as(query).fetch_one(&pool).await.unwrap();
    pool.close().await;
    count
}

async fn answer_times(sent: Vec<Sent>) -> Vec<Duration> {
    let mut times = Vec::new();
    for task in sent {
        times.extend(task.asking.await.unwrap());
    }
    times.sort();
    assert!(!times.is_empty(), "nothing was answered");
    times
}
