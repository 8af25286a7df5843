//! Starting, reloading and stopping.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fakes::chat::{Case, ChatFake};
use crate::harness::{EventStream, TestApp, wait_until};
use crate::model::spawn_with_model;

#[tokio::test]
async fn a_wrong_setting_stops_the_start_and_is_named() {
    let wrong = [
        ("AURORA_BIND", "localhost"),
        ("AURORA_BIND", "127.0.0.1:99999"),
        ("AURORA_BIND", "203.0.113.7:5000"),
        ("AURORA_DATA_DIR", "/dev/null/aurora"),
        ("AURORA_NODE", "a b"),
        ("AURORA_PUBLIC_URL", "calls.example.com"),
        ("AURORA_PUBLIC_URL", "https://calls.example.com/?line=2"),
        ("AURORA_TRUSTED_PROXIES", "10.0.0.1, proxy"),
        ("AURORA_ADMIN_TOKEN", "short"),
        ("AURORA_ADMIN_TOKEN", "with blanks in the middle"),
        ("AURORA_ALLOW_UNSIGNED_WEBHOOKS", "perhaps"),
        ("AURORA_ALLOW_OPEN_API", "2"),
        ("AURORA_LANGUAGE", "english"),
        ("AURORA_CARDS", "/nowhere/cards.toml"),
        ("AURORA_MAX_OPEN_CALLS", "0"),
        ("AURORA_MAX_TURNS", "many"),
        ("AURORA_INACTIVITY_MINUTES", "-1"),
        ("AURORA_MAX_STREAMS", "1.5"),
        ("AURORA_RATE_LIMIT", "fast"),
        ("AURORA_WORKERS", "0"),
        ("AURORA_LLM_URL", "model"),
        ("AURORA_LLM_MODEL", "a-model-without-an-address"),
        ("AURORA_ANSWER_DEADLINE_MS", "1h"),
        ("FIREBASE_DATABASE_URL", "aurora-test"),
        ("FIREBASE_DATABASE_EMULATOR_HOST", "not a host"),
        ("REDIS_URL", "http://127.0.0.1"),
        ("RUST_LOG", "aurora=loud"),
    ];
    for (name, value) in wrong {
        let refused = TestApp::builder().env(name, value).try_spawn().await;
        let exit = refused.err().unwrap_or_else(|| panic!("{name}={value} was accepted"));
        assert_eq!(exit.status.code(), Some(1), "{name}={value}");
        let said = exit.stderr.trim();
        // A model's name without an address asks for the address.
        let named = if name == "AURORA_LLM_MODEL" { "AURORA_LLM_URL" } else { name };
        let is_named = said.contains(named) || said.contains("/dev/null/aurora");
        assert!(is_named && !said.contains("panicked"), "{name}={value}: {said}");
        // A secret that is wrong is still a secret.
        assert!(name != "AURORA_ADMIN_TOKEN" || !said.contains(value), "{said}");
    }
}

#[tokio::test]
async fn settings_come_from_a_file_too_and_the_environment_goes_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".env");
    fs::write(&file, "AURORA_ADMIN_TOKEN=a-token-from-the-file\nAURORA_LANGUAGE=pt-BR\n").unwrap();
    let from_there = TestApp::builder().current_dir(dir.path());

    let app = from_there.clone().env("AURORA_LANGUAGE", "de-DE").spawn().await;

    assert_eq!(app.token, "a-token-from-the-file");
    let greeting = app.post_form("/incoming-call", &[("CallSid", "CA1")], &[]).await;
    assert!(greeting.text().contains("language=\"de-DE\""));
    fs::write(&file, "AURORA_ADMIN_TOKEN='never closed\n").unwrap();
    let said = from_there.try_spawn().await.expect_err("it cannot be read").stderr;
    assert!(said.contains(".env"), "{said}");
}

