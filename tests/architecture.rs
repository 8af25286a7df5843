//! The arrows of the source: which folder may know which.
//!
//! The map is in `docs/architecture.md`. Each path in `src/` that begins with `crate`, `super` or
//! `self` is read, grouped ones too, and compared with it. Comments and texts don't count.

#[path = "architecture/paths.rs"]
mod paths;

use std::fs;
use std::path::{Path, PathBuf};

use paths::{Found, paths};

/// Who may know whom, besides itself. A reader is a folder or file below `readers`.
const ARROWS: [(&str, &[&str]); 13] = [
    ("domain", &[]),
    ("config", &[]),
    ("telemetry", &[]),
    // Files that are there whole or not at all.
    ("files", &[]),
    // Speaks to a server over HTTP, like any caller.
    ("load", &[]),
    // Commands that look after the data folder.
    ("care", &["erasure", "runs", "readers", "journal", "domain", "files"]),
    // Commands on the data folder: files of calls in and out.
    ("exchange", &["readers", "journal", "domain", "files"]),
    // Commands that tell of finished work, to a server, a file or the database.
    ("runs", &["readers", "journal", "domain", "files"]),
    ("telephony", &["domain"]),
    ("journal", &["domain", "files"]),
    ("conversation", &["journal", "domain"]),
    // Reaches everybody who holds words.
    ("erasure", &["conversation", "readers", "journal", "domain", "files"]),
    (
        "routes",
        &["conversation", "erasure", "runs", "readers", "journal", "telephony", "domain", "config"],
    ),
];
/// What any reader may know.
const READER: [&str; 3] = ["journal", "domain", "files"];
/// They know all: the start, and the wiring.
const FREE: [&str; 3] = ["main", "lib", "app"];

/// Crates and parts of the standard library that reach outside, and so aren't for pure folders.
const OUTSIDE: [&str; 11] = [
    "tokio",
    "reqwest",
    "hyper",
    "std::fs",
    "std::net",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime::now",
    "Instant::now",
];
const PURE: [&str; 2] = ["domain", "telephony"];

#[test]
fn no_arrow_points_the_wrong_way() {
    let mut n_files = 0;
    let mut wrong = Vec::new();

    for file in source_files(&root().join("src")) {
        n_files += 1;
        let text = fs::read_to_string(&file).expect("a source file is text");
        let module = module_of(file.strip_prefix(root().join("src")).expect("below src"));
        let name = file.strip_prefix(root()).expect("below the root").display().to_string();
        wrong.extend(wrong_arrows(&module, &text).map(|it| format!("{name}: {it}")));
    }

    assert!(n_files > 50, "only {n_files} files were read");
    assert!(wrong.is_empty(), "the map does not allow:\n{}", wrong.join("\n"));
}

#[test]
fn every_folder_of_the_source_is_on_the_map() {
    let known: Vec<&str> = ARROWS.iter().map(|it| it.0).chain(FREE).chain(["readers"]).collect();

    let found = fs::read_dir(root().join("src")).expect("the source is there");
    let names = found.map(|it| it.expect("a name").path().file_stem().expect("a name").to_owned());

    for name in names {
        let name = name.to_string_lossy();
        assert!(known.contains(&&*name), "src/{name} has no arrows in tests/architecture.rs");
    }
}

#[test]
fn a_wrong_arrow_is_found_however_it_is_written() {
    for (module, line, forbidden) in [
        ("journal::writer", "use crate::readers::live::Live;", "readers::live"),
        ("journal", "use crate::{domain::Seq, readers::{live, self as r}};", "readers::live"),
        ("journal::writer", "use super::super::conversation::desk;", "conversation"),
        ("domain::call", "fn f() { crate::journal::line::write() }", "journal"),
        ("domain", "use crate::*;", "*"),
        ("telephony::twiml", "pub(crate) use crate::routes as r;", "routes"),
        ("conversation::desk", "use crate::readers::firebase;", "readers::firebase"),
        ("conversation", "use crate::config::Config;", "config"),
        ("readers::live", "use crate::readers::firebase::MirrorLink;", "readers::firebase"),
        ("readers::live::ring", "use super::super::snapshot::save;", "readers::snapshot"),
        ("readers::live", "use crate::readers;", "readers"),
        ("readers::live", "use crate::routes::Context;", "routes"),
        ("routes::calls", "mod tests { use super::super::super::app::start; }", "app"),
        ("routes::calls", "let x: crate :: app :: Running = y;", "app"),
        ("journal", "/* /* */ */ use /* it */ crate::app;", "app"),
        ("journal", "let a = 'x'; let b = '\"'; use crate::app; // '\"'", "app"),
        ("journal", "let a = r#\"\"\"#; use crate::app;", "app"),
        ("config", "use actix_web::web;", "actix_web"),
        ("readers::live", "use {std::fmt, actix_web::{web, rt}};", "actix_web"),
        ("telephony", "let body: actix_web::web::Bytes = x;", "actix_web"),
        ("domain", "use std::{fmt, fs::File};", "std::fs"),
        ("domain::timestamp", "let now = SystemTime::now();", "SystemTime::now"),
    ] {
        let found: Vec<_> = wrong_arrows(module, line).collect();
        assert!(!found.is_empty(), "{module}: {line}");
        assert!(found[0].contains(&format!("`{forbidden}`")), "{module}: {line}: {found:?}");
    }
}

