//! The real server for tests: the built binary, its own data folder, a port of its own.
//!
//! # Promises
//! - The server sees no environment but what the test sets, and no `.env`.
//! - It is gone when its [`TestApp`] is dropped, and so is a folder that the test did not bring.
//! - Nothing here waits for an amount of time: every wait is for a condition, with a deadline.

#![allow(dead_code, unused_imports, reason = "each test crate uses its own part of it")]

mod elsewhere;
mod events;
mod http;
mod process;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use self::elsewhere::Elsewhere;
pub use self::events::{Event, EventStream};
pub use self::http::{Got, Reply, problem_code, send};
pub use self::process::{Exit, Process};

/// Longest wait for anything that should be quick. Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server that is up, and a client that has its token.
#[derive(Debug)]
pub struct TestApp {
    /// The supervisors' token.
    pub token: String,
    /// The printed login link.
    pub login_link: String,
    pub client: reqwest::Client,
    builder: Builder,
    process: Process,
    folder: Folder,
}

/// How the server is to be started.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    settings: Vec<(String, String)>,
    data_dir: Option<PathBuf>,
    survives_full_disk: bool,
    finds_full_disk: bool,
    current_dir: Option<PathBuf>,
    under: Vec<String>,
}

#[derive(Debug)]
enum Folder {
    Own(TempDir),
    Brought(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Own(dir) => dir.path(),
            Self::Brought(path) => path,
        }
    }
}

impl Builder {
    /// Sets an environment variable of the server; the last of the same name counts.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.retain(|it| it.0 != name);
        self.settings.push((name.to_owned(), value.into()));
        self
    }

    /// A folder of the test's, which stays.
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Lets writes beyond the file size limit fail instead of ending the process, so that
    /// [`TestApp::fill_disk`] can be used.
    pub fn survives_full_disk(mut self) -> Self {
        self.survives_full_disk = true;
        self
    }

    /// From its start on no file of the server may grow, until [`TestApp::free_disk`].
    pub fn finds_full_disk(mut self) -> Self {
        self.finds_full_disk = true;
        self
    }

    /// Starts it from there: where it looks for `.env`. Else from where there is none.
    pub fn current_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.current_dir = Some(path.into());
        self
    }

    /// Starts it by this command, which has to become it: `strace -D …`.
    pub fn under(mut self, command: Vec<String>) -> Self {
        self.under = command;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// If it does not come up; with what it said.
    pub async fn spawn(self) -> TestApp {
        match self.try_spawn().await {
            Ok(app) => app,
            Err(exit) => panic!("the server did not start ({}): {}", exit.status, exit.stderr),
        }
    }

    /// Starts it; what it said if it refuses to.
    pub async fn try_spawn(self) -> Result<TestApp, Exit> {
        let folder = match &self.data_dir {
            Some(path) => Folder::Brought(path.clone()),
            None => Folder::Own(TempDir::new().expect("there is a place for temporary files")),
        };
        let process = self.start(folder.path(), None)?;
        Ok(TestApp {
            token: process.token.clone(),
            login_link: process.login_link.clone(),
            client: http::client(),
            builder: self,
            process,
            folder,
        })
    }

    fn start(&self, data_dir: &Path, port: Option<u16>) -> Result<Process, Exit> {
        let mut settings = vec![
            ("AURORA_BIND".to_owned(), "127.0.0.1:0".to_owned()),
            ("AURORA_DATA_DIR".to_owned(), data_dir.display().to_string()),
            ("AURORA_WORKERS".to_owned(), "2".to_owned()),
        ];
        settings.extend(self.settings.iter().cloned());
        if let (Some(port), Some(bind)) =
            (port, settings.iter_mut().rfind(|it| it.0 == "AURORA_BIND"))
            && let Some(host) = bind.1.strip_suffix(":0")
        {
            bind.1 = format!("{host}:{port}");
        }
        let folder = self.current_dir.as_deref().unwrap_or(Path::new("/"));
        let script = match (self.finds_full_disk, self.survives_full_disk) {
            (true, _) => Some(process::WITHOUT_ROOM),
            (false, true) => Some(process::SURVIVING),
            (false, false) => None,
        };
        Process::start(&settings, folder, script, &self.under)
    }
}

