//! Turns against bare routes, as ratios in one run: what storage, triage and the desk cost.
//!
//! Both servers run in processes of their own with two threads; the load comes from this one. They
//! are measured in turn, several rounds, so that a noisy machine is noisy for both.
//! `cargo bench --bench turns`

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use aurora::load::{self, Options, Report};

const ROUNDS: usize = 3;
const SECONDS: u64 = 4;

struct Server {
    process: Child,
    url: url::Url,
    _data: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start(mut command: Command) -> Server {
    let data = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let mut process = command
        .env("AURORA_DATA_DIR", data.path())
        .env("AURORA_BIND", "127.0.0.1:0")
        .env("AURORA_WORKERS", "2")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server starts");
    let mut line = String::new();
    BufReader::new(process.stdout.take().expect("its output"))
        .read_line(&mut line)
        .expect("a line");
    let url = line.split_whitespace().find_map(|it| url::Url::parse(it).ok()).expect("an address");
    Server { process, url, _data: data }
}

/// The same request and response sizes, and nothing in between.
fn serve_bare() -> std::io::Result<()> {
    #[derive(serde::Deserialize)]
    struct Speech {
        speech: String,
        ph_no: String,
    }
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(|| {
            App::new()
                .wrap(
                    actix_web::middleware::DefaultHeaders::new()
                        .add(("x-content-type-options", "nosniff"))
                        .add(("cache-control", "no-store")),
                )
                .route("/api/hang-up", web::post().to(HttpResponse::NoContent))
                .route(
                    "/api/process-speech",
                    web::post().to(|speech: web::Json<Speech>| async move {
                        HttpResponse::Ok().json(serde_json::json!({
                            "message": "Leave the building now. Stay low under smoke, close doors \
                                        behind you, and do not use lifts or elevators. Where \
                                        exactly is the fire?",
                            "ph_no": speech.ph_no,
                            "urgency": if speech.speech.is_empty() { "normal" } else { "critical" },
                            "sources": ["Fire card"],
                            "call_id": "call_01M7YJSQB5ATE0PSDA450F3NY8",
                            "conversation_id": "conv_01M7YJSQB5ATE0PSDA450F3NY8",
                            "answered_by": "card",
                            "durable": true,
                        }))
                    }),
                )
        })
        .workers(2)
        .bind("127.0.0.1:0")?;
        println!("bare http://{}", server.addrs()[0]);
        server.run().await
    })
}

fn measure(server: &Server, callers: usize) -> Report {
    let options = Options {
        callers,
        duration: Duration::from_secs(SECONDS),
        ..Options::new(server.url.clone())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
    let report =
        tokio::task::LocalSet::new().block_on(&runtime, load::run(options)).expect("answers");
    assert_eq!(report.durable, report.turns, "every turn is durable");
    report
}

/// One raw append of a turn's size with its sync, on the same disk: median in milliseconds.
fn raw_append_ms() -> f64 {
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).expect("a file");
    let turn = [b'x'; 700];
    let mut times: Vec<f64> = (0..500)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&turn).and_then(|()| file.sync_data()).expect("a write");
            began.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.read(&mut [0; 1]));
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> std::io::Result<()> {
    if std::env::args().any(|it| it == "bare") {
        return serve_bare();
    }
    if std::env::args().any(|it| it == "--test") {
        return Ok(());
    }
    let mut bare = Command::new(std::env::current_exe()?);
    bare.arg("bare");
    let bare = start(bare);
    let aurora = start(Command::new(env!("CARGO_BIN_EXE_aurora")));
    for callers in [64, 1] {
        let (mut ratios, mut added) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let plain = measure(&bare, callers);
            let own = measure(&aurora, callers);
            println!("bare    {plain}aurora  {own}");
            ratios.push(own.per_second() / plain.per_second());
            added.push(own.latencies.at_ms(0.5) - plain.latencies.at_ms(0.5));
        }
        println!("{callers} callers: {:.2} of a bare route's turns a second", median(ratios));
        if callers == 1 {
            let raw = raw_append_ms();
            let added = median(added);
            println!(
                "one caller: {added:.3} ms added, {:.2} x one raw append and sync ({raw:.3} ms)",
                added / raw
            );
        }
    }
    Ok(())
}
