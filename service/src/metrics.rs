//! Metrics: every name that a program exports, listed once.
//!
//! A name is an interface: boards and alarms are written against it. Counters end in `_total`,
//! durations are in seconds.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::Shutdown;

pub use ::metrics::{counter, gauge, histogram};

/// Failed steps of a loop, by `step`.
pub const STEP_FAILURES: &str = "deepnode_step_failures_total";
/// 1, by `version`.
pub const BUILD_INFO: &str = "deepnode_build_info";
/// Time to the head of a response, by `route`, `method` and `status`.
pub const HTTP_REQUEST_SECONDS: &str = "deepnode_http_request_seconds";
/// Open connections of clients.
pub const CONNECTIONS: &str = "deepnode_connections";
/// Connections that were closed at once, by `limit`.
pub const CONNECTIONS_REFUSED: &str = "deepnode_connections_refused_total";
/// Connections that the system could not hand over.
pub const ACCEPT_FAILURES: &str = "deepnode_accept_failures_total";
/// Tasks that a worker leased and did not answer, by `reason`.
pub const TASKS_DROPPED: &str = "deepnode_worker_tasks_dropped_total";
/// Tasks that a worker answered.
pub const TASKS_EXECUTED: &str = "deepnode_worker_tasks_executed_total";
/// Proving jobs that ended without an accepted proof, by `reason`.
pub const JOBS_FAILED: &str = "deepnode_prover_jobs_failed_total";
/// Batches that the prover delivered.
pub const BATCHES_PROVEN: &str = "deepnode_prover_batches_proven_total";
/// Batches that the validator judged, by `verdict`.
pub const BATCHES_JUDGED: &str = "deepnode_validator_batches_judged_total";
/// False receipts that the validator reported, by `outcome`.
pub const RECEIPTS_REPORTED: &str = "deepnode_validator_receipts_reported_total";

/// Changes that the sequencer's database makes durable together.
pub const STORE_GROUP: &str = "deepnode_store_group_changes";
/// Batches that database and contract disagreed on.
pub const REPAIRS: &str = "deepnode_repairs_total";
/// 1 while something of settlement does not move, by `kind`.
pub const TROUBLE: &str = "deepnode_trouble";
/// Tasks that have not ended.
pub const OPEN_TASKS: &str = "deepnode_open_tasks";
/// Batches that have not ended.
pub const OPEN_BATCHES: &str = "deepnode_open_batches";

/// How a metric is read.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution over these upper bounds.
    Histogram(&'static [f64]),
}

/// Upper bounds in seconds, from a table look-up to a long poll.
const LATENCIES: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Upper bounds of counts.
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Every metric with its meaning.
const ALL: &[(&str, Kind, &str)] = &[
    (STEP_FAILURES, Kind::Counter, "Failed steps of a loop"),
    (BUILD_INFO, Kind::Gauge, "1, labelled with the version of the program"),
    (HTTP_REQUEST_SECONDS, Kind::Histogram(LATENCIES), "Time to the head of a response"),
    (CONNECTIONS, Kind::Gauge, "Open connections of clients"),
    (CONNECTIONS_REFUSED, Kind::Counter, "Connections that were closed at once, above a limit"),
    (ACCEPT_FAILURES, Kind::Counter, "Connections that the system could not hand over"),
    (TASKS_DROPPED, Kind::Counter, "Tasks that the worker leased and did not answer"),
    (TASKS_EXECUTED, Kind::Counter, "Tasks that the worker answered"),
    (JOBS_FAILED, Kind::Counter, "Proving jobs that ended without an accepted proof"),
    (BATCHES_PROVEN, Kind::Counter, "Batches that the prover delivered"),
    (BATCHES_JUDGED, Kind::Counter, "Batches that the validator judged"),
    (STORE_GROUP, Kind::Histogram(COUNTS), "Changes that the database makes durable together"),
    (REPAIRS, Kind::Counter, "Batches that database and contract disagreed on"),
    (TROUBLE, Kind::Gauge, "1 while something of settlement does not move"),
    (OPEN_TASKS, Kind::Gauge, "Tasks that have not ended"),
    (OPEN_BATCHES, Kind::Gauge, "Batches that have not ended"),
    (RECEIPTS_REPORTED, Kind::Counter, "False receipts that the validator reported"),
];

/// Between two rounds that fold samples into distributions.
const UPKEEP: Duration = Duration::from_secs(5);

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts recording. Metrics that were set before are lost.
pub fn install() {
    RECORDER.get_or_init(|| {
        let recorder = buckets(PrometheusBuilder::new()).build_recorder();
        let handle = recorder.handle();
        // A recorder that is there already belongs to a test, and keeps its own account.
        let _ = ::metrics::set_global_recorder(recorder);
        handle
    });
    for (name, kind, help) in ALL {
        match kind {
            Kind::Counter => ::metrics::describe_counter!(*name, *help),
            Kind::Gauge => ::metrics::describe_gauge!(*name, *help),
            Kind::Histogram(_) => ::metrics::describe_histogram!(*name, *help),
        }
    }
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// Sets the bounds of every distribution.
fn buckets(builder: PrometheusBuilder) -> PrometheusBuilder {
    ALL.iter().fold(builder, |builder, (name, kind, _)| match kind {
        Kind::Histogram(bounds) => builder
            .set_buckets_for_metric(Matcher::Full((*name).to_owned()), bounds)
            .expect("the bounds are not empty"),
        Kind::Counter | Kind::Gauge => builder,
    })
}

/// Everything recorded, in the text format of Prometheus; nothing before [`install`].
#[must_use]
pub fn render() -> String {
    RECORDER.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Keeps the memory of distributions bounded while nobody reads them.
pub(crate) async fn upkeep(mut shutdown: Shutdown) {
    while !shutdown.is_requested() {
        tokio::select! {
            () = shutdown.requested() => {}
            () = tokio::time::sleep(UPKEEP) => {}
        }
        if let Some(recorder) = RECORDER.get() {
            recorder.run_upkeep();
        }
    }
}

/// Records how long a request took. What matches no route is one route, whatever its path.
pub(crate) async fn timed(request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = known(request.method());
    let start = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    histogram!(HTTP_REQUEST_SECONDS, "route" => route, "method" => method, "status" => status)
        .record(start.elapsed().as_secs_f64());
    response
}

/// A method as a label. Clients invent methods; labels must be few.
fn known(method: &axum::http::Method) -> &'static str {
    use axum::http::Method as M;
    let methods = [M::GET, M::POST, M::PUT, M::PATCH, M::DELETE, M::HEAD, M::OPTIONS];
    let names = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    methods.iter().position(|m| m == method).map_or("other", |i| names[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_listed_once_and_tells_its_kind() {
        for (i, (name, kind, help)) in ALL.iter().enumerate() {
            assert!(ALL[..i].iter().all(|(other, ..)| other != name), "{name} is listed twice");
            assert!(name.starts_with("deepnode_") && !help.is_empty(), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(!name.ends_with("_seconds") || matches!(kind, Kind::Histogram(_)), "{name}");
        }
    }

    #[test]
    fn what_is_recorded_is_rendered() {
        install();
        counter!(STEP_FAILURES, "step" => "render").increment(2);
        let text = render();
        assert!(text.contains("deepnode_step_failures_total{step=\"render\"} 2"), "{text}");
        assert!(text.contains("deepnode_build_info{version="), "{text}");
    }
}
