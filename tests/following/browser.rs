//! The pages in a real browser against the real server: `tests/browser/dashboard.mjs`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::harness::TestApp;

/// For the whole story, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// The story in its own process; ended with this.
struct Story(Child);

impl Drop for Story {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Plays it with these options; `act` does what a line of it asks for.
///
/// # Panics
/// If something in it does not hold, with all that it said.
async fn play(app: &mut TestApp, options: &[&str], mut act: impl AsyncFnMut(&mut TestApp, &str)) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules = root.join("target/test-node/node_modules");
    for module in ["playwright-core", "axe-core"] {
        let module = modules.join(module);
        assert!(module.exists(), "{} is missing: run ./test, which installs it", module.display());
    }
    let browser = browser().expect("no Chromium here: run ./test, which says what is needed");
    let mut child = Command::new("node")
        .arg("tests/browser/dashboard.mjs")
        .args(options)
        .current_dir(root)
        .env("BASE_URL", app.url(""))
        .env("TOKEN", &app.token)
        .env("CHROMIUM", browser)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|err| panic!("no node ({err}): run ./test, which says what is needed"));
    let out = child.stdout.take().expect("it is piped");
    let errors = child.stderr.take().expect("it is piped");
    let mut story = Story(child);
    let (lines, said) = mpsc::channel();
    for piped in [Box::new(out) as Box<dyn std::io::Read + Send>, Box::new(errors)] {
        let lines = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(piped).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
    }
    drop(lines);

    let mut all = String::new();
    loop {
        match said.recv_timeout(PATIENCE) {
            Ok(line) => {
                all.push_str(&line);
                all.push('\n');
                act(app, &line).await;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs after:\n{all}"),
        }
    }
    let status = story.0.wait().expect("it was started");
    assert!(status.success(), "{all}\nThe server said:\n{}", app.stderr());
}

fn browser() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let usual = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    named.into_iter().chain(usual.map(PathBuf::from)).find(|it| it.exists())
}

#[tokio::test]
async fn a_call_can_be_made_seen_taken_over_and_ended_in_a_browser() {
    let mut app = TestApp::spawn().await;

    play(&mut app, &[], async |_, _| {}).await;

    let calls = app.total().await["active_calls"].clone();
    let calls: Vec<_> = calls.as_object().expect("calls").values().collect();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["status"], "ENDED");
}

#[tokio::test]
async fn the_board_tells_that_the_server_is_gone_and_is_live_again_by_itself() {
    let mut app = TestApp::spawn().await;
    let mut asked = Vec::new();

    play(&mut app, &["--restart"], async |app, line| match line {
        "READY-FOR-STOP" => {
            asked.push("stop");
            app.stop_gracefully();
        }
        "READY-FOR-START" => {
            asked.push("start");
            app.restart().await;
        }
        _ => {}
    })
    .await;

    assert_eq!(asked, ["stop", "start"]);
}
