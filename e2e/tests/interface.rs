//! The HTTP interface as a user sees it: bad input gets a precise answer, good input exactly one task.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use dn_core::api::{
    Amount, Bytes, Bytes32, Challenge, LabelOpening, Problem, Register, Role, Session, SubmitTask,
    TaskResult, TaskView,
};
use dn_core::task::TaskState;
use dn_devnet::Devnet;
use dn_e2e::{answer, options, Digits, User};
use dn_sdk::{domain, sign, signed_receipt, wire, Access, Node, Receipt};
use reqwest::header::CONTENT_TYPE;
use reqwest::StatusCode;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A running network without batches, so that tasks stay where they are.
async fn network(name: &str) -> (Devnet, Digits) {
    let digits = Digits::import().unwrap();
    let mut options = options(&digits.package, folder(name), folder("data")).unwrap();
    options.running_workers = 1;
    options.batch_wait = Duration::from_secs(3600);
    (Devnet::start(&options).await.unwrap(), digits)
}

async fn post(devnet: &Devnet, path: &str, body: Vec<u8>) -> (StatusCode, Problem) {
    let request = reqwest::Client::new().post(format!("{}{path}", devnet.url)).body(body);
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    (response.status(), response.json().await.unwrap())
}

async fn refused(devnet: &Devnet, task: &SubmitTask) -> String {
    let (status, problem) = post(devnet, "/v1/tasks", serde_json::to_vec(task).unwrap()).await;
    assert_eq!(status.as_u16(), problem.status);
    assert!(status.is_client_error(), "{problem:?}");
    assert!(!problem.hint.is_empty() && !problem.detail.is_empty());
    problem.code
}

#[tokio::test(flavor = "multi_thread")]
async fn the_interface_is_precise() {
    let (devnet, digits) = network("interface").await;
    let user = User::new(&devnet, 0).await.unwrap();
    bad_tasks_are_named(&devnet, &user, &digits).await;
    bad_requests_are_named(&devnet).await;
    a_task_is_taken_once(&user, &digits).await;
    events_tell_a_task_s_life(&devnet, &user, &digits).await;
    answers_are_their_users_alone(&devnet, &user, &digits).await;
    nodes_are_checked(&devnet).await;
    receipts_are_their_workers(&devnet, &user, &digits).await;
    a_registration_is_good_once(&devnet).await;
    everything_is_served(&devnet).await;
    bad_starts_are_named(&devnet);
}

async fn bad_tasks_are_named(devnet: &Devnet, user: &User, digits: &Digits) {
    let good = user.order(&digits.inputs[0], 1000).unwrap();
    let labelled = user.labelled_order(&digits.inputs[0], 1002, Some(3)).unwrap();
    let with = |change: fn(&mut SubmitTask)| {
        let mut task = good.clone();
        change(&mut task);
        task
    };
    let with_label = |change: fn(&mut LabelOpening)| {
        let mut label = labelled.label.unwrap();
        change(&mut label);
        SubmitTask { label: Some(label), ..labelled.clone() }
    };
    let cases = [
        ("input_shape", with(|t| t.input.truncate(63))),
        ("input_hash_mismatch", with(|t| t.input[0] ^= 1)),
        ("input_hash_mismatch", with(|t| t.salt.0[31] ^= 1)),
        ("salt_range", with(|t| t.salt = Bytes32([0xff; 32]))),
        ("model_not_found", with(|t| t.order.model_id = Bytes32([7; 32]))),
        ("fee_below_price", with(|t| t.order.max_fee = Amount(1))),
        ("order_expired", with(|t| t.order.deadline = 1)),
        ("bad_signature", with(|t| t.signature.0[10] ^= 1)),
        ("bad_signature", with(|t| t.signature.0.truncate(64))),
        ("bad_signature", with(|t| t.order.nonce += 1)),
        ("bad_signature", with(|t| t.order.tag.0[0] ^= 1)),
        ("label_mismatch", with_label(|l| l.class = 4)),
        ("label_mismatch", with_label(|l| l.salt.0[0] ^= 1)),
        ("label_mismatch", SubmitTask { label: labelled.label, ..good.clone() }),
        ("label_mismatch", user.labelled_order(&digits.inputs[0], 1003, Some(10)).unwrap()),
    ];
    for (code, task) in cases {
        assert_eq!(refused(devnet, &task).await, code);
    }
    // Another chain's order is signed in another domain.
    let mut other = user.clone();
    other.chain.chain_id += 1;
    let task = other.order(&digits.inputs[0], 1001).unwrap();
    assert_eq!(refused(devnet, &task).await, "bad_signature");
}

