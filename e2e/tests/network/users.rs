//! Users who take their money away or ask twice, and what is kept of what they send.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use alloy::primitives::U256;
use alloy::providers::Provider as _;
use dn_core::api::{Problem, SubmitTask, TaskView};
use dn_core::task::TaskState;
use dn_e2e::{Stage, User};
use dn_sdk::contracts::DnToken;
use dn_sdk::contracts::InferenceRollup::{self, InferenceRollupErrors};
use futures_util::future::join_all;
use reqwest::Response;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn users_are_served_once_and_pay_for_it() {
    let change = |options: &mut dn_devnet::Options| {
        options.batch_wait = Duration::from_secs(2);
    };
    let mut stage = Stage::start(super::root(), "network-users", change).await.unwrap();
    one_key_stands_for_one_task(&mut stage).await;
    let leaving = row_04_who_leaves_after_the_answers_pays_and_is_refused(&mut stage).await;
    what_users_send_is_not_readable_on_disk(&mut stage).await;
    one_process_settles_with_a_key(&stage);
    stage.all_paid_once().await.unwrap();
    exits(&stage, &leaving).await;
}

async fn post(stage: &Stage, task: &SubmitTask, key: &str) -> Response {
    let http = reqwest::Client::new();
    let request = http.post(format!("{}/v1/tasks", stage.devnet.url));
    request.header("idempotency-key", key).json(task).send().await.unwrap()
}

async fn one_key_stands_for_one_task(stage: &mut Stage) {
    const COPIES: usize = 64;
    let task = stage.user.order(&stage.image(0), 1_000).unwrap();
    let answers = join_all((0..COPIES).map(|_| post(stage, &task, "same"))).await;
    let mut ids = Vec::new();
    for answer in answers {
        assert_eq!(answer.status().as_u16(), 202);
        ids.push(answer.json::<TaskView>().await.unwrap().task_id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "64 copies are one task");
    stage.sent.push(ids[0]);
    stage.proven(ids[0]).await.unwrap();
}

async fn row_04_who_leaves_after_the_answers_pays_and_is_refused(stage: &mut Stage) -> User {
    let user = User::new(&stage.devnet, 1).await.unwrap();
    let mut answered = Vec::new();
    for nonce in 0..3 {
        answered.push(user.ask(&stage.image(nonce), nonce).await.unwrap().0.task_id);
    }
    let rollup = InferenceRollup::new(stage.devnet.contracts.rollup, &user.account.provider);
    let escrow = rollup.balanceOf(user.account.address()).call().await.unwrap();
    rollup.requestExit(escrow).send().await.unwrap().get_receipt().await.unwrap();
    let early = rollup.claimExit().call().await.unwrap_err();
    let early = early.as_decoded_interface_error::<InferenceRollupErrors>();
    assert!(matches!(early, Some(InferenceRollupErrors::ExitNotReady(_))), "{early:?}");
    for id in &answered {
        stage.proven(*id).await.unwrap();
    }
    let left = rollup.balanceOf(user.account.address()).call().await.unwrap();
    let price = user.model.price.0;
    dn_e2e::paid_once((escrow - left).to(), price, answered.len()).unwrap();
    // What is on its way out is not to be spent.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let next = user.order(&stage.image(4), 4).unwrap();
    let refused = post(stage, &next, "next").await;
    assert_eq!(refused.status().as_u16(), 402);
    assert_eq!(refused.json::<Problem>().await.unwrap().code, "insufficient_escrow");
    // Nobody else is held up.
    stage.settles().await.unwrap();
    user
}

/// The exit is paid when its delay is over, whatever anybody does. The chain's clock is put on for it, which is the end of
/// whatever else is open.
async fn exits(stage: &Stage, user: &User) {
    let (provider, owner) = (&user.account.provider, user.account.address());
    let rollup = InferenceRollup::new(stage.devnet.contracts.rollup, provider);
    let wallet = DnToken::new(stage.devnet.contracts.token, provider);
    let left = rollup.balanceOf(owner).call().await.unwrap();
    let had = wallet.balanceOf(owner).call().await.unwrap();
    let delay = rollup.exitDelay().call().await.unwrap();
    provider.raw_request::<_, Value>("evm_increaseTime".into(), (delay,)).await.unwrap();
    provider.raw_request::<_, Value>("evm_mine".into(), [(); 0]).await.unwrap();
    assert!(rollup.claimExit().send().await.unwrap().get_receipt().await.unwrap().status());
    assert!(left > U256::ZERO && rollup.balanceOf(owner).call().await.unwrap().is_zero());
    assert_eq!(wallet.balanceOf(owner).call().await.unwrap(), had + left);
}

/// The files of the state folder whose names begin like the database's.
fn database_files(stage: &Stage) -> Vec<PathBuf> {
    let folder = super::root().join("network-users");
    let files = std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().path());
    let is_database = |p: &PathBuf| p.file_name().unwrap().to_str().unwrap().contains(".db");
    let found: Vec<PathBuf> = files.filter(is_database).collect();
    assert!(found.len() >= 3, "{found:?} of {}", stage.devnet.url);
    found
}

async fn what_users_send_is_not_readable_on_disk(stage: &mut Stage) {
    let input: Vec<i8> = (0..64).map(|i: i32| (i * 37 + 11) as i8).collect();
    let task = stage.user.order(&input, 2_000).unwrap();
    let id = stage.user.client.submit(&task, Some("secret")).await.unwrap().task_id;
    stage.sent.push(id);
    let bytes: Vec<u8> = input.iter().map(|x| *x as u8).collect();
    let words = [&bytes[..16], &bytes[32..48], &task.salt.0[8..24]];
    for state in [TaskState::Executed, TaskState::Proven] {
        stage.task_in(id, &[state, TaskState::Committed, TaskState::Proven]).await.unwrap();
        for file in database_files(stage) {
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} is {mode:o}", file.display());
            let content = std::fs::read(&file).unwrap();
            for word in words {
                let found = content.windows(word.len()).any(|w| w == word);
                assert!(!found, "{} tells a user's input or salt", file.display());
            }
        }
    }
    let folder = super::root().join("network-users");
    let mode = std::fs::metadata(folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "the state folder is {mode:o}");
}

fn one_process_settles_with_a_key(stage: &Stage) {
    let folder = super::root().join("network-users");
    let path = |name: &str| folder.join(name).display().to_string();
    for database in ["sequencer.db", "another.db"] {
        let mut second =
            std::process::Command::new(dn_e2e::programs().unwrap().join("dn-sequencer"));
        second.args(["--listen", "127.0.0.1:0", "--rpc-url", stage.devnet.rpc_url()]);
        second.args(["--rollup", &stage.devnet.contracts.rollup.to_string()]);
        second.args(["--key-file", &path("keys/sequencer.key"), "--models", &path("models")]);
        second.args(["--database", &format!("sqlite://{}", path(database))]);
        let said = second.output().unwrap();
        let said = String::from_utf8(said.stderr).unwrap();
        assert!(said.contains("error[settler_running]"), "{database}: {said}");
    }
}
