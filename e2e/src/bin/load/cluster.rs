//! Two interfaces on one Postgres, eight workers, four provers.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context as _, Result};
use dn_core::api::{BatchState, Bytes32, SubmitTask, TaskView};
use dn_devnet::Devnet;
use dn_sdk::Client;
use tokio::task::JoinSet;

use crate::bench::Bench;
use crate::extra;
use crate::network::start;
use crate::orders::Orders;
use crate::table::{Target, Waits};
use crate::wire::{address, request, Connection};

/// Workers, half of them at the second interface.
const WORKERS: usize = 8;
/// Provers.
const PROVERS: usize = 4;
/// Clients, half of them at the second interface.
const CLIENTS: usize = 64;
/// Orders that are signed ahead.
const ORDERS: usize = 20_000;
/// How long it runs.
const WINDOW: Duration = Duration::from_secs(60);
/// Longest wait for an answer, in milliseconds.
const ANSWER_MS: u64 = 30_000;

pub(crate) async fn measure(bench: &mut Bench) -> Result<()> {
    let Some(store) = bench.postgres().cloned() else {
        bench.table.say("postgres is not installed: left out");
        return Ok(());
    };
    let mut options = bench.options(&store, "cluster")?;
    options.backend = "reference".into();
    (options.workers, options.running_workers, options.provers) = (WORKERS, WORKERS / 2, PROVERS);
    let devnet = start(&options).await?;
    let (_interface, second) = extra::interface(&devnet, &options).await?;
    let mut workers = Vec::new();
    for index in WORKERS / 2..WORKERS {
        workers.push(extra::worker(&options, &second, index)?);
    }
    wait_for_nodes(&devnet, WORKERS + PROVERS).await?;
    let mut orders = Orders::new(&devnet, &bench.digits).await?;
    let tasks = Arc::new(orders.signed_tasks(ORDERS).await?);
    let proven_before = proven(&devnet.client()?).await?;
    let answers = answers(&[devnet.url.clone(), second.clone()], tasks).await?;
    let proven = proven(&devnet.client()?).await? - proven_before;
    let (table, per_s) = (&mut bench.table, |n: usize| n as f64 / WINDOW.as_secs_f64());
    table.add("postgres", "tasks answered", per_s(answers.waits.len()), "1/s", Target::None);
    table.add_waits("postgres", "answer", &answers.waits, Target::None);
    table.add("postgres", "tasks proven", per_s(proven), "1/s", Target::None);
    table.add("postgres", "unanswered", answers.unanswered as f64, "", Target::AtMost(0.0));
    table.add(
        "postgres",
        "workers that answered",
        answers.workers as f64,
        "",
        Target::AtLeast(WORKERS as f64),
    );
    Ok(())
}

async fn wait_for_nodes(devnet: &Devnet, expected: usize) -> Result<()> {
    let (client, deadline) = (devnet.client()?, Instant::now() + Duration::from_secs(60));
    while client.nodes().await?.len() < expected {
        ensure!(Instant::now() < deadline, "the nodes did not register");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Tasks in batches that are proven on the chain.
async fn proven(client: &Client) -> Result<usize> {
    let (mut from, mut tasks) = (0, 0);
    loop {
        let page = client.batches(from).await?;
        let Some(last) = page.last() else { return Ok(tasks) };
        from = last.id + 1;
        let proven = page.iter().filter(|b| b.state == BatchState::Proven);
        tasks += proven.map(|b| b.count as usize).sum::<usize>();
    }
}

struct Answers {
    waits: Waits,
    unanswered: usize,
    workers: usize,
}

/// Each client sends an order, waits for its answer, and goes on until the time is over.
async fn answers(urls: &[String], tasks: Arc<Vec<SubmitTask>>) -> Result<Answers> {
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut running = JoinSet::new();
    for client in 0..CLIENTS {
        let mut connection = Connection::open(address(&urls[client % urls.len()])).await?;
        let (next, tasks) = (next.clone(), tasks.clone());
        running.spawn(async move {
            let (mut waits, mut unanswered, mut workers) = (Vec::new(), 0, HashSet::new());
            while start.elapsed() < WINDOW {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let task = tasks.get(index).context("all signed orders are used up")?;
                let sent = Instant::now();
                let answered = ask(&mut connection, task).await?;
                if !answered.state.is_answered() {
                    unanswered += 1;
                } else if start.elapsed() < WINDOW {
                    waits.push(sent.elapsed());
                }
                workers.extend(answered.receipt.map(|r| r.worker));
            }
            Ok::<_, anyhow::Error>((waits, unanswered, workers))
        });
    }
    let (mut waits, mut unanswered, mut workers) = (Vec::new(), 0, HashSet::new());
    while let Some(ended) = running.join_next().await {
        let (own, missing, seen) = ended??;
        waits.extend(own);
        unanswered += missing;
        workers.extend(seen);
    }
    Ok(Answers { waits: Waits::new(waits), unanswered, workers: workers.len() })
}

async fn ask(connection: &mut Connection, task: &SubmitTask) -> Result<TaskView> {
    let post = request("POST", "/v1/tasks", &serde_json::to_vec(task)?);
    let id: Bytes32 = view(connection, &post).await?.task_id;
    let path = format!("/v1/tasks/{id}?wait_ms={ANSWER_MS}");
    view(connection, &request("GET", &path, b"")).await
}

async fn view(connection: &mut Connection, request: &[u8]) -> Result<TaskView> {
    let answer = connection.exchange(request).await?;
    let body = || String::from_utf8_lossy(&answer.body).into_owned();
    ensure!(answer.status < 300, "answered {}: {}", answer.status, body());
    serde_json::from_slice(&answer.body).context("read a task")
}