async fn bad_requests_are_named(devnet: &Devnet) {
    let (status, problem) = post(devnet, "/v1/tasks", b"{".to_vec()).await;
    assert_eq!((status.as_u16(), problem.code.as_str()), (400, "malformed_json"));
    let (status, problem) = post(devnet, "/v1/tasks", vec![b' '; (1 << 20) + 1]).await;
    assert_eq!((status.as_u16(), problem.code.as_str()), (413, "body_too_large"));
    let (status, problem) = post(devnet, "/v1/nowhere", Vec::new()).await;
    assert_eq!((status.as_u16(), problem.code.as_str()), (404, "not_found"));
    let (status, problem) = post(devnet, "/v1/models", Vec::new()).await;
    assert_eq!((status.as_u16(), problem.code.as_str()), (405, "method_not_allowed"));
    let (status, problem) = post(devnet, "/v1/node/lease", b"{\"limit\":1}".to_vec()).await;
    assert_eq!((status.as_u16(), problem.code.as_str()), (401, "unauthorized"));
    for (path, code) in [
        ("/v1/tasks/0x12", "malformed_path"),
        (&format!("/v1/tasks/{}", Bytes32([1; 32])), "not_found"),
        ("/v1/batches?from=x", "malformed_query"),
        ("/v1/batches/7", "not_found"),
    ] {
        let response = reqwest::get(format!("{}{path}", devnet.url)).await.unwrap();
        assert_eq!(response.json::<Problem>().await.unwrap().code, code, "{path}");
    }
}

async fn a_task_is_taken_once(user: &User, digits: &Digits) {
    let task = user.order(&digits.inputs[1], 1).unwrap();
    let first = user.client.submit(&task, Some("once")).await.unwrap();
    let again = user.client.submit(&task, Some("once")).await.unwrap();
    assert_eq!(first.task_id, again.task_id);
    let other = user.order(&digits.inputs[2], 2).unwrap();
    let error = user.client.submit(&other, Some("once")).await.unwrap_err();
    assert_eq!(error.code(), Some("idempotency_conflict"));
    let error = user.client.submit(&other, Some("not a key")).await.unwrap_err();
    assert_eq!(error.code(), Some("malformed_idempotency_key"));
}