#[test]
fn a_right_arrow_is_left_alone() {
    for (module, text) in [
        ("domain::call", "use super::{CallId, text::clean}; use crate::domain::Seq;"),
        ("journal", "// use crate::app;\n/// [`crate::app`]\n/* crate::app */"),
        ("journal", r#"let a = "crate::app \" crate::app"; let b = r"\"; use crate::domain;"#),
        ("journal", "impl<'a> X<'a> { fn f(&'a self) -> self::Y { super::domain::z() } }"),
        ("journal::line", "mod tests { use super::*; use super::super::Journal; }"),
        ("readers::live", "use crate::journal::Journal; use crate::readers::live::ring;"),
        ("routes::calls", "use crate::readers::{live::Conversation, snapshot};"),
        ("routes", "use actix_web::web; pub(crate) fn x() {} pub(in crate::routes) fn y() {}"),
        ("app", "use crate::{config, routes}; use actix_web::App;"),
        ("domain::timestamp", "use std::time::SystemTime; fn f(now: SystemTime) {}"),
    ] {
        let found: Vec<_> = wrong_arrows(module, text).collect();
        assert_eq!(found, [""; 0], "{module}: {text}");
    }
}

/// What `text`, the source of `module`, says that the map doesn't allow.
fn wrong_arrows(module: &str, text: &str) -> impl Iterator<Item = String> {
    let own = unit(module);
    let top = module.split("::").next().unwrap_or_default().to_owned();
    paths(module, text).into_iter().filter_map(move |Found { path, line }| {
        let target = match path.strip_prefix("crate::") {
            Some(inside) if may_know(&own, inside) => return None,
            Some(inside) => unit(inside),
            None => outside(&top, &path)?,
        };
        Some(format!("line {line}: `{own}` must not know `{target}`"))
    })
}

fn may_know(own: &str, target: &str) -> bool {
    if FREE.contains(&own) || unit(target) == own {
        return true;
    }
    let top = target.split("::").next().unwrap_or_default();
    if own.starts_with("readers") {
        return READER.contains(&top);
    }
    ARROWS.iter().any(|(from, to)| *from == own && to.contains(&top))
}

/// What of `path`, which begins with another crate's name, `top` must not reach.
fn outside(top: &str, path: &str) -> Option<String> {
    let krate = path.split("::").next().unwrap_or_default();
    if krate.starts_with("actix") && top != "routes" && top != "app" {
        return Some(krate.to_owned());
    }
    let is_below = |whole: &str| path == whole || path.starts_with(&format!("{whole}::"));
    let found = OUTSIDE.iter().find(|it| PURE.contains(&top) && is_below(it));
    found.map(|it| (*it).to_owned())
}

/// The part of the map that a module belongs to: its folder, and for a reader which one.
fn unit(module: &str) -> String {
    let mut parts = module.split("::");
    let top = parts.next().unwrap_or_default();
    match parts.next() {
        Some(reader) if top == "readers" => format!("readers::{reader}"),
        _ => top.to_owned(),
    }
}

/// `journal/writer.rs` is `journal::writer`, `journal/mod.rs` is `journal`.
fn module_of(file: &Path) -> String {
    let path = file.with_extension("");
    let parts: Vec<_> = path.iter().map(|it| it.to_string_lossy()).collect();
    parts.join("::").trim_end_matches("::mod").to_owned()
}

fn source_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the source") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(source_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