#[tokio::test]
async fn one_folder_is_one_servers() {
    let mut app = TestApp::spawn().await;
    app.say("+15550100", "There is a fire").await;

    let second = TestApp::builder().data_dir(app.data_dir()).try_spawn().await;

    let said = second.expect_err("the folder is taken").stderr;
    assert!(said.contains("in use by another Aurora"), "{said}");
    let who = format!("(process {} on {})", app.pid(), app.host_port());
    assert!(said.contains(&who), "{said}");
    assert!(said.contains("AURORA_DATA_DIR") && said.contains(app.data_dir().to_str().unwrap()));
    // The first one does not notice, and its folder is free when it is gone, however it went.
    assert!(app.say("+15550100", "We are outside").await.durable);
    app.kill();
    TestApp::builder().data_dir(app.data_dir()).spawn().await;
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let app = TestApp::spawn().await;
    let second = TestApp::builder().env("AURORA_BIND", app.host_port()).try_spawn().await;
    let said = second.expect_err("the port is taken").stderr;
    assert!(said.contains("AURORA_BIND") && said.contains(&app.host_port()), "{said}");
}

fn card(say: &str) -> String {
    format!(
        "[[card]]\nid = \"ammonia\"\ntitle = \"Ammonia card\"\nurgency = \"critical\"\n\
         topics = []\nphrases = [\"blue lamp\"]\nsay = \"{say}\"\nask = \"Where is it?\"\n\
         steps = [{{ say = \"Stay outside.\", ask = \"Has anything changed?\" }}]\n"
    )
}

#[tokio::test]
async fn cards_are_read_again_and_broken_ones_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cards.toml");
    fs::write(&file, card("Leave by the north door.")).unwrap();
    let app = TestApp::builder().env("AURORA_CARDS", file.display().to_string()).spawn().await;
    let mut n = 0;
    let mut hear = async || {
        n += 1;
        app.say(&format!("+1555{n}"), "The blue lamp is on").await
    };
    let first = hear().await;
    assert!(first.message.starts_with("Leave by the north door."), "{}", first.message);
    assert_eq!(first.sources, ["Ammonia card"]);

    fs::write(&file, card("Leave by the south door.")).unwrap();
    app.signal("HUP");
    wait_until("the new card answers", async || {
        hear().await.message.starts_with("Leave by the south door.")
    })
    .await;

    for broken in [
        card("Leave.").replace("say =", "sey ="),
        card("Leave.").replace("critical", "fatal"),
        "no TOML [[".to_owned(),
        card("Call 555 867 5309 now."),
    ] {
        let n_told = app.stderr().matches("cards were not read").count();
        fs::write(&file, &broken).unwrap();
        app.signal("HUP");
        wait_until("the log tells it", async || {
            app.stderr().matches("cards were not read").count() > n_told
        })
        .await;
        assert!(hear().await.message.starts_with("Leave by the south door."));
        assert!(app.stderr().contains("AURORA_CARDS"));
    }

    let refused = TestApp::builder().env("AURORA_CARDS", file.display().to_string()).try_spawn();
    let said = refused.await.expect_err("a broken file stops the start").stderr;
    assert!(said.contains("AURORA_CARDS") && said.contains("ammonia"), "{said}");
}

#[tokio::test]
async fn a_stop_ends_in_time_with_streams_open_and_turns_in_flight() {
    let fake = ChatFake::start();
    let patient = TestApp::builder().env("AURORA_ANSWER_DEADLINE_MS", "10000");
    let mut app = spawn_with_model(&fake, patient).await;
    let reply = app.say("+15550100", "There is a fire").await;
    let mut streams: Vec<EventStream> = Vec::new();
    for _ in 0..5 {
        streams.push(app.board().await);
        streams.push(app.listen(reply.conversation()).await);
    }
    fake.script(Case::SlowGap(Duration::from_millis(500)));
    let asked = fake.requests().len();
    let body = json!({ "speech": "Where is the office?", "ph_no": "+15550101" });
    let request = app.client.post(app.url("/api/process-speech")).json(&body);
    let in_flight = tokio::spawn(request.send());
    wait_until("the model thinks", async || fake.requests().len() > asked).await;

    app.signal("TERM");
    let answered = in_flight.await.unwrap().unwrap().json::<Value>().await.unwrap();
    let (status, took) = app.stop_gracefully();

    assert_eq!(answered["durable"], true, "the turn in flight is finished: {answered}");
    assert_eq!(status.code(), Some(0), "{}", app.stderr());
    assert!(took < Duration::from_secs(5), "{took:?}");
    for mut stream in streams {
        while stream.next().await.is_some() {}
    }
}

