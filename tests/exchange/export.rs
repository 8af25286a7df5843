//! Calls out of the archive, for programs, spreadsheets and people.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::TestApp;
use crate::support::{Published, Said, aurora, export, import, run};

const TRICK: &str = "<script>alert(\"x\")</script> & *bold* | =1+1, \"quoted\"";

fn folder_with(file: &Published) -> TempDir {
    let dir = TempDir::new().expect("there is a place for temporary files");
    import(dir.path(), &file.json());
    dir
}

fn three_calls() -> Published {
    let said = [("user", TRICK), ("assistant", "=HYPERLINK(\"http://x\")")];
    let mut file = Published::default()
        .with("old-1", "+15550100", &said)
        .with("old-2", "+15550101", &[("user", "Hello")])
        .with("old-3", "+15550102", &[]);
    file.calls["old-1"]["urgency"] = json!("CRITICAL");
    file.calls["old-2"]["timestamp"] = json!("2026-03-02T00:00:00.000Z");
    file.calls["old-3"]["timestamp"] = json!("2026-03-03T12:00:00.000Z");
    file
}

fn numbers(calls: &[Value]) -> Vec<&str> {
    calls.iter().map(|it| it["mobile_no"].as_str().expect("a number")).collect()
}

fn first_id(data_dir: &Path) -> String {
    let calls = export(data_dir, &["--caller", "+15550100"]);
    calls[0]["call_id"].as_str().expect("a call has an id").to_owned()
}

