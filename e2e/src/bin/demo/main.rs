//! `make demo`: the digits model from ONNX to paid batches, and then to a quality that probes have found, through the
//! real services.

mod quality;
mod report;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};
use dn_core::api::{BatchView, ScoreView, TaskView};
use dn_core::task::TaskState;
use dn_devnet::{Balances, Devnet};
use dn_e2e::{options, pool, Digits, User};
use dn_verifier::daemon::Verdict;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};

/// Images that go in.
const TASKS: usize = 256;
/// Requests that are open at once, of all users.
const CONCURRENCY: usize = 16;
/// Least time of an epoch: the first act is over before the second one's probes begin, on most machines.
const EPOCH: Duration = Duration::from_secs(30);
/// Longest wait for all proofs.
const LIMIT: Duration = Duration::from_secs(600);
/// Longest wait for a moment without a settlement.
const BALANCED: Duration = Duration::from_secs(10);
/// Between two looks at the batches.
const LOOK: Duration = Duration::from_millis(200);

/// Everything that the report shows.
struct Outcome {
    answers: Vec<TaskView>,
    latencies: Vec<Duration>,
    right: usize,
    batches: Vec<BatchView>,
    proof_bytes: Vec<usize>,
    scores: Vec<ScoreView>,
    verdicts: Vec<Verdict>,
    before: Balances,
    after: Balances,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).map(PathBuf::from);
    let state = args.next().unwrap_or_else(|| "demo".into());
    let data = args.next().unwrap_or_else(|| ".deepnode".into());
    let digits = Digits::import()?;
    report::model(&digits);
    let mut options = options(&digits.package, state, data)?;
    options.pools.push(("digits".into(), pool("digits")));
    options.epoch = EPOCH;
    let progress = bar(0, "{spinner} starting chain, contracts, keys, services {elapsed}");
    let mut devnet = Devnet::start(&options).await.context("start the network")?;
    progress.finish_and_clear();
    report::network(&devnet, &options);
    let outcome = run(&mut devnet, &digits).await?;
    report::outcome(&outcome);
    report::quality(&quality::quality(&mut devnet).await?);
    let progress = bar(0, "{spinner} stopping the services {elapsed}");
    drop(devnet);
    progress.finish_and_clear();
    check(&outcome)
}