#[tokio::test]
async fn the_stored_state_is_what_the_api_showed_and_the_start_reads_it() {
    let mut app = TestApp::spawn().await;
    for n in 0..5 {
        let reply = app.say(&format!("+1555{n}"), "There is a fire \u{1F525}").await;
        let path = format!("/api/call/{}", reply.call());
        let kim = json!({ "admin_id": "kim", "content": "I am here.", "urgency": "urgent" });
        for action in ["takeover", "message", "urgency", "handback", "end"].iter().take(n) {
            assert!(app.act(&format!("{path}/{action}"), &kim).await.status < 300);
        }
    }
    let token = [("I-Twilio-Idempotency-Token", "t-1")];
    let form = [("CallSid", "CA1"), ("From", "+15550100"), ("SpeechResult", "a fire")];
    app.post_form("/process-speech", &form, &token).await;
    let shown = app.get_as_supervisor("/api/active-calls-json").await.body;

    let (status, _) = app.stop_gracefully();

    assert!(status.success());
    let stored = fs::read(app.data_dir().join("total.json")).unwrap();
    assert_eq!(String::from_utf8(stored).unwrap(), String::from_utf8(shown.clone()).unwrap());
    app.restart().await;
    app.until_logged("n_replayed=0").await;
    assert_eq!(app.get_as_supervisor("/api/active-calls-json").await.body, shown);
    // Without it, the journal alone leads to the same state.
    app.stop_gracefully();
    fs::remove_file(app.data_dir().join("total.json")).unwrap();
    app.restart().await;
    assert_eq!(app.get_as_supervisor("/api/active-calls-json").await.body, shown);
}

#[tokio::test]
async fn a_first_start_answers_at_once() {
    let mut took = Vec::new();
    for _ in 0..3 {
        let begun = Instant::now();
        let app = TestApp::spawn().await;
        assert!(app.say("+15550100", "There is a fire").await.durable);
        took.push(begun.elapsed());
        assert_eq!(app.login_link, app.url(&format!("/login?token={}", app.token)));
    }
    // The best of a few: the build is not optimised, and the machine may be busy.
    assert!(took.iter().min().unwrap() < &Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn the_cloud_that_is_down_is_no_reason_not_to_start() {
    let app = TestApp::builder()
        .env("FIREBASE_DATABASE_EMULATOR_HOST", "127.0.0.1:9")
        .env("REDIS_URL", "redis://127.0.0.1:9")
        .env("AURORA_LLM_URL", "http://127.0.0.1:9/v1")
        .env("AURORA_LLM_MODEL", "none")
        .spawn()
        .await;

    assert!(app.say("+15550100", "Where is the office?").await.durable);

    assert_eq!(app.get("/health/ready").await.status, 200);
    assert_eq!(app.get("/health/redis").await.status, 503);
    wait_until("health tells it", async || app.get("/health/firebase").await.status == 503).await;
    assert_eq!(app.get("/status").await.json()["mirror"]["state"], "unreachable");
}

#[tokio::test]
async fn a_server_whose_greeting_nobody_reads_answers() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut process = std::process::Command::new(env!("CARGO_BIN_EXE_aurora"))
        .env_clear()
        .env("AURORA_BIND", format!("127.0.0.1:{port}"))
        .env("AURORA_DATA_DIR", dir.path().join("data"))
        .current_dir(dir.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    drop(process.stdout.take());

    wait_until("the greeting failed", async || {
        std::fs::read_to_string(&log).unwrap().contains("could not be printed")
    })
    .await;

    let mut line = [0; 15];
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    std::io::Write::write_all(&mut stream, b"GET /health/live HTTP/1.0\r\n\r\n").unwrap();
    std::io::Read::read_exact(&mut stream, &mut line).unwrap();
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(&line, b"HTTP/1.0 200 OK");
}
