//! What is written beside the code is true of it: settings, examples, routes, links, names.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aurora::config::Config;
use aurora::domain::SyncStatus;
use aurora::readers::snapshot;
use serde_json::Value;

/// Routed and not described: files of the pages.
const NOT_DESCRIBED: [(&str, &str); 1] = [("get", "/static/{}")];

#[test]
fn the_example_of_settings_names_every_setting_and_no_other() {
    let named: BTreeSet<String> = example_settings().into_iter().map(|it| it.0).collect();

    assert_eq!(named, known_settings());
}

#[test]
fn the_example_of_settings_shows_the_defaults() {
    let example = example_settings();
    let lookup = |name: &str| example.iter().find(|it| it.0 == name).map(|it| it.1.clone());
    // Some settings show only beside others.
    let with_model = |name: &str| match name {
        "AURORA_LLM_URL" => Some("http://127.0.0.1:11434/v1".to_owned()),
        "AURORA_LLM_MODEL" => Some("any".to_owned()),
        _ => None,
    };
    let read = |lookup: &dyn Fn(&str) -> Option<String>| {
        format!("{:?}", Config::from_lookup(lookup).expect("the example is valid"))
    };

    assert_eq!(read(&lookup), read(&|_| None));
    assert_eq!(read(&|name| with_model(name).or_else(|| lookup(name))), read(&with_model));
    let filter = format!("\"{}\"", lookup("RUST_LOG").expect("RUST_LOG is named"));
    assert!(text("src/telemetry.rs").contains(&filter), "{filter} is not the log's default");
}

#[test]
fn the_example_of_total_json_is_loaded_and_written_as_it_is() {
    let example = text("total.json.example");
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("total.json"), &example).expect("a writable folder");

    let loaded = snapshot::load(folder.path()).expect("the example is valid");
    let (state, position) = loaded.expect("the file is there");
    let mut written = Vec::new();
    let sync_of = |call: &aurora::domain::Call| match call.last_seq {
        0..=5 => SyncStatus::Synced,
        _ => SyncStatus::PendingSync,
    };
    snapshot::write(&state, position, &sync_of, &mut written).expect("memory takes it");

    assert_eq!(state.n_open(), 2);
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
    assert_eq!(read(&written), read(example.as_bytes()));
}

#[test]
fn the_api_description_has_every_route_and_no_other() {
    let (described, routed) = (described_routes(), registered_routes());
    let own = |list: &[(&str, &str)]| -> BTreeSet<(String, String)> {
        list.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect()
    };

    let only_described: BTreeSet<_> = described.difference(&routed).cloned().collect();
    let only_routed: BTreeSet<_> = routed.difference(&described).cloned().collect();

    assert!(routed.len() > 25, "only {} routes were found", routed.len());
    assert_eq!(only_described, BTreeSet::new(), "described, but not routed");
    assert_eq!(only_routed, own(&NOT_DESCRIBED), "routed, but not described");
}

#[test]
fn every_setting_that_a_document_names_exists() {
    let mut known = known_settings();
    known.extend(["AURORA_TEST_PYTHON".to_owned()]);

    for (name, text) in documents() {
        for prefix in ["AURORA_", "FIREBASE_", "TWILIO_"] {
            for word in words_with(&text, prefix) {
                assert!(known.contains(word), "{name} names the setting {word}");
            }
        }
    }
}

#[test]
fn every_metric_that_a_document_names_is_measured() {
    let source = text("src/routes/metrics.rs");

    for (name, text) in documents() {
        for word in words_with(&text, "aurora_") {
            let metric = word.trim_start_matches("aurora_");
            let bare = ["_total", "_bucket", "_sum", "_count"]
                .iter()
                .find_map(|it| metric.strip_suffix(it))
                .unwrap_or(metric);
            let is_known = source.contains(&format!("\"{bare}\"")) || word == "aurora_session";
            assert!(is_known, "{name} names the metric {word}");
        }
    }
}

#[test]
fn every_link_and_file_that_a_document_names_exists() {
    for (name, text) in documents() {
        let folder = root().join(&name);
        let folder = folder.parent().expect("a file has a folder");
        for link in text.split("](").skip(1).filter_map(|it| it.split([')', '#']).next()) {
            if !link.is_empty() && !link.contains("://") {
                assert!(folder.join(link).exists(), "{name} links to {link}");
            }
        }
        for quoted in text.split('`').skip(1).step_by(2) {
            let is_file = ["src/", "tests/", "docs/", "static/", "benches/"]
                .iter()
                .any(|it| quoted.starts_with(it) && !quoted.contains(['*', ' ', '{']));
            assert!(!is_file || root().join(quoted).exists(), "{name} names the file {quoted}");
        }
    }
}

