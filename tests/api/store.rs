//! What the data folder holds, read without the server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The journal's files, oldest first.
pub fn segments(data_dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(data_dir.join("journal")).expect("there is a journal");
    let mut files: Vec<_> = files.map(|it| it.expect("it can be listed").path()).collect();
    files.retain(|it| it.extension().is_some_and(|it| it == "jsonl"));
    files.sort();
    files
}

/// The journal's records in the order of the files; a torn last line is passed over. Records that
/// a later segment begins with again count once, as the format says.
pub fn records(data_dir: &Path) -> Vec<Value> {
    let mut records: Vec<Value> = Vec::new();
    for file in segments(data_dir) {
        let text = std::fs::read(&file).expect("it can be read");
        for line in String::from_utf8_lossy(&text).lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            if let Some(first) = line["first_seq"].as_u64() {
                records.retain(|it| it["seq"].as_u64() < Some(first));
            } else {
                records.push(line);
            }
        }
    }
    records
}

/// What was said in each call: role and words.
pub fn said(data_dir: &Path) -> BTreeMap<String, Vec<(String, String)>> {
    let mut said: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in records(data_dir).iter().filter(|it| it["type"] == "message_added") {
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        said.entry(text("call_id")).or_default().push((text("role"), text("content")));
    }
    said
}
