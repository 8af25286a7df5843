//! Words found again: of calls that go on and of those that ended, however they are asked for.

use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use crate::harness::{Got, TestApp, problem_code};
use crate::support::{
    assert_index_is_whole, contents, path as path_of, until_archived, until_left,
};

fn path(query: &str, filters: &str) -> String {
    let query: String = byte_serialize(query.as_bytes()).collect();
    format!("/api/search?q={query}{filters}")
}

async fn search(app: &TestApp, query: &str, filters: &str) -> Vec<Value> {
    // It waits for the archive by itself, but not for as long as a busy machine may need.
    until_archived(app).await;
    let found = app.get_json(&path(query, filters)).await;
    found["results"].as_array().expect("a list").clone()
}

async fn refused(app: &TestApp, query: &str) -> Got {
    let got = app.get_as_supervisor(&path(query, "")).await;
    assert_eq!((got.status, problem_code(&got).as_str()), (422, "invalid-query"), "{query}");
    got
}

/// The callers' own words that were found, without the marks.
async fn words(app: &TestApp, query: &str, filters: &str) -> Vec<String> {
    let found = search(app, query, filters).await;
    let said = found.iter().filter(|it| it["role"] == "user");
    let mut said: Vec<_> =
        said.map(|it| it["snippet"].as_str().unwrap().replace(['\u{1}', '\u{2}'], "")).collect();
    said.sort();
    said
}

#[tokio::test]
async fn words_are_found_the_moment_they_are_said_and_long_after() {
    let app = TestApp::builder().env("AURORA_ARCHIVE_AFTER_SECONDS", "0").spawn().await;
    let reply = app.say("+15550100", "The zebra crossing near gate 7 is slippery").await;

    let found = search(&app, "zebra", "").await;
    assert_eq!(found.len(), 1);
    let messages = app.get_json(&format!("/api/conversation/{}", reply.conversation())).await;
    let said = &messages["messages"][0];
    for (name, wanted) in [
        ("call_id", &json!(reply.call())),
        ("conversation_id", &json!(reply.conversation())),
        ("message_id", &said["message_id"]),
        ("role", &json!("user")),
        ("timestamp", &said["timestamp"]),
        ("snippet", &json!("The \u{1}zebra\u{2} crossing near gate 7 is slippery")),
        ("mobile_no", &json!("+15550100")),
        ("status", &json!("ACTIVE")),
        ("call_timestamp", &messages["timestamp"]),
    ] {
        assert_eq!(found[0][name], *wanted, "{name}");
    }

    let got = app.post_json("/api/hang-up", &json!({ "ph_no": "+15550100" })).await;
    assert_eq!(got.status, 204);
    until_left(&app, &[reply.call()]).await;
    let later = search(&app, "zebra", "").await;
    assert_eq!(later[0]["status"], "ENDED");
    assert_eq!(later[0]["snippet"], found[0]["snippet"]);
}

#[tokio::test]
async fn a_query_is_words_phrases_beginnings_and_what_joins_them() {
    let app = TestApp::spawn().await;
    let (gas, hall, zebra, accent) = (
        "I smell gas near the zebra crossing",
        "Zebra in the gas hall at 12:30",
        "Only a zebra, don't worry",
        "Há uma zebra no salão, привет",
    );
    for (n, text) in [gas, hall, zebra, accent].iter().enumerate() {
        app.say(&format!("+1555010{n}"), text).await;
    }

    for (query, wanted) in [
        ("zebra gas", vec![gas, hall]),
        ("zebra AND gas", vec![gas, hall]),
        ("\"gas hall\"", vec![hall]),
        ("“gas hall”", vec![hall]),
        ("\"hall gas\"", vec![]),
        ("zebra NOT gas", vec![zebra, accent]),
        ("zebra NOT (gas OR salão)", vec![zebra]),
        ("crossing OR worry", vec![gas, zebra]),
        ("zebra (crossing OR hall)", vec![gas, hall]),
        ("cross*", vec![gas]),
        ("\"the gas hal\"*", vec![hall]),
        ("c* OR w*", vec![gas, zebra]),
        ("s*", vec![gas, accent]),
        ("ZEBRA HALL", vec![hall]),
        ("salao", vec![accent]),
        ("ПРИВЕТ", vec![accent]),
        ("don't", vec![zebra]),
        ("12:30", vec![hall]),
        ("zebra 🔥 hall -- !", vec![hall]),
        ("zebra\u{0}hall", vec![hall]),
        ("\u{202E}zebra \u{200F}hall", vec![hall]),
        ("xylophone", vec![]),
    ] {
        let mut wanted = wanted.clone();
        wanted.sort_unstable();
        assert_eq!(words(&app, query, "").await, wanted, "{query}");
    }

    let found = search(&app, "zebra cross*", "").await;
    assert_eq!(found[0]["snippet"], "I smell gas near the \u{1}zebra\u{2} \u{1}crossing\u{2}");
    let accents = search(&app, "salao", "").await;
    assert_eq!(accents[0]["snippet"], "Há uma zebra no \u{1}salão\u{2}, привет");
}