/// Names that the program reads: those of the configuration, and what is read elsewhere.
fn known_settings() -> BTreeSet<String> {
    let read = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        read.borrow_mut().insert(name.to_owned());
        None
    };
    Config::from_lookup(lookup).expect("without settings it starts");
    let mut read = read.into_inner();
    for source in files(&root().join("src"), "rs") {
        let source = fs::read_to_string(source).expect("a source file is text");
        for call in ["env::var(\"", "env::var_os(\""] {
            let names = source.split(call).skip(1).filter_map(|it| it.split('"').next());
            read.extend(names.map(str::to_owned));
        }
    }
    // Asked for by a test, when the weights of triage are to be learned anew.
    read.remove("TRIAGE_LEARN");
    read
}

/// Names and values of `.env.example`, whose settings are all commented out.
fn example_settings() -> Vec<(String, String)> {
    let example = text(".env.example");
    let settings: String = example
        .lines()
        .filter_map(|it| it.strip_prefix('#').filter(|it| !it.starts_with(' ')))
        .flat_map(|it| [it, "\n"])
        .collect();
    assert!(example.lines().all(|it| it.is_empty() || it.starts_with('#')), "a setting is set");
    dotenvy::from_read_iter(settings.as_bytes())
        .collect::<Result<_, _>>()
        .expect("the example can be read")
}

fn described_routes() -> BTreeSet<(String, String)> {
    let api: Value = serde_json::from_str(&text("static/openapi.json")).expect("JSON");
    let paths = api["paths"].as_object().expect("paths");
    let methods = ["get", "put", "post", "delete", "patch", "head", "options"];
    paths
        .iter()
        .flat_map(|(path, item)| {
            let described = item.as_object().expect("methods").keys();
            described
                .filter(|it| methods.contains(&it.as_str()))
                .map(|method| (method.clone(), with_plain_parameters(path)))
        })
        .collect()
}

/// All `.route("path", method().to(…))` of the source.
fn registered_routes() -> BTreeSet<(String, String)> {
    let mut routes = BTreeSet::new();
    for source in files(&root().join("src/routes"), "rs") {
        let source = fs::read_to_string(source).expect("a source file is text");
        for registered in source.split(".route(\"").skip(1) {
            let (path, rest) = registered.split_once('"').expect("a path ends");
            let method = rest.trim_start_matches(',').trim_start();
            let method = method.split('(').next().expect("a method").rsplit("::").next();
            let method = method.expect("a name");
            // Whatever answers GET may answer HEAD; that needs no description.
            if method != "head" {
                routes.insert((method.to_owned(), with_plain_parameters(path)));
            }
        }
        // The scope of everything that is looked at has no path of its own.
        let source = source.replace(".service(scope(\"\")", "");
        // Other ways to register a route would not be seen above.
        for other in [".service(", "web::resource(", "web::scope(", "#[get(", "#[post("] {
            assert!(
                !source.contains(other),
                "{other} registers a route; teach this test to read it"
            );
        }
    }
    routes
}

/// `{call_id}` and `{path:.*}` are both `{}`.
fn with_plain_parameters(path: &str) -> String {
    let mut plain = String::new();
    for (place, part) in path.split('{').enumerate() {
        match part.split_once('}') {
            Some((_, rest)) if place > 0 => plain.extend(["{}", rest]),
            _ => plain.push_str(part),
        }
    }
    plain
}

/// The documents for people, by their path.
fn documents() -> Vec<(String, String)> {
    let mut found = files(&root().join("docs"), "md");
    found.extend([root().join("README.md"), root().join("CHANGELOG.md")]);
    let named = found.into_iter().map(|path| {
        let name = path.strip_prefix(root()).expect("below the root").display().to_string();
        let text = text(&name);
        (name, text)
    });
    named.collect()
}

/// Words of capital and small letters, digits and `_` that begin with `prefix`.
fn words_with<'t>(text: &'t str, prefix: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_')
        .filter(move |it| it.starts_with(prefix) && it.len() > prefix.len())
}

fn text(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|err| panic!("{name}: {err}"))
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
