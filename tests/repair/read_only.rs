//! Folders that cannot be written to: verify works, the others say so in one line.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::commands::{aurora, said, server};

/// Runs `aurora` with these calls refused, as on a disk that is mounted read-only; on that path
/// only, if there is one.
fn refused(data: &Path, arguments: &[&str], calls: &str, path: Option<&Path>) -> Output {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")]);
    strace.args(["-e", &format!("inject={calls}:error=EROFS:when=1+")]);
    if let Some(path) = path {
        strace.arg("-P").arg(path);
    }
    strace
        .arg(env!("CARGO_BIN_EXE_aurora"))
        .args(arguments)
        .env_clear()
        .env("AURORA_DATA_DIR", data)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap()
}

fn one_line(output: &Output, parts: &[&str]) {
    let text = said(output);
    assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

#[tokio::test]
async fn verify_needs_no_write_and_the_others_say_what_they_cannot_write() {
    let dir = TempDir::new().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    server(&data).await.stop_gracefully();
    let writes = "mkdir,rename,unlink,ftruncate,fallocate,fsync,fdatasync,pwrite64,fchmod";

    let verified = refused(&data, &["verify"], writes, None);
    let repaired = refused(&data, &["repair", "--yes"], "openat", Some(&data.join("lock")));
    let backup = ["backup", copy.to_str().unwrap()];
    let backed_up = refused(&data, &backup, "mkdir", Some(&dir.path().join("copy.part")));

    assert!(verified.status.success(), "{}", said(&verified));
    one_line(&repaired, &["lock", "make the disk writable", "Read-only"]);
    one_line(&backed_up, &["cannot create", "copy.part", "Read-only"]);
    assert!(!copy.exists() && !data.join("quarantine").exists());
    // A folder that cannot be written to can still be copied.
    let done = refused(&data, &backup, "openat", Some(&data.join("lock")));
    assert!(done.status.success(), "{}", said(&done));
}

/// SQLite has to write beside an archive whose server died: that is no damage.
#[tokio::test]
async fn an_archive_that_can_be_read_only_where_it_can_be_written_is_not_called_damaged() {
    let dir = TempDir::new().unwrap();
    let mut app = server(dir.path()).await;
    app.kill();
    let shared = dir.path().join("archive.db-shm");
    fs::remove_file(&shared).unwrap();

    let verified = refused(dir.path(), &["verify"], "openat", Some(&shared));

    let text = said(&verified);
    assert_eq!(verified.status.code(), Some(1), "{text}");
    assert!(text.contains("make the folder writable") && !text.contains("repair"), "{text}");
    let verified = aurora(dir.path(), &["verify"]);
    assert!(verified.status.success(), "{}", said(&verified));
}
