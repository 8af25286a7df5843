//! A server with a long past against one without, as ratios in one run: 1,000,000 messages in
//! 50,000 calls, of which 2,000 are open.
//!
//! The past is written with the library's own writers, as a server would have left it. The servers
//! run in processes of their own with two threads; the load comes from this one. Each round
//! measures the past, an empty server and another empty one, each time another one first. What the
//! two empty ones differ by is what this machine can't tell from nothing.
//!
//! `cargo bench --bench growth -- --dir /dev/shm` leaves out what the disk does by itself.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aurora::load::{self, Options, Report};
use clap::Parser;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

#[allow(dead_code, reason = "the test asks what was said")]
#[path = "../tests/harness/past.rs"]
mod past;

use past::Size;

const OPEN: u64 = 2_000;
const SEGMENT_BYTES: usize = 64 * 1024 * 1024;
/// Each server gets so long to get warm before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// As fast as can be is a lot to take in afterwards.
const FAST: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Parser)]
struct Asked {
    /// Where the data folders are made; else beside what is built.
    #[arg(long)]
    dir: Option<PathBuf>,
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Of each measurement at a rate. An archive puts things on disk every five seconds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    seconds: u16,
    /// Turns a second.
    #[arg(long, default_value_t = 1_000.0)]
    rate: f64,
    /// Calls in the past, of 20 messages each.
    #[arg(long, default_value_t = 50_000)]
    calls: u64,
    /// Only the comparison at a rate.
    #[arg(long)]
    only_rate: bool,
    /// `cargo bench` says it.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Asked {
    fn folder(&self) -> TempDir {
        let place = self.dir.clone().unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
        tempfile::tempdir_in(place).expect("a folder")
    }
}

struct Server {
    process: Child,
    url: url::Url,
    took: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    fn start(data: &Path) -> Self {
        let began = Instant::now();
        let mut process = Command::new(env!("CARGO_BIN_EXE_aurora"))
            .env("AURORA_DATA_DIR", data)
            .env("AURORA_BIND", "127.0.0.1:0")
            .env("AURORA_WORKERS", "2")
            .env("AURORA_INACTIVITY_MINUTES", "100000")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let out = process.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let took = began.elapsed();
        let url = line.split_whitespace().find_map(|it| url::Url::parse(it).ok());
        Self { process, url: url.expect("an address"), took }
    }

    fn rss_mb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("Linux tells");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    fn speak(&self, rate: Option<f64>, duration: Duration) -> Report {
        let options = Options { rate, duration, ..Options::new(self.url.clone()) };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let report =
            tokio::task::LocalSet::new().block_on(&runtime, load::run(options)).expect("answers");
        assert_eq!(report.durable, report.turns, "every turn is durable");
        report
    }

    fn measure(&self, rate: Option<f64>, duration: Duration) -> Measured {
        self.speak(rate, WARM_UP);
        self.come_to_rest();
        let (cpu, written) = (self.cpu_us(), self.written_bytes());
        let report = self.speak(rate, duration);
        self.come_to_rest();
        let turns = report.turns as f64;
        Measured {
            cpu_us: (self.cpu_us() - cpu) / turns,
            written_bytes: (self.written_bytes() - written) / turns,
            report,
        }
    }

    /// What all its threads have worked so far.
    fn cpu_us(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()));
        let stat = stat.expect("it runs");
        // After the name, which ends in a parenthesis; in hundredths of a second.
        let after = stat.rsplit_once(')').expect("it has a name").1;
        after
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|it| it.parse::<f64>().ok())
            .sum::<f64>()
            * 10_000.0
    }

    /// What it has written to files and connections so far.
    fn written_bytes(&self) -> f64 {
        let io = fs::read_to_string(format!("/proc/{}/io", self.process.id())).expect("it runs");
        let line = io.lines().find_map(|it| it.strip_prefix("wchar: "));
        line.and_then(|it| it.parse().ok()).expect("Linux tells")
    }

    /// Waits until the archive has everything on disk, so that the next server is not in its way.
    fn come_to_rest(&self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if status["archive"]["durable_seq"] == status["journal"]["head_seq"] {
                return;
            }
            assert!(Instant::now() < until, "the archive does not follow: {status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn status(&self) -> Value {
        let address = self.url.socket_addrs(|| None).expect("an address")[0];
        let mut stream = TcpStream::connect(address).expect("it listens");
        let asked = format!("GET /status HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(asked.as_bytes()).expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let body = answer.split_once("\r\n\r\n").expect("a head and a body").1;
        serde_json::from_str(body).expect("an object")
    }
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return fs::metadata(path).map_or(0, |it| it.len());
    };
    entries.flatten().map(|it| size(&it.path())).sum()
}

