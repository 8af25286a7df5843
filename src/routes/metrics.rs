//! `/metrics`: Prometheus text. No personal data: counts, times and states only.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::HttpResponse;
use actix_web::web::Data;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use super::Context;
use super::error::ApiError;
use crate::conversation::desk::Desk;
use crate::domain::Urgency;
use crate::journal::Journal;

/// What is exposed. Histograms and counters are shared with who measures; gauges are set when
/// somebody asks.
pub struct Metrics {
    registry: Registry,
    pub bad_signatures: Counter,
    open_calls: Gauge,
    critical_calls: Gauge,
    subscribers: Gauge,
    live_lag: Gauge,
    mirror_lag: Gauge,
    mirror_lag_seconds: Gauge,
    mirror_failed: Gauge,
    mirror_listeners: Gauge,
    mirror_set_aside: Gauge,
    mirror_requests: Counter,
    mirror_paths: Counter,
    mirror_bytes_up: Counter,
    mirror_bytes_down: Counter,
    mirror_usd_month: Gauge<f64, AtomicU64>,
    mirror_stored: Gauge,
    archive_lag: Gauge,
    archive_calls: Gauge,
    archive_bytes: Gauge,
    archive_healthy: Gauge,
    archive_records: Counter,
    archive_failures: Counter,
    checkpoint_lag: Gauge,
    checkpoint_bytes: Gauge,
    checkpoint_healthy: Gauge,
    checkpoint_failures: Counter,
    writable: Gauge,
    kept: Gauge,
    replayed: Gauge,
    segments: Gauge,
    first_held: Gauge,
    held_bytes: Gauge,
    alerts: Gauge,
    gaps: Counter,
    journal_records: Counter,
    journal_bytes: Counter,
    journal_failures: Counter,
}

/// Gives everything that is exposed its name.
struct Naming(Registry);

impl Naming {
    fn named<M: Metric + Default + Clone>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    pub fn new(desk: &Desk, journal: &Journal) -> Self {
        let mut registry = Registry::with_prefix("aurora");
        let (own, stats) = (desk.stats(), journal.stats());
        registry.register("turns", "Turns answered, by what answered", own.turns.clone());
        registry.register("turn_seconds", "A whole turn", own.turn_seconds.clone());
        registry.register("triage_seconds", "Triage of one utterance", own.triage_seconds.clone());
        registry.register(
            "turn_journal_seconds",
            "From a turn's commit to the news that it is durable",
            own.journal_seconds.clone(),
        );
        registry.register("model_seconds", "Waiting for the model", own.model_seconds.clone());
        registry.register("model_failures", "Failures of the model", own.model_failures.clone());
        registry.register(
            "journal_sync_seconds",
            "One write and sync of the journal",
            stats.sync_seconds.clone(),
        );
        registry.register(
            "journal_batch_records",
            "Records that shared one sync",
            stats.batch_records.clone(),
        );
        let mut naming = Naming(registry);
        Self {
            bad_signatures: naming.named("bad_signatures", "Webhooks with a wrong signature"),
            open_calls: naming.named("open_calls", "Calls that have not ended"),
            critical_calls: naming.named("critical_calls", "Open calls that are critical"),
            subscribers: naming.named("subscribers", "Open live streams"),
            live_lag: naming.named("live_lag_records", "Records that live streams are behind"),
            mirror_lag: naming.named("mirror_lag_records", "Records that the mirror is behind"),
            mirror_lag_seconds: naming
                .named("mirror_lag_seconds", "Age of the oldest record that is not mirrored"),
            mirror_failed: naming
                .named("mirror_failed_items", "Items that Firebase refused for good"),
            mirror_listeners: naming.named("mirror_listeners", "Open streams from Firebase"),
            mirror_set_aside: naming.named(
                "mirror_set_aside_items",
                "What others wrote in Firebase and can't be taken",
            ),
            mirror_requests: naming.named("mirror_requests", "Requests to the database"),
            mirror_paths: naming.named("mirror_paths", "Values written to the database or read"),
            mirror_bytes_up: naming.named("mirror_sent_bytes", "Bytes to the database"),
            mirror_bytes_down: naming
                .named("mirror_received_bytes", "Bytes from the database, which it bills"),
            mirror_usd_month: naming.named(
                "mirror_month_usd",
                "The bill of this month so far and of what is stored, in USD",
            ),
            mirror_stored: naming.named("mirror_stored_bytes", "About what is in the database"),
            archive_lag: naming.named("archive_lag_records", "Records that the archive is behind"),
            archive_calls: naming.named("archive_calls", "Calls in the archive"),
            archive_bytes: naming.named("archive_bytes", "Size of the archive on disk"),
            archive_healthy: naming.named(
                "archive_healthy",
                "1 while the archive follows and nothing of it is missing",
            ),
            archive_records: naming
                .named("archive_records", "Records that the archive has taken in"),
            archive_failures: naming.named("archive_failures", "Failed tries to write the archive"),
            checkpoint_lag: naming
                .named("checkpoint_lag_records", "Records that total.json on disk is behind"),
            checkpoint_bytes: naming.named("checkpoint_bytes", "Size of total.json on disk"),
            checkpoint_healthy: naming
                .named("checkpoint_healthy", "1 while total.json can be written"),
            checkpoint_failures: naming
                .named("checkpoint_failures", "Failed tries to write total.json"),
            writable: naming.named("journal_writable", "1 while the disk takes writes"),
            kept: naming.named("journal_kept_records", "Records kept in memory for a failing disk"),
            replayed: naming
                .named("journal_replayed_records", "Records that the start read after total.json"),
            segments: naming.named("journal_segments", "Segments that are held"),
            first_held: naming.named("journal_first_held_seq", "The oldest record that is held"),
            held_bytes: naming
                .named("journal_held_bytes", "Size of the segments that are held, on disk"),
            alerts: naming.named("alerts", "Alerts that nobody has acknowledged"),
            gaps: naming.named("stream_gaps", "Subscribers that were too far behind"),
            journal_records: naming.named("journal_records", "Records written"),
            journal_bytes: naming.named("journal_bytes", "Bytes written to the journal"),
            journal_failures: naming.named("journal_failures", "Failed writes or syncs"),
            registry: naming.0,
        }
    }

