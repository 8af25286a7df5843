//! Recording and listing where no server runs.

use std::fs;
use std::process::Stdio;

use serde_json::json;
use tempfile::tempdir;

use crate::support::{USER, aurora, end_of, list, only, printed, record, spooled, text};

#[test]
fn work_is_recorded_with_all_that_was_said_of_it() {
    let dir = tempdir().unwrap();
    let id = printed(aurora(
        dir.path(),
        &[
            "record",
            "--slug",
            "migrate",
            "--command",
            "make migrate",
            "--status",
            "failed",
            "--duration",
            "12.5",
            "--automation",
            "2",
            "--lines",
            "120",
            "--manual-estimate",
            "3600",
            "--report",
            "reports/a.html",
            "--timestamp",
            "2026-11-20T12:00:00.123Z",
        ],
    ));

    let run = only(dir.path());
    assert_eq!(
        run,
        json!({
            "run_id": id.trim(), "user_id": USER, "timestamp": "2026-11-20T12:00:00.123Z",
            "slug": "migrate", "command": "make migrate", "status": "failed",
            "duration_seconds": 12.5, "automation_seconds": 2.0, "lines_migrated": 120,
            "manual_estimate_seconds": 3600.0, "report_path": "reports/a.html",
            "sync_status": "pending_sync",
        })
    );
}

#[test]
fn the_same_work_told_twice_is_one_run_and_two_pieces_of_work_are_two() {
    let dir = tempdir().unwrap();
    let words =
        ["record", "--slug", "x", "--command", "y", "--timestamp", "2026-11-20T12:00:00.123Z"];
    let first = printed(aurora(dir.path(), &words));
    assert_eq!(printed(aurora(dir.path(), &words)), first);
    assert_eq!(list(dir.path()).len(), 1);

    assert_ne!(record(dir.path(), "x"), record(dir.path(), "x"));
    assert_eq!(list(dir.path()).len(), 3);
}