#[tokio::test]
async fn what_was_said_and_done_on_a_server_is_exported() {
    let mut app = TestApp::spawn().await;
    let reply = app.say("+15550100", "There is a fire in the warehouse").await;
    let act = async |what: &str, body: Value| {
        let got = app.act(&format!("/api/call/{}/{what}", reply.call()), &body).await;
        assert!(got.status < 300, "{what}: {}", got.text());
    };
    act("takeover", json!({ "admin_id": "Kim" })).await;
    act("message", json!({ "admin_id": "Kim", "content": "Help is coming" })).await;
    act("urgency", json!({ "admin_id": "Lee", "urgency": "urgent" })).await;
    act("notes", json!({ "admin_id": "Lee", "admin_notes": "Two people.\n=Hall 3" })).await;
    act("final-action", json!({ "admin_id": "Kim", "final_action": "=Ambulance" })).await;
    act("end", json!({ "admin_id": "Kim" })).await;
    let before = app.call(reply.call()).await;
    app.stop_gracefully();

    let calls = export(app.data_dir(), &[]);

    assert_eq!(calls.len(), 1);
    for (name, value) in before["call"].as_object().unwrap() {
        let is_kept = calls[0].get(name) == Some(value);
        assert!(
            is_kept || ["sync_status", "last_seq", "heard", "edits"].contains(&name.as_str()),
            "{name}"
        );
    }
    assert_eq!(calls[0]["messages"].as_array().unwrap().len(), 3);
    for (said, exported) in before["conversation"]["messages"]
        .as_array()
        .unwrap()
        .iter()
        .zip(calls[0]["messages"].as_array().unwrap())
    {
        for (name, value) in said.as_object().unwrap() {
            assert_eq!(&exported[name], value, "{name}");
        }
    }
    let deed = |it: &Value| format!("{} {} {}", it["what"], it["value"], it["by"]);
    let done: Vec<_> = calls[0]["actions"].as_array().unwrap().iter().map(deed).collect();
    assert!(done.contains(&r#""takeover" "Kim" "Kim""#.to_owned()), "{done:?}");
    assert!(done.contains(&r#""urgency" "URGENT" "Lee""#.to_owned()), "{done:?}");
    assert!(done.contains(&r#""end" "supervisor" "Kim""#.to_owned()), "{done:?}");
    assert!(done.contains(&r#""final_action" "=Ambulance" "Kim""#.to_owned()), "{done:?}");
    assert_eq!(calls[0]["supervisors"], json!(["Kim", "Lee"]));
    let table = run(app.data_dir(), &["export", "--format", "csv"]).out;
    assert!(table.contains(",\"Two people.\n=Hall 3\",'=Ambulance,msg_000001,"), "{table}");
    for (format, break_) in [("html", "\n"), ("markdown", " ")] {
        let page = run(app.data_dir(), &["export", "--call", reply.call(), "--format", format]).out;
        for told in [&format!("Two people.{break_}=Hall 3"), "=Ambulance", "(by Lee)"] {
            assert!(page.contains(told), "{told}: {page}");
        }
    }

    // Beside a running server it is the same.
    app.restart().await;
    assert_eq!(export(app.data_dir(), &["--call", reply.call()]), calls);
    let new = app.say("+15550101", "It smells of gas").await;
    let live = export(app.data_dir(), &["--caller", "+15550101"]);
    assert_eq!(live[0]["call_id"], new.call());
    assert_eq!(live[0]["messages"][0]["content"], "It smells of gas");
}

#[test]
fn filters_choose_calls() {
    let dir = folder_with(&three_calls());
    for (arguments, expected) in [
        (&[][..], &["+15550100", "+15550101", "+15550102"][..]),
        (&["--from", "2026-03-02"], &["+15550101", "+15550102"]),
        (&["--from", "2026-03-02", "--to", "2026-03-03"], &["+15550101"]),
        (&["--to", "2026-03-02T01:00:00+01:00"], &["+15550100"]),
        (&["--urgency", "critical"], &["+15550100"]),
        (&["--urgency", "CRITICAL,urgent"], &["+15550100", "+15550101", "+15550102"]),
        (&["--urgency", "normal"], &[]),
        (&["--caller", "+15550102"], &["+15550102"]),
    ] {
        assert_eq!(numbers(&export(dir.path(), arguments)), expected, "{arguments:?}");
    }
    for wrong in [
        &["--from", "yesterday"][..],
        &["--urgency", "high"],
        &["--call", "call_1"],
        &["--format", "xml"],
        &["--format", "html"],
        &["--raw"],
        &["--force"],
    ] {
        let said = run(dir.path(), &[&["export"], wrong].concat());
        assert!(!said.is_done && !said.err.is_empty() && said.out.is_empty(), "{wrong:?}");
    }
}

#[test]
fn deleted_calls_are_left_out_unless_asked_for() {
    let mut file = three_calls();
    file.calls["old-1"]["deleted_at"] = json!("2026-03-05T00:00:00.000Z");
    let dir = folder_with(&file);

    assert_eq!(numbers(&export(dir.path(), &[])), ["+15550101", "+15550102"]);
    let all = export(dir.path(), &["--deleted"]);
    assert_eq!(numbers(&all), ["+15550100", "+15550101", "+15550102"]);
    assert_eq!(all[0]["deleted_at"], "2026-03-05T00:00:00.000Z");
    let id = all[0]["call_id"].as_str().unwrap();
    let said = run(dir.path(), &["export", "--call", id]);
    assert!(!said.is_done && said.err.contains("was deleted; --deleted"), "{}", said.err);
    assert_eq!(export(dir.path(), &["--call", id, "--deleted"]).len(), 1);
}

#[test]
fn a_spreadsheet_gets_text_and_no_formula() {
    let dir = folder_with(&three_calls());
    let table = |arguments: &[&str]| {
        let said = run(dir.path(), &[&["export", "--format", "csv"], arguments].concat());
        assert!(said.is_done, "{}", said.err);
        assert_eq!(said.out.matches("\r\n").count(), said.out.matches('\n').count());
        let mut reader = csv::Reader::from_reader(said.out.as_bytes());
        let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let rows: Vec<csv::StringRecord> = reader.records().map(|it| it.unwrap()).collect();
        move |row: usize, name: &str| {
            let column = header.iter().position(|it| it == name).expect("a column");
            rows[row][column].to_owned()
        }
    };

    let cell = table(&[]);
    assert_eq!(cell(0, "content"), TRICK);
    assert_eq!(cell(0, "mobile_no"), "'+15550100");
    assert_eq!(cell(1, "content"), "'=HYPERLINK(\"http://x\")");
    assert_eq!(cell(2, "content"), "Hello");
    assert_eq!((cell(3, "mobile_no"), cell(3, "message_id")), ("'+15550102".into(), String::new()));
    let cell = table(&["--raw"]);
    assert_eq!(cell(0, "mobile_no"), "+15550100");
    assert_eq!(cell(1, "content"), "=HYPERLINK(\"http://x\")");
}

#[test]
fn a_page_shows_words_and_runs_none() {
    let dir = folder_with(&three_calls());
    let id = first_id(dir.path());

    let html = run(dir.path(), &["export", "--call", &id, "--format", "html"]);
    assert!(html.is_done, "{}", html.err);
    assert!(html.out.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; *bold*"));
    assert!(!html.out.contains("<script"), "{}", html.out);
    assert!(html.out.contains("default-src 'none'") && html.out.contains("@media print"));
    for outside in ["src=", "href=", "url("] {
        assert!(!html.out.contains(outside), "{outside}");
    }
    for told in ["+15550100", "CRITICAL", "2026-03-01T12:00:00.000Z", &id] {
        assert!(html.out.contains(told), "{told}");
    }
    let markdown = run(dir.path(), &["export", "--call", &id, "--format", "markdown"]);
    assert!(markdown.is_done, "{}", markdown.err);
    assert!(markdown.out.contains("> &lt;script&gt;alert(\"x\")&lt;/script&gt; &amp; \\*bold\\*"));
    let missing = "call_01KJMR8P000000000000000099";
    let said = run(dir.path(), &["export", "--call", missing, "--format", "html"]);
    assert!(!said.is_done && said.err.contains("there is no call"), "{}", said.err);
}

#[test]
fn a_file_is_its_owners_whole_and_never_replaced_by_accident() {
    let dir = folder_with(&three_calls());
    let out = TempDir::new().unwrap();
    let file = out.path().join("calls.jsonl");
    let write = |more: &[&str]| {
        let path = file.to_str().unwrap();
        run(dir.path(), &[&["export", "--output", path], more].concat())
    };

    let said = write(&[]);
    assert!(said.is_done && said.out.is_empty(), "{}", said.err);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 3);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&file, "mine").unwrap();
    let said = write(&[]);
    assert!(!said.is_done && said.err.contains("--force replaces it"), "{}", said.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert!(write(&["--force"]).is_done);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 3);
    let said = write(&["--force", "--call", "call_01KJMR8P000000000000000099"]);
    assert!(!said.is_done);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 3);
    let left: Vec<_> = fs::read_dir(out.path()).unwrap().map(|it| it.unwrap().path()).collect();
    assert_eq!(left, [file]);
}

#[test]
fn who_reads_only_the_beginning_is_no_error() {
    let mut file = Published::default();
    let long = "It smells of gas here. ".repeat(300);
    for n in 0..100 {
        file = file.with(&format!("old-{n}"), "+15550100", &[("user", &long)]);
    }
    let dir = folder_with(&file);

    let mut child = aurora(dir.path())
        .arg("export")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut beginning = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut beginning).unwrap();

    let said = Said::from(child.wait_with_output().unwrap());
    assert!(said.is_done);
    assert_eq!(said.err, "");
}

#[test]
fn an_archive_that_lacks_records_is_not_exported_as_if_it_were_whole() {
    let dir = folder_with(&three_calls());
    export(dir.path(), &[]);
    import(dir.path(), &Published::default().with("old-4", "+15550103", &[]).json());
    // As a server would, whose archive does not get on.
    let lock = File::open(dir.path().join("lock")).unwrap();
    lock.lock().unwrap();

    let said = run(dir.path(), &["export"]);

    assert!(!said.is_done && said.out.is_empty());
    assert!(said.err.contains("has archived 3 of 4 records"), "{}", said.err);
    drop(lock);
    assert_eq!(export(dir.path(), &[]).len(), 4);
}

#[test]
fn nothing_is_made_where_there_is_nothing() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");

    for folder in [data.as_path(), dir.path()] {
        let said = run(folder, &["export"]);
        assert!(
            !said.is_done && said.err.contains("it is no data folder of Aurora"),
            "{}",
            said.err
        );
    }

    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