    fn refresh(&self, context: &Context) {
        let head = context.journal.head();
        let (open, critical, alerts) = context.journal.view(|state| {
            let critical =
                state.calls().filter(|it| it.is_open() && it.urgency == Urgency::Critical).count();
            (state.n_open(), critical, state.alerts().count())
        });
        self.open_calls.set(signed(open as u64));
        self.critical_calls.set(signed(critical as u64));
        self.alerts.set(signed(alerts as u64));
        self.subscribers.set(signed(context.live.subscribers() as u64));
        self.live_lag.set(signed(context.live.lag()));
        let report = context.mirror.report(head);
        self.mirror_lag.set(signed(report.pending));
        self.mirror_lag_seconds.set(signed(report.lag_seconds));
        self.mirror_failed.set(signed(report.failed.len() as u64));
        self.mirror_listeners.set(signed(report.listening.listeners as u64));
        self.mirror_set_aside.set(signed(report.listening.set_aside.len() as u64));
        let cost = super::sync::cost(context);
        let total = cost.since_start;
        for (counter, now) in [
            (&self.mirror_requests, total.requests),
            (&self.mirror_paths, total.paths),
            (&self.mirror_bytes_up, total.bytes_up),
            (&self.mirror_bytes_down, total.bytes_down),
        ] {
            counter.inc_by(now.saturating_sub(counter.get()));
        }
        self.mirror_usd_month.set(cost.usd.downloaded_this_month + cost.usd.stored_a_month);
        self.mirror_stored.set(signed(cost.stored_bytes));
        let archive = context.archive.status(head);
        self.archive_lag.set(signed(archive.behind));
        self.archive_calls.set(signed(archive.calls));
        self.archive_bytes.set(signed(archive.size_bytes));
        self.archive_healthy.set(i64::from(archive.healthy));
        catch_up(&self.archive_records, context.archive.records());
        catch_up(&self.archive_failures, context.archive.failures());
        let checkpoint = context.checkpoint.status(head);
        self.checkpoint_lag.set(signed(checkpoint.behind));
        self.checkpoint_bytes.set(signed(checkpoint.size_bytes));
        self.checkpoint_healthy.set(i64::from(checkpoint.healthy));
        catch_up(&self.checkpoint_failures, context.checkpoint.failures());
        self.refresh_journal(&context.journal);
        catch_up(&self.gaps, context.live.gaps());
    }

    fn refresh_journal(&self, journal: &Journal) {
        let stats = journal.stats();
        let now = |it: &AtomicU64| it.load(Ordering::Relaxed);
        self.writable.set(i64::from(journal.is_writable()));
        self.kept.set(signed(now(&stats.kept_records)));
        self.replayed.set(signed(now(&stats.replayed)));
        catch_up(&self.journal_records, now(&stats.records));
        catch_up(&self.journal_bytes, now(&stats.bytes));
        catch_up(&self.journal_failures, now(&stats.failures));
        self.first_held.set(signed(journal.first_held()));
        // A disk that can't even be looked at shows in the others.
        if let Ok(segments) = journal.segments() {
            self.segments.set(signed(segments.len() as u64));
            self.held_bytes.set(signed(segments.iter().map(|it| it.size_bytes).sum()));
        }
    }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn catch_up(counter: &Counter, source: u64) {
    counter.inc_by(source.saturating_sub(counter.get()));
}

pub async fn metrics(context: Data<Context>) -> Result<HttpResponse, ApiError> {
    context.metrics.refresh(&context);
    let mut text = String::with_capacity(8 * 1024);
    encode(&mut text, &context.metrics.registry)
        .map_err(|err| ApiError::BadRequest(err.to_string()))?;
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(text))
}