#[test]
fn twenty_at_once_lose_nothing() {
    let dir = tempdir().unwrap();
    let data = dir.path().join("not/there/yet");
    let begun: Vec<_> = (0..20)
        .map(|n| {
            let slug = format!("s{}", n % 2);
            aurora(&data, &["record", "--slug", &slug, "--command", "the same"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut told = Vec::new();
    for child in begun {
        let output = end_of(child);
        assert!(output.status.success(), "{}", text(&output.stderr));
        told.push(text(&output.stdout).trim().to_owned());
    }

    let mut listed: Vec<_> =
        list(&data).iter().map(|it| it["run_id"].as_str().unwrap().to_owned()).collect();
    told.sort();
    listed.sort();
    assert_eq!(listed, told);
    assert_eq!(spooled(&data).len(), 20);
}

#[test]
fn a_file_that_does_not_read_is_set_aside_with_a_reason_and_the_rest_is_read() {
    let dir = tempdir().unwrap();
    let id = record(dir.path(), "good");
    let runs = dir.path().join("runs");
    let good = fs::read_to_string(runs.join(format!("{id}.json"))).unwrap();
    let bad = [
        ("torn.json", good[..good.len() / 2].to_owned()),
        ("other.json", good.clone()),
        ("long.json", "x".repeat(100_000)),
        ("typed.json", good.replace("1.5", "\"much\"")),
        ("call.json", good.replacen('{', "{\"call_id\":\"call_01JD0000000000000000000000\",", 1)),
    ];
    for (name, content) in &bad {
        fs::write(runs.join(name), content).unwrap();
    }

    assert_eq!(only(dir.path())["run_id"], id);

    for (name, content) in &bad {
        assert_eq!(fs::read_to_string(runs.join("aside").join(name)).unwrap(), *content);
        let reason = fs::read_to_string(runs.join(format!("aside/{name}.reason.txt"))).unwrap();
        assert!(reason.trim().len() > 5, "{name}: {reason}");
    }
    assert_eq!(spooled(dir.path()).len(), 1);
}

#[test]
fn wrong_words_are_refused_with_what_is_wrong() {
    let dir = tempdir().unwrap();
    let long = "x".repeat(65);
    for (words, said) in [
        (vec!["record", "--slug", "x"], "--command"),
        (vec!["record", "--slug", &long, "--command", "y"], "--slug"),
        (vec!["record", "--slug", "x", "--command", " "], "command"),
        (vec!["record", "--slug", "x", "--command", "y", "--duration=-1"], "--duration"),
        (vec!["record", "--slug", "x", "--command", "y", "--duration", "NaN"], "--duration"),
        (vec!["record", "--slug", "x", "--command", "y", "--duration", "1e99"], "--duration"),
        (vec!["record", "--slug", "x", "--command", "y", "--status", "fine"], "--status"),
        (vec!["record", "--slug", "x", "--command", "y", "--timestamp", "now"], "--timestamp"),
        (vec!["exec", "--slug", "x"], "COMMAND"),
        (vec!["list", "--limit", "0"], "--limit"),
        (vec!["team", "--days", "367"], "--days"),
    ] {
        let output = aurora(dir.path(), &words).output().unwrap();
        assert!(!output.status.success(), "{words:?}");
        assert!(text(&output.stderr).contains(said), "{words:?}: {}", text(&output.stderr));
    }
    assert!(spooled(dir.path()).is_empty());
}

#[test]
fn whose_work_it_is_comes_from_git_where_nobody_says() {
    let home = tempdir().unwrap();
    fs::write(home.path().join("included"), "[github]\n\tuser = ada-l\n").unwrap();
    fs::write(
        home.path().join(".gitconfig"),
        "[user]\n\temail = ada@example.com\n[include]\n\tpath = included\n",
    )
    .unwrap();
    let user = |file: &str| {
        let dir = tempdir().unwrap();
        let mut command = aurora(dir.path(), &["record", "--slug", "x", "--command", "y"]);
        command.env_remove("AURORA_USER").env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("GIT_CONFIG_GLOBAL", home.path().join(file));
        printed(command);
        only(dir.path())["user_id"].as_str().unwrap().to_owned()
    };

    assert_eq!(user(".gitconfig"), "ada-l");
    fs::write(home.path().join("included"), "").unwrap();
    assert_eq!(user(".gitconfig"), "ada@example.com");
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(user("none"), machine.trim());
}

#[test]
fn a_git_that_hangs_holds_nobody_up() {
    let dir = tempdir().unwrap();
    let git = dir.path().join("git");
    fs::write(&git, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    let path = format!("{}:/usr/bin:/bin", dir.path().display());
    let mut chmod = std::process::Command::new("chmod");
    assert!(chmod.arg("+x").arg(&git).status().unwrap().success());
    let mut command = aurora(dir.path(), &["record", "--slug", "x", "--command", "y"]);
    command.env_remove("AURORA_USER").env("PATH", path);
    let began = std::time::Instant::now();

    printed(command);

    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    assert_ne!(only(dir.path())["user_id"], "");
}

#[test]
fn the_team_is_added_up_from_what_is_here() {
    let dir = tempdir().unwrap();
    printed(aurora(
        dir.path(),
        &[
            "record",
            "--slug",
            "x",
            "--command",
            "y",
            "--lines",
            "7",
            "--automation",
            "360",
            "--manual-estimate",
            "3960",
        ],
    ));
    printed(aurora(
        dir.path(),
        &[
            "record",
            "--slug",
            "x",
            "--command",
            "y",
            "--status",
            "failed",
            "--manual-estimate",
            "9",
        ],
    ));

    let text = printed(aurora(dir.path(), &["team", "--json"]));
    let stats: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(stats["total"]["runs"], 2);
    assert_eq!(stats["total"]["hours_saved"], 1.0);
    assert_eq!(stats["people"][0]["user_id"], USER);
    assert_eq!(stats["people"][0]["success_rate"], 0.5);
    let shown = printed(aurora(dir.path(), &["team"]));
    assert!(shown.contains(USER) && shown.contains("50%"), "{shown}");
}