impl TestApp {
    pub async fn spawn() -> Self {
        Self::builder().spawn().await
    }

    pub fn builder() -> Builder {
        Builder::default()
    }

    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn port(&self) -> u16 {
        self.process.port
    }

    /// `127.0.0.1:PORT`
    pub fn host_port(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host_port())
    }

    /// Everything that the server wrote to standard error, this start's only.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// Waits until that is in the log: a line arrives here a moment after what it tells of.
    pub async fn until_logged(&self, words: &str) {
        wait_until(&format!("the log says `{words}`"), async || self.stderr().contains(words))
            .await;
    }

    /// Waits until the archive has all that was said and done, and says the same of itself again.
    pub async fn until_archived(&self) {
        wait_until("the archive has followed", async || {
            let archive = self.get("/status").await.json()["archive"].clone();
            archive["behind"] == 0 && archive["state"] == "following"
        })
        .await;
    }

    /// Asks it to stop and waits; how it ended and how long that took.
    pub fn stop_gracefully(&mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.signal("TERM");
        (self.process.wait(), asked.elapsed())
    }

    /// Waits until it has ended, which somebody else sees to.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        self.process.wait()
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Starts it again on the same folder and the same port; one that still runs is stopped
    /// gracefully before.
    pub async fn restart(&mut self) {
        if let Err(exit) = self.try_restart().await {
            panic!("the server did not start again ({}): {}", exit.status, exit.stderr);
        }
    }

    /// As [`TestApp::restart`]; what it said if it refuses to start.
    pub async fn try_restart(&mut self) -> Result<(), Exit> {
        if self.process.is_running() {
            self.stop_gracefully();
        }
        // The port may have been taken meanwhile: then any other.
        let port = self.port();
        let same = self.builder.start(self.folder.path(), Some(port));
        self.process = match same {
            Err(exit) if exit.stderr.contains("cannot listen") => {
                self.builder.start(self.folder.path(), None)?
            }
            other => other?,
        };
        self.token.clone_from(&self.process.token);
        self.login_link.clone_from(&self.process.login_link);
        self.client = http::client();
        Ok(())
    }

    /// Changes a setting for the next [`TestApp::restart`].
    pub fn set_env(&mut self, name: &str, value: impl Into<String>) {
        self.builder = std::mem::take(&mut self.builder).env(name, value);
    }

    /// As [`Builder::under`], for the next [`TestApp::restart`].
    pub fn set_under(&mut self, command: Vec<String>) {
        self.builder = std::mem::take(&mut self.builder).under(command);
    }

    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// From now on no file of the server may grow. Needs [`Builder::survives_full_disk`].
    pub fn fill_disk(&self) {
        self.process.limit_file_size("0");
    }

    /// From now on no file of the server may grow beyond `bytes`: a write that reaches it is cut.
    pub fn fill_disk_at(&self, bytes: u64) {
        self.process.limit_file_size(&bytes.to_string());
    }

    /// Takes [`TestApp::fill_disk`] back.
    pub fn free_disk(&self) {
        self.process.limit_file_size("unlimited");
    }

    /// Resident memory of the server.
    pub fn rss_bytes(&self) -> u64 {
        self.process.rss_bytes()
    }

    /// All that the server has read from files and connections since its start.
    pub fn read_bytes(&self) -> u64 {
        self.process.read_bytes()
    }
}

/// Whether there is time for every case: `./test --long`.
pub fn is_long() -> bool {
    std::env::var_os("AURORA_TEST_LONG").is_some_and(|it| it == "1")
}

/// Waits until `is_so`.
///
/// # Panics
/// After [`PATIENCE`], with `what` was waited for.
pub async fn wait_until(what: &str, is_so: impl AsyncFnMut() -> bool) {
    wait_until_within(PATIENCE, what, is_so).await;
}

/// As [`wait_until`], with a deadline that is part of the claim.
pub async fn wait_until_within(
    patience: Duration,
    what: &str,
    mut is_so: impl AsyncFnMut() -> bool,
) {
    let deadline = Instant::now() + patience;
    while !is_so().await {
        assert!(Instant::now() < deadline, "waited {patience:?} until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
