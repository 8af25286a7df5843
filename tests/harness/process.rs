//! The server's process: started, watched, signalled, ended.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// Ignores the signal of the file size limit, which programs inherit: then writes fail instead.
pub const SURVIVING: &str = r#"trap "" XFSZ; exec "$0" "$@""#;
/// As above, and there is no room from the start. Only the soft limit, so that it can be lifted.
pub const WITHOUT_ROOM: &str = r#"trap "" XFSZ; ulimit -S -f 0; exec "$0" "$@""#;

/// A server that ended.
#[derive(Debug)]
pub struct Exit {
    pub status: ExitStatus,
    pub stderr: String,
}

/// A server that is up.
#[derive(Debug)]
pub struct Process {
    pub port: u16,
    pub token: String,
    pub login_link: String,
    child: Child,
    stderr: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts the binary, by a shell's script if there is one, and reads what it tells a person;
    /// what it said if it ends instead. `under` goes before its name, and has to become it.
    pub fn start(
        settings: &[(String, String)],
        folder: &Path,
        script: Option<&str>,
        under: &[String],
    ) -> Result<Self, Exit> {
        let mut words: Vec<&str> = Vec::new();
        if let Some(script) = script {
            words.extend(["sh", "-c", script]);
        }
        words.extend(under.iter().map(String::as_str));
        words.push(env!("CARGO_BIN_EXE_aurora"));
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(settings.iter().map(|it| (&it.0, &it.1)))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary is built before the tests");
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let mut errors = child.stderr.take().expect("it is piped");
        let kept = Arc::clone(&stderr);
        let mut readers = vec![std::thread::spawn(move || {
            let mut piece = [0; 8192];
            while let Ok(n @ 1..) = errors.read(&mut piece) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece[..n]);
            }
        })];
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let (mut port, mut link) = (None, None);
        let mut line = String::new();
        // Its end is the end of the process, so this always ends.
        while port.is_none() || link.is_none() {
            line.clear();
            if out.read_line(&mut line).expect("it speaks UTF-8") == 0 {
                let status = child.wait().expect("it was started");
                for reader in readers {
                    reader.join().expect("the reader does not panic");
                }
                return Err(Exit { status, stderr: text(&stderr) });
            }
            let line = line.trim();
            if let Some(address) = line.strip_prefix("Aurora answers on http://") {
                port = address.rsplit_once(':').and_then(|it| it.1.parse().ok());
            } else if line.starts_with("Dashboard") {
                link = line.split_whitespace().nth(1).map(str::to_owned);
            }
        }
        readers.push(std::thread::spawn(move || {
            let _ = std::io::copy(&mut out, &mut std::io::sink());
        }));
        let login_link = link.expect("the loop ends with one");
        let token = login_link.split_once("?token=").expect("the link holds the token").1;
        let (token, port) = (token.to_owned(), port.expect("the loop ends with one"));
        Ok(Self { port, token, login_link, child, stderr, readers })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// `TERM`, `HUP`, `STOP`, …
    pub fn signal(&self, name: &str) {
        run("kill", &[&format!("-{name}"), &self.pid().to_string()]);
    }

    /// The soft limit only, so that it can be lifted again.
    pub fn limit_file_size(&self, bytes: &str) {
        let limit = format!("--fsize={bytes}:unlimited");
        run("prlimit", &["--pid", &self.pid().to_string(), &limit]);
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                self.join_readers();
                return status;
            }
            assert!(Instant::now() < deadline, "the server did not end: {}", self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.join_readers();
    }

    pub fn rss_bytes(&self) -> u64 {
        self.told("status", "VmRSS:") * 1024
    }

    /// All that it has read from files and connections so far.
    pub fn read_bytes(&self) -> u64 {
        self.told("io", "rchar:")
    }

    /// A number that Linux tells of it.
    fn told(&self, file: &str, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.pid()))
            .expect("the server runs on Linux");
        let line = text.lines().find_map(|it| it.strip_prefix(name));
        let number = line.and_then(|it| it.trim().split(' ').next());
        number.and_then(|it| it.parse().ok()).expect("Linux tells a number")
    }

    fn join_readers(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn text(bytes: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).status();
    let done = done.unwrap_or_else(|err| panic!("`{program}` is needed (util-linux): {err}"));
    assert!(done.success(), "`{program} {}` failed", arguments.join(" "));
}