async fn events_tell_a_task_s_life(devnet: &Devnet, user: &User, digits: &Digits) {
    let (task, _) = user.ask(&digits.inputs[3], 3).await.unwrap();
    assert_eq!(task.state, TaskState::Executed);
    assert!(task.receipt.is_some());
    let url = format!("{}/v1/tasks/{}/events", devnet.url, task.task_id);
    let mut response = reqwest::get(url).await.unwrap();
    let mut text = String::new();
    while text.matches("\n\n").count() < 3 {
        let chunk = response.chunk().await.unwrap().expect("the stream goes on");
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    let states: Vec<&str> =
        ["queued", "assigned", "executed"].into_iter().filter(|s| text.contains(*s)).collect();
    assert_eq!(states.len(), 3, "{text}");
    assert!(text.contains("id:"), "{text}");
}

/// A user's leave to read, good until `expires_at`.
fn access(devnet: &Devnet, user: &User, signer: &PrivateKeySigner, expires_at: u64) -> String {
    let message = Access { user: user.account.address(), expiresAt: expires_at };
    let domain = domain(user.chain.chain_id, devnet.contracts.rollup);
    let signature = Bytes(sign(&message, &domain, signer).unwrap());
    format!("{}.{expires_at}.{signature}", wire::api_address(user.account.address()))
}

async fn answers_are_their_users_alone(devnet: &Devnet, user: &User, digits: &Digits) {
    let (task, _) = user.ask(&digits.inputs[5], 5).await.unwrap();
    assert!(task.output.is_some());
    let read = async |token: Option<String>| {
        let url = format!("{}/v1/tasks/{}", devnet.url, task.task_id);
        let request = reqwest::Client::new().get(url);
        let request = token.into_iter().fold(request, |r, token| r.bearer_auth(token));
        request.send().await.unwrap()
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (own, other) = (&user.account.signer, &devnet.accounts.users[1].signer);
    let good = read(Some(access(devnet, user, own, now + 600))).await;
    assert_eq!(good.json::<TaskView>().await.unwrap().output, task.output);
    let open: TaskView = read(None).await.json().await.unwrap();
    assert_eq!((open.state, open.output), (task.state, None), "strangers see the state alone");
    let another = User::new(devnet, 1).await.unwrap();
    let theirs = read(Some(access(devnet, &another, other, now + 600))).await;
    assert_eq!(theirs.json::<TaskView>().await.unwrap().output, None);
    for token in [
        "nonsense".to_owned(),
        access(devnet, user, other, now + 600),
        access(devnet, user, own, now - 1),
        access(devnet, user, own, now + 2 * 86_400),
    ] {
        let refused = read(Some(token.clone())).await;
        assert_eq!(refused.status().as_u16(), 401, "{token}");
        assert_eq!(refused.json::<Problem>().await.unwrap().code, "bad_access");
    }
}

/// Whoever repeats a node's registration gets nothing, and takes nothing from the node.
async fn a_registration_is_good_once(devnet: &Devnet) {
    let worker = &devnet.accounts.workers[1].signer;
    let (node, role) = (wire::api_address(worker.address()), Role::Worker);
    let url = format!("{}/v1/node/challenge?node={node}&role=worker", devnet.url);
    let Challenge { challenge } = reqwest::get(url).await.unwrap().json().await.unwrap();
    let domain = domain(31337, devnet.contracts.rollup);
    let message = wire::register(node, role, challenge);
    let signature = Bytes(sign(&message, &domain, worker).unwrap());
    let body = Register { node, role, challenge, signature };
    let http = reqwest::Client::new();
    let register = || http.post(format!("{}/v1/node/register", devnet.url)).json(&body).send();
    let session: Session = register().await.unwrap().json().await.unwrap();
    let again = register().await.unwrap();
    assert_eq!(again.status().as_u16(), 409);
    assert_eq!(again.json::<Problem>().await.unwrap().code, "stale_challenge");
    let beat = http.post(format!("{}/v1/node/heartbeat", devnet.url)).bearer_auth(session.token);
    let beaten = beat.json(&serde_json::json!({})).send().await.unwrap();
    assert_eq!(beaten.status().as_u16(), 204, "the node keeps its session");
}

async fn nodes_are_checked(devnet: &Devnet) {
    let stranger = &devnet.accounts.treasury.signer;
    let error = Node::register(&devnet.url, Role::Worker, stranger).await.unwrap_err();
    assert!(format!("{error:?}").contains("not_staked"), "{error:?}");
    let error = Node::register(&devnet.url, Role::Prover, stranger).await.unwrap_err();
    assert!(format!("{error:?}").contains("not_staked"), "{error:?}");
    let prover = &devnet.accounts.provers[0].signer;
    let node = Node::register(&devnet.url, Role::Prover, prover).await.unwrap();
    let error = node.client.lease(1, Duration::ZERO).await.unwrap_err();
    assert_eq!(error.code(), Some("wrong_role"));
    assert!(node.client.proof_job().await.unwrap().is_none());
}

/// A receipt is public. Whoever copies it learns nothing, and nobody signs what cannot be published as
/// it was signed.
async fn receipts_are_their_workers(devnet: &Devnet, user: &User, digits: &Digits) {
    let stranger = &devnet.accounts.workers[1].signer;
    let node = Node::register(&devnet.url, Role::Worker, stranger).await.unwrap();
    let (task, _) = user.ask(&digits.inputs[4], 4).await.unwrap();
    let receipt = task.receipt.unwrap();
    let copied = TaskResult { fence: 0, output: Vec::new(), receipt: receipt.clone() };
    let error = node.client.result(&copied).await.unwrap_err();
    assert_eq!(error.code(), Some("receipt_mismatch"));

    let leased = loop {
        let client = node.client.clone();
        let asking =
            tokio::spawn(async move { client.lease(16, Duration::from_millis(300)).await });
        user.client
            .submit(&user.order(&digits.inputs[5], rand::random()).unwrap(), None)
            .await
            .unwrap();
        if let Some(task) = asking.await.unwrap().unwrap().pop() {
            break task;
        }
    };
    let output = vec![0; 10];
    let mut good = answer(&node, stranger, &leased, output.clone()).unwrap();
    let far = Receipt {
        taskId: B256::from(leased.task_id.0),
        modelId: B256::from(leased.model_id.0),
        inputHash: B256::from(leased.input_hash.0),
        outputHash: B256::from(good.receipt.output_hash.0),
        startedAtMs: u64::MAX,
        finishedAtMs: u64::MAX,
    };
    let domain = domain(node.session.chain_id, wire::address(node.session.rollup));
    let signed = signed_receipt(&domain, stranger, &far).unwrap();
    let far = TaskResult { fence: leased.fence, output, receipt: signed };
    let error = node.client.result(&far).await.unwrap_err();
    assert_eq!(error.code(), Some("receipt_mismatch"), "it could never be slashed");
    good.fence += 1;
    let error = node.client.result(&good).await.unwrap_err();
    assert_eq!(error.code(), Some("lease_lost"));
    good.fence -= 1;
    let view = node.client.result(&good).await.unwrap();
    assert_eq!((view.state, view.output), (TaskState::Executed, None), "the user's alone");
}

async fn everything_is_served(devnet: &Devnet) {
    for path in [
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/v1/chain",
        "/v1/models",
        "/v1/nodes",
        "/v1/batches",
    ] {
        let response = reqwest::get(format!("{}{path}", devnet.url)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    let metrics = reqwest::get(format!("{}/metrics", devnet.url)).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for name in ["deepnode_open_tasks", "deepnode_trouble"] {
        assert!(metrics.contains(name), "{name} is not among\n{metrics}");
    }
}

/// Runs a program that cannot start and returns what it says.
fn failed_start(program: &str, args: &[&str]) -> String {
    let program = dn_e2e::programs().unwrap().join(program);
    let output = std::process::Command::new(program).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

fn bad_starts_are_named(devnet: &Devnet) {
    let state = folder("interface");
    let key = |name: &str| state.join("keys").join(name).display().to_string();
    let (sequencer_key, stranger_key) = (key("sequencer.key"), key("treasury.key"));
    let database = format!("sqlite://{}", state.join("other.db").display());
    let rollup = devnet.contracts.rollup.to_string();
    let token = devnet.contracts.token.to_string();
    let taken = devnet.url.trim_start_matches("http://");
    let nobody = "http://127.0.0.1:1";
    let sequencer = |listen: &str, rpc: &str, rollup: &str, key: &str, chain_id: &str| {
        let args = [
            ["--listen", listen],
            ["--rpc-url", rpc],
            ["--rollup", rollup],
            ["--key-file", key],
            ["--chain-id", chain_id],
            ["--database", &database],
        ];
        failed_start("dn-sequencer", args.as_flattened())
    };
    let (free, rpc) = ("127.0.0.1:0", devnet.rpc_url());
    let cases = [
        ("port_taken", sequencer(taken, rpc, &rollup, &sequencer_key, "31337")),
        ("bad_url", sequencer(free, "nowhere", &rollup, &sequencer_key, "31337")),
        ("no_chain", sequencer(free, nobody, &rollup, &sequencer_key, "31337")),
        ("wrong_chain_id", sequencer(free, rpc, &rollup, &sequencer_key, "1")),
        ("no_rollup", sequencer(free, rpc, &token, &sequencer_key, "31337")),
        ("not_sequencer", sequencer(free, rpc, &rollup, &stranger_key, "31337")),
    ];
    let node = ["--sequencer", &devnet.url, "--key-file", &stranger_key];
    let lost = ["--sequencer", nobody, "--key-file", &stranger_key];
    let worker = failed_start("dn-worker", &[&["serve"], &node[..]].concat());
    let prover = failed_start("dn-prover", &lost);
    let validator = failed_start("dn-validator", &[&lost[..], &["--rpc-url", rpc]].concat());
    let nodes = [("no_session", worker), ("no_sequencer", prover), ("no_sequencer", validator)];
    for (code, said) in cases.into_iter().chain(nodes) {
        assert!(said.contains(&format!("error[{code}]")), "{code}: {said}");
        assert!(said.contains("hint: "), "{said}");
    }
}
