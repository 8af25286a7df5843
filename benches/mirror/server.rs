//! The server that is measured.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::Asked;
use crate::rtdb::{NAMESPACE, Rtdb};

const TOKEN: &str = "0123456789abcdef0123";
const PATIENCE: Duration = Duration::from_secs(120);

pub struct Server {
    process: Child,
    url: String,
    client: reqwest::Client,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// With a mirror, if there is a database; at so many requests a second.
    pub fn start(asked: &Asked, rtdb: Option<&Rtdb>, pace: u32) -> Self {
        let place = asked.dir.clone().unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
        let folder = tempfile::tempdir_in(place).expect("a folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_aurora"));
        command
            .env_clear()
            .env("AURORA_DATA_DIR", folder.path())
            .env("AURORA_BIND", "127.0.0.1:0")
            .env("AURORA_WORKERS", "2")
            .env("AURORA_MAX_TURNS", "100000")
            .env("AURORA_USER", "bench")
            .env("AURORA_ADMIN_TOKEN", TOKEN)
            .env("AURORA_FIREBASE_REQUESTS_PER_SECOND", pace.to_string())
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(rtdb) = rtdb {
            command
                .env("FIREBASE_DATABASE_EMULATOR_HOST", rtdb.host_port())
                .env("FIREBASE_DATABASE_URL", format!("https://{NAMESPACE}.firebaseio.com"));
        }
        let mut process = command.spawn().expect("the server starts");
        let out = process.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("a line");
        let url = line.split_whitespace().find_map(|it| url::Url::parse(it).ok());
        let url = url.expect("an address").origin().ascii_serialization();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { process, url, client, _folder: folder }
    }

    pub async fn get(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(TOKEN);
        request.send().await.expect("it answers")
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.url)).bearer_auth(TOKEN);
        let answer = request.json(body).send().await.expect("it answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.expect("JSON")
    }

    /// What the caller hears.
    pub async fn say(&self, caller: usize, speech: &str) -> Value {
        let number = format!("+1999{caller:07}");
        self.post("/api/process-speech", &json!({ "ph_no": number, "speech": speech })).await
    }

    pub async fn sync(&self) -> Value {
        self.get("/api/sync").await.json().await.expect("JSON")
    }

    pub async fn until(&self, is_so: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let sync = self.sync().await;
            if is_so(&sync) {
                return;
            }
            assert!(Instant::now() < deadline, "{sync}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn until_synced(&self) {
        self.until(|it| it["state"] == "synced" && it["pending"] == 0).await;
    }

    pub async fn until_listening(&self) {
        self.until(|it| it["listening"] == true).await;
    }

    pub fn resident_mb(&self) -> f64 {
        self.told_mb("VmRSS:")
    }

    /// Of what is told next as [`Server::peak_mb`].
    pub fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5").expect("Linux lets us");
    }

    pub fn peak_mb(&self) -> f64 {
        self.told_mb("VmHWM:")
    }

    fn told_mb(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|it| it.strip_prefix(name)).expect("Linux tells");
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib / 1024.0
    }
}