#[tokio::test]
async fn a_search_is_narrowed_like_the_history_and_paged() {
    let app = TestApp::spawn().await;
    for n in 0..30 {
        app.say(&format!("+1555010{n:02}"), &format!("Zebra number {n} in gate {}", n % 3)).await;
    }
    let first = app.say("+15550100", "Another zebra").await;
    let body = json!({ "admin_id": "Kim" });
    assert_eq!(app.act(&format!("/api/call/{}/end", first.call()), &body).await.status, 200);

    for (filters, wanted) in [
        ("", 31),
        ("&status=ended", 1),
        ("&status=open", 30),
        ("&supervisor=Kim", 1),
        ("&caller=%2B15550100", 1),
        ("&caller=%2B15550101*", 10),
        ("&caller=%2B1555010*&status=open", 30),
        ("&zone=gate+2", 10),
        ("&urgency=critical", 0),
        ("&from=2000-01-01T00:00:00Z", 31),
        ("&to=2000-01-01T00:00:00Z", 0),
        ("&worker=worker_155501007", 1),
        ("&deleted=only", 0),
        ("&deleted=with&limit=200", 31),
    ] {
        assert_eq!(words(&app, "zebra", filters).await.len(), wanted, "{filters}");
    }

    let (mut ids, mut cursor, mut n_pages) = (Vec::new(), String::new(), 0);
    loop {
        let found = app.get_json(&path("zebra", &format!("&limit=7&cursor={cursor}"))).await;
        let results = found["results"].as_array().unwrap();
        ids.extend(results.iter().map(|it| format!("{} {}", it["call_id"], it["message_id"])));
        n_pages += 1;
        // What is said meanwhile neither hides nor repeats anything.
        app.say("+15550199", "Zebra again").await;
        match found["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let n_all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), n_all), (n_all, ids.len()));
    assert!(n_all >= 31 && n_pages >= 5, "{n_all} in {n_pages}");
}

#[tokio::test]
async fn no_query_however_strange_is_more_than_an_explanation() {
    let app = TestApp::spawn().await;
    app.say("+15550100", "There is a fire at the content gate").await;

    for (query, named) in [
        ("", "nothing to search for"),
        ("   ", "nothing to search for"),
        ("🔥🔥", "nothing to search for"),
        ("... -- !", "nothing to search for"),
        ("\"", "character 1"),
        ("fire \"gate", "character 6"),
        ("(fire", "character 1"),
        ("fire)", "character 5"),
        ("()", "nothing in it"),
        ("*", "evacuat*"),
        ("* fire", "evacuat*"),
        ("NEAR(fire gate)", "NEAR"),
        ("NEAR(fire gate, 5)", "NEAR"),
        ("-fire", "NOT"),
        ("^fire", "`^`"),
        ("fire^2", "`^`"),
        ("content:fire", "`:`"),
        ("content : {fire}", "`{`"),
        ("{content}:fire", "`{`"),
        ("AND", "`AND`"),
        ("fire AND", "`AND`"),
        ("OR fire", "`OR`"),
        ("NOT fire", "`NOT`"),
        ("fire NOT NOT gate", "`NOT`"),
        (&"(".repeat(16 * 1024), "16384 characters"),
        (&"(".repeat(500), "nested"),
        (&"fire ".repeat(100), "more than 24"),
    ] {
        let got = refused(&app, query).await;
        let detail = got.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(named), "{query}: {detail}");
        assert!(detail.contains("\"gas leak\" OR"), "it shows a good one: {detail}");
    }
    let missing = app.get_as_supervisor("/api/search").await;
    assert_eq!(problem_code(&missing), "invalid-query");

    // Every sign that means something to the index, alone, doubled, around and within words.
    for sign in "\"'*^:+-(){}[]<>=!&|,.;~@#$%\\/?`_\u{0}\u{1}\u{2}\u{7F}\u{FEFF}\u{202E}".chars() {
        for query in [
            format!("{sign}"),
            format!("{sign}{sign}"),
            format!("fire{sign}gate"),
            format!("{sign}fire"),
            format!("fire{sign}"),
            format!("fire {sign} gate"),
            format!("{sign}fire gate{sign}"),
            format!("\"fire {sign} gate\""),
            format!("col{sign}fire{sign}*"),
        ] {
            let got = app.get_as_supervisor(&path(&query, "")).await;
            assert!(matches!(got.status, 200 | 422), "{query:?}: {}", got.text());
        }
    }
    // Not even as bytes that are no text.
    let got = app.get_as_supervisor("/api/search?q=%FF%FEfire%00%C3").await;
    assert!(matches!(got.status, 200 | 422), "{}", got.text());
    assert_eq!(words(&app, "fire", "").await.len(), 1, "it still answers");
}

/// Where the words are found, and what is shown of them without the marks.
async fn places(app: &TestApp, query: &str, filters: &str) -> Vec<(String, String)> {
    let found = search(app, query, filters).await;
    let mut places: Vec<_> = found
        .iter()
        .map(|it| {
            let is_message = it["found_in"] == "message";
            assert!(it["message_id"].is_string() == is_message, "{it}");
            assert!(it["role"].is_string() == is_message, "{it}");
            let snippet = it["snippet"].as_str().unwrap();
            assert!(snippet.contains('\u{1}'), "{it}");
            let place = it["found_in"].as_str().unwrap().to_owned();
            (place, snippet.replace(['\u{1}', '\u{2}'], ""))
        })
        .collect();
    places.sort();
    places
}

async fn write(app: &TestApp, call: &str, path: &str, field: &str, text: &str) {
    let body = json!({ "admin_id": "Kim", field: text });
    let got = app.act(&format!("/api/call/{call}/{path}"), &body).await;
    assert_eq!(got.status, 204, "{}", got.text());
}

#[tokio::test]
async fn what_supervisors_wrote_is_found_as_it_stands_now() {
    let mut app = TestApp::builder().env("AURORA_ARCHIVE_AFTER_SECONDS", "0").spawn().await;
    let (over, goes_on) = ("+15550100", "+15550101");
    let reply = app.say(over, "The zebra is loose").await;
    let live = app.say(goes_on, "Another one is loose").await;
    assert_eq!(app.post_json("/api/hang-up", &json!({ "ph_no": over })).await.status, 204);
    until_left(&app, &[reply.call()]).await;
    let place = |place: &str, text: &str| (place.to_owned(), text.to_owned());

    for call in [reply.call(), live.call()] {
        write(&app, call, "notes", "admin_notes", "A giraffe").await;
        write(&app, call, "notes", "admin_notes", "Rather a zebra").await;
        write(&app, call, "final-action", "final_action", "Fed the zebra hay").await;
    }

    assert_eq!(places(&app, "giraffe", "").await, [], "it was replaced");
    let (notes, done) =
        (place("admin_notes", "Rather a zebra"), place("final_action", "Fed the zebra hay"));
    let all = [
        notes.clone(),
        notes.clone(),
        done.clone(),
        done.clone(),
        place("message", "The zebra is loose"),
    ];
    assert_eq!(places(&app, "zebra", "").await, all);
    assert_eq!(places(&app, "zebra", "&status=open").await, [notes.clone(), done.clone()]);
    let ended = app.get_json(&format!("/api/calls/{}/conversation", reply.call())).await;
    let (from, n_said) =
        (ended["ended_at"].as_str().unwrap(), ended["messages"].as_array().unwrap().len());
    let since = format!("&status=ended&from={from}");
    assert_eq!(places(&app, "zebra", &since).await, [notes, done.clone()], "as of its end");
    assert_eq!(n_said, 2, "a note is no message: {ended}");
    let listed = app.get_json("/api/calls/history?text=hay&status=any").await;
    assert_eq!(listed["calls"].as_array().map(Vec::len), Some(2));
    assert_eq!(listed["calls"][0]["total_messages"], 2);

    write(&app, reply.call(), "notes", "admin_notes", "").await;
    assert_eq!(places(&app, "rather", "&status=ended").await, []);
    // An archive that is made anew finds the same.
    app.stop_gracefully();
    assert_index_is_whole(&path_of(&app));
    let before = contents(&path_of(&app));
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(app.data_dir().join(format!("archive.db{end}")));
    }
    app.restart().await;
    assert_eq!(places(&app, "hay", "").await, [done.clone(), done]);
    app.stop_gracefully();
    let without_place = |all: Vec<String>| all[..all.len() - 1].to_vec();
    assert_eq!(without_place(contents(&path_of(&app))), without_place(before));
}