fn bar(length: usize, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    bar.enable_steady_tick(Duration::from_millis(120));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

async fn run(devnet: &mut Devnet, digits: &Digits) -> Result<Outcome> {
    let before = devnet.balances().await?;
    let (answers, latencies) = ask(devnet, digits).await?;
    let is_right = |(i, t): (usize, &TaskView)| {
        t.output.as_deref().is_some_and(|output| digits.is_right(i, output))
    };
    let right = answers.iter().enumerate().filter(|t| is_right(*t)).count();
    let proven = settle(devnet, &answers).await?;
    let client = devnet.client()?;
    let ids: BTreeSet<u64> = proven.iter().filter_map(|task| task.batch_id).collect();
    let mut batches = client.batches(0).await?;
    batches.retain(|batch| ids.contains(&batch.id));
    let (mut proof_bytes, mut scores) = (Vec::new(), Vec::new());
    for batch in &batches {
        proof_bytes.push(client.proof(batch.id).await?.proof.0.len());
        let score = client.batch(batch.id).await?.score;
        scores.push(score.context("a proven batch has a score")?);
    }
    let verdicts = verdicts(devnet, &ids).await?;
    let after = balances(devnet, &before).await?;
    let answers = proven;
    Ok(Outcome { answers, latencies, right, batches, proof_bytes, scores, verdicts, before, after })
}

/// Two users take turns to send one image each; answers come back in the order of the images. The first one knows
/// the classes of its images, and has them counted.
async fn ask(devnet: &Devnet, digits: &Digits) -> Result<(Vec<TaskView>, Vec<Duration>)> {
    let users = [User::new(devnet, 0).await?, User::new(devnet, 1).await?];
    let progress = bar(TASKS, "answers  {bar:40} {pos}/{len} {elapsed}");
    let inputs = |parity: usize| {
        let of_user = digits.inputs.iter().zip(&digits.labels).take(TASKS).skip(parity).step_by(2);
        let label = move |class: usize| u16::try_from(class).ok().filter(|_| parity == 0);
        of_user.map(move |(input, class)| (&input[..], label(*class)))
    };
    let orders = [users[0].orders(inputs(0), 0)?, users[1].orders(inputs(1), 0)?];
    let asked = stream::iter(0..TASKS.min(digits.inputs.len())).map(|i| {
        let (user, task, progress) = (&users[i % 2], &orders[i % 2][i / 2], &progress);
        async move {
            let answer = user.answer_to(task).await?;
            progress.inc(1);
            anyhow::Ok(answer)
        }
    });
    let answers: Vec<(TaskView, Duration)> = asked.buffered(CONCURRENCY).try_collect().await?;
    progress.finish();
    Ok(answers.into_iter().unzip())
}

/// Waits until every task is proven.
async fn settle(devnet: &mut Devnet, answers: &[TaskView]) -> Result<Vec<TaskView>> {
    let client = devnet.client()?;
    let progress = bar(TASKS, "paid     {bar:40} {pos}/{len} {elapsed}");
    let deadline = Instant::now() + LIMIT;
    let mut proven = Vec::new();
    while let Some(id) = answers.get(proven.len()).map(|answer| answer.task_id) {
        let task = client.task(id, Duration::ZERO).await?;
        if task.state == TaskState::Proven {
            proven.push(task);
            progress.inc(1);
            continue;
        }
        devnet.restart_ended()?;
        let paid = proven.len();
        ensure!(Instant::now() < deadline, "{paid} of {TASKS} tasks were paid in {LIMIT:?}");
        tokio::time::sleep(LOOK).await;
    }
    progress.finish();
    Ok(proven)
}

/// Waits for the validator's word on these batches.
async fn verdicts(devnet: &Devnet, batches: &BTreeSet<u64>) -> Result<Vec<Verdict>> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let text = std::fs::read_to_string(devnet.verdicts()).unwrap_or_default();
        let verdicts = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let of_tasks = |verdict: &Verdict| batches.contains(&verdict.batch_id);
        let verdicts: Vec<Verdict> = verdicts.filter(of_tasks).collect();
        if verdicts.len() >= batches.len() {
            return Ok(verdicts);
        }
        ensure!(Instant::now() < deadline, "the validator judged {} batches", verdicts.len());
        tokio::time::sleep(LOOK).await;
    }
}

/// Everybody's DN, read between two settlements of probes if there are any.
async fn balances(devnet: &Devnet, before: &Balances) -> Result<Balances> {
    let deadline = Instant::now() + BALANCED;
    loop {
        let after = devnet.balances().await?;
        if after.balance_since(before) || Instant::now() > deadline {
            return Ok(after);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Every task settled once, every verification passed, and the books balance.
fn check(outcome: &Outcome) -> Result<()> {
    let Outcome { answers, batches, scores, verdicts, before, after, .. } = outcome;
    let is_paid = |t: &TaskView| {
        let is_same = t.proven_output_hash.is_some() && t.proven_output_hash == t.output_hash;
        t.state == TaskState::Proven && t.reason.is_none() && is_same
    };
    let paid = answers.iter().filter(|t| is_paid(t)).count();
    let in_batches: u32 = batches.iter().map(|b| b.count).sum();
    ensure!(paid == TASKS && in_batches as usize >= TASKS, "{paid} of {TASKS} tasks are settled");
    let labelled: u32 = scores.iter().map(|score| score.labelled).sum();
    ensure!(labelled as usize == TASKS / 2, "{labelled} labels are counted");
    ensure!(verdicts.iter().all(|v| v.is_valid), "the validator found a flaw: {verdicts:?}");
    ensure!(after.balance_since(before), "the books do not balance");
    Ok(())
}
