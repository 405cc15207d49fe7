//! The sequencer dies, writes are torn, data is damaged.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use dn_core::api::{Bytes32, SubmitTask};
use dn_core::task::TaskState;
use dn_e2e::Stage;
use dn_sdk::{domain, task_id, wire};
use futures_util::future::join_all;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::io::AsyncWriteExt as _;

use super::player::answer_all;
use super::{root, stage};

const LIMIT: Duration = Duration::from_secs(60);

/// Waits until the sequencer answers.
async fn back(stage: &mut Stage) {
    let client = stage.user.client.clone();
    let look = async || client.chain().await.ok().map(|_| ());
    stage.until("the sequencer comes back", LIMIT, look).await.unwrap();
}

fn database(name: &str) -> PathBuf {
    root().join(name).join("sequencer.db")
}

async fn sql(name: &str, text: &str) -> Vec<String> {
    let url = format!("sqlite://{}", database(name).display());
    let pool = sqlx::SqlitePool::connect(&url).await.unwrap();
    let text = sqlx::AssertSqlSafe(text.to_owned());
    let rows: Vec<(String,)> = sqlx::query_as(text).fetch_all(&pool).await.unwrap();
    pool.close().await;
    rows.into_iter().map(|(value,)| value).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_01_a_task_outlives_the_process_that_took_it() {
    let mut stage = stage("fault-01", |options| options.running_workers = 0).await;
    for _ in 0..8 {
        stage.submit().await.unwrap();
    }
    stage.devnet.kill("sequencer").unwrap();
    back(&mut stage).await;
    for id in stage.sent.clone() {
        stage.task_in(id, &[TaskState::Queued]).await.unwrap();
    }
    stage.ready(LIMIT).await.unwrap();
    answer_all(&stage, 0).await;
    stage.all_paid_once().await.unwrap();
}

/// The name that the sequencer will give a task.
fn name(stage: &Stage, task: &SubmitTask) -> Bytes32 {
    let domain = domain(stage.user.chain.chain_id, wire::address(stage.user.chain.rollup));
    wire::api_bytes32(task_id(&wire::order(&task.order), &domain))
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_02_a_task_whose_answer_is_lost_is_the_same_when_it_is_sent_again() {
    let mut stage = stage("fault-02", |_| {}).await;
    let task = stage.user.order(&stage.image(0), 0).unwrap();
    let id = name(&stage, &task);
    let address = stage.devnet.url.trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let body = serde_json::to_string(&task).unwrap();
    let head = format!(
        "POST /v1/tasks HTTP/1.1\r\nhost: {address}\r\nidempotency-key: lost\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let client = stage.user.client.clone();
    let look = async || client.task(id, Duration::ZERO).await.ok();
    stage.until("the task is durable", LIMIT, look).await.unwrap();
    stage.devnet.kill("sequencer").unwrap();
    drop(stream);
    back(&mut stage).await;
    let again = stage.user.client.submit(&task, Some("lost")).await.unwrap();
    assert_eq!(again.task_id, id);
    stage.sent.push(id);
    stage.all_paid_once().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_03_killed_again_and_again_the_database_stays_whole() {
    const NAME: &str = "fault-03";
    let mut stage = stage(NAME, |_| {}).await;
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut nonce = 0;
    for round in 0..5 {
        let orders: Vec<SubmitTask> = (0..8)
            .map(|_| {
                nonce += 1;
                stage.user.order(&stage.image(nonce), nonce).unwrap()
            })
            .collect();
        let client = stage.user.client.clone();
        let sending = tokio::spawn(async move {
            let send = orders.iter().map(|o| async {
                let key = o.order.nonce.to_string();
                client.submit(o, Some(&key)).await.unwrap().task_id
            });
            join_all(send).await
        });
        tokio::time::sleep(Duration::from_millis(random.gen_range(0..40))).await;
        stage.devnet.kill("sequencer").unwrap();
        if round % 2 == 0 {
            // The end of a write that power did not last for.
            let log = format!("{}-wal", database(NAME).display());
            let mut log = std::fs::OpenOptions::new().append(true).open(log).unwrap();
            log.write_all(&[0x5a; 3_000]).unwrap();
        }
        back(&mut stage).await;
        stage.sent.extend(sending.await.unwrap());
    }
    assert_eq!(sql(NAME, "pragma integrity_check").await, ["ok"]);
    stage.all_paid_once().await.unwrap();
}

/// A damaged input is nobody's to answer or to prove: its task ends without payment, and no other
/// waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn fault_13_a_damaged_input_holds_up_nothing() {
    const NAME: &str = "fault-13";
    let mut stage = stage(NAME, |options| options.running_workers = 0).await;
    let damaged = stage.submit().await.unwrap();
    let id = damaged.to_string();
    let id = id.trim_start_matches("0x");
    let damage =
        format!("update task set input = zeroblob(120) where task_id = x'{id}' returning state");
    assert_eq!(sql(NAME, &damage).await, ["queued"]);
    let sound = stage.submit().await.unwrap();
    answer_all(&stage, 0).await;
    stage.proven(sound).await.unwrap();
    let ended = stage.task_in(damaged, &[TaskState::Refunded, TaskState::Failed]).await.unwrap();
    assert!(ended.reason.is_some());
}

/// As [`fault_13_a_damaged_input_holds_up_nothing`], when the task is answered already.
#[tokio::test(flavor = "multi_thread")]
async fn fault_13_a_damaged_witness_holds_up_nothing() {
    const NAME: &str = "fault-13b";
    let change = |options: &mut dn_devnet::Options| {
        options.batch_wait = Duration::from_secs(3);
        options.proving_window = Duration::from_secs(30);
    };
    let mut stage = stage(NAME, change).await;
    let damaged = stage.submit().await.unwrap();
    stage.task_in(damaged, &[TaskState::Executed]).await.unwrap();
    let id = damaged.to_string();
    let id = id.trim_start_matches("0x");
    let damage =
        format!("update task set input = zeroblob(120) where task_id = x'{id}' returning state");
    assert_eq!(sql(NAME, &damage).await, ["executed"]);
    let beside = stage.submit().await.unwrap();
    stage.task_in(damaged, &[TaskState::Committed, TaskState::Refunded]).await.unwrap();
    stage.settles().await.unwrap();
    stage.proven(beside).await.unwrap();
    stage.task_in(damaged, &[TaskState::Refunded, TaskState::Failed]).await.unwrap();
}