/// Waits until the keeper has removed what everybody has read, at most half a minute. It looks
/// when something is said.
fn settle(past: &Server, dir: &Path) {
    past.speak(Some(100.0), WARM_UP);
    let until = Instant::now() + Duration::from_secs(30);
    while size(&dir.join("journal")) > 2 * SEGMENT_BYTES as u64 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Of one server in one round. What a turn costs by itself hardly depends on who else uses the
/// machine: with the archive's work and the checkpoints, until all of it is on disk.
struct Measured {
    report: Report,
    cpu_us: f64,
    written_bytes: f64,
}

type Measure = (&'static str, fn(&Measured) -> f64);

/// Of one round: the past, an empty server, another one.
type Round = [Measured; 3];

fn round(asked: &Asked, past: &Server, n: usize, (rate, time): (Option<f64>, Duration)) -> Round {
    let folders = [asked.folder(), asked.folder()];
    let empty = folders.each_ref().map(|it| Server::start(it.path()));
    let servers = [past, &empty[0], &empty[1]];
    let mut reports = [None, None, None];
    for place in 0..3 {
        let place = (n + place) % 3;
        reports[place] = Some(servers[place].measure(rate, time));
    }
    reports.map(|it| it.expect("each was measured"))
}

/// The first quarter, the middle, the last quarter.
fn quarters(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|it| values[(values.len() - 1) * it / 4])
}

fn compare(what: &str, asked: &Asked, past: &Server, pace: (Option<f64>, Duration)) {
    let rounds: Vec<Round> =
        (0..usize::from(asked.rounds)).map(|n| round(asked, past, n, pace)).collect();
    println!("\n{what}, {} rounds of {} s each", rounds.len(), pace.1.as_secs());
    println!(
        "{:12} {:>9} {:>9} {:>9}   {:>22}   {:>22}",
        "", "past", "empty", "empty too", "past / empty", "empty too / empty"
    );
    let measures: [Measure; 7] = [
        ("p50 ms", |it| it.report.latencies.at_ms(0.5)),
        ("p90 ms", |it| it.report.latencies.at_ms(0.9)),
        ("p99 ms", |it| it.report.latencies.at_ms(0.99)),
        ("max ms", |it| it.report.latencies.max_ms()),
        ("turns/s", |it| it.report.per_second()),
        ("CPU us/turn", |it| it.cpu_us),
        ("bytes/turn", |it| it.written_bytes),
    ];
    for (name, of) in measures {
        let [past, empty, again] =
            [0, 1, 2].map(|place| quarters(rounds.iter().map(|it| of(&it[place])))[1]);
        let ratio = |place: usize| {
            let [low, middle, high] = quarters(rounds.iter().map(|it| of(&it[place]) / of(&it[1])));
            format!("{middle:.2} x ({low:.2} to {high:.2})")
        };
        let (to_past, to_again) = (ratio(0), ratio(2));
        println!(
            "{name:12} {past:>9.3} {empty:>9.3} {again:>9.3}   {to_past:>22}   {to_again:>22}"
        );
    }
    println!("medians of the rounds; in brackets the quarters between which half of them lie");
}

fn main() {
    if std::env::args().any(|it| it == "--test") {
        return;
    }
    let asked = Asked::parse();
    let past_dir = asked.folder();
    let began = Instant::now();
    let written = past::fill(
        past_dir.path(),
        Size {
            n_calls: asked.calls,
            n_open: OPEN,
            n_messages: 20,
            segment_bytes: SEGMENT_BYTES,
            n_left: 0,
        },
    );
    println!(
        "{} messages, {} records, {} MB of JSON in {} segments, written in {:.0} s",
        asked.calls * 20,
        written.head,
        written.json_bytes / 1_000_000,
        written.n_segments,
        began.elapsed().as_secs_f64()
    );

    // Killed at once, so that it leaves no checkpoint.
    let replayed = Server::start(past_dir.path());
    println!(
        "start without total.json: {:.2} s, {} MB resident",
        replayed.took.as_secs_f64(),
        replayed.rss_mb()
    );
    drop(replayed);
    written.save_total(past_dir.path());
    let json_bytes = written.json_bytes;
    drop(written);

    let past = Server::start(past_dir.path());
    println!("start: {:.2} s, {} MB resident", past.took.as_secs_f64(), past.rss_mb());
    settle(&past, past_dir.path());
    let kept = size(past_dir.path());
    println!(
        "data folder: {} MB, {:.2} x the JSON written; {} MB of it in journal/",
        kept / 1_000_000,
        kept as f64 / json_bytes as f64,
        size(&past_dir.path().join("journal")) / 1_000_000
    );
    past.come_to_rest();

    let pace = (Some(asked.rate), Duration::from_secs(asked.seconds.into()));
    compare(&format!("at {} turns a second", asked.rate), &asked, &past, pace);
    println!("resident then: {} MB with the past", past.rss_mb());
    if asked.only_rate {
        return;
    }
    compare("as fast as can be", &asked, &past, (None, FAST));

    // While somebody else holds the archive it takes nothing in: the same server without it.
    let archive = Connection::open(past_dir.path().join("archive.db")).expect("it is there");
    let ratios = (0..asked.rounds).map(|_| {
        let with = past.speak(None, FAST);
        archive.execute_batch("BEGIN IMMEDIATE").expect("the archive is free in between");
        let without = past.speak(None, FAST);
        archive.execute_batch("ROLLBACK").expect("it was begun");
        with.per_second() / without.per_second()
    });
    println!("\nwith archiving: {:.2} x the turns a second without", quarters(ratios)[1]);
}
