//! How well triage rates labelled sentences: a table for each file of `tests/fixtures/triage/`.

use aurora::conversation::triage::Triage;
use aurora::domain::Urgency;

const CLASSES: [Urgency; 3] = [Urgency::Critical, Urgency::Urgent, Urgency::Normal];

struct Sentence<'a> {
    label: Urgency,
    language: &'a str,
    topic: &'a str,
    speech: &'a str,
}

fn parse(file: &str) -> Vec<Sentence<'_>> {
    let lines = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let columns: Vec<_> = line.split('\t').collect();
            let [label, language, topic, speech] = columns[..] else {
                panic!("not four columns: {line}");
            };
            let label = Urgency::parse(label).unwrap_or_else(|| panic!("no label: {line}"));
            Sentence { label, language, topic, speech }
        })
        .collect()
}

/// Prints the table of a file and checks the two numbers that matter.
fn measure(name: &str, file: &str) {
    let triage = Triage::builtin();
    let sentences = parse(file);
    let mut counts = [[0_usize; 3]; 3];
    let (mut n_topics, mut n_right_topics) = (0_usize, 0_usize);
    for it in &sentences {
        let got = triage.assess(it.speech);
        counts[it.label as usize][got.urgency as usize] += 1;
        let topic = got.topic.map_or_else(
            || "-".to_owned(),
            |topic| serde_json::to_string(&topic).expect("a topic serializes").replace('"', ""),
        );
        if it.label == Urgency::Critical && it.topic != "-" {
            n_topics += 1;
            n_right_topics += usize::from(topic == it.topic);
        }
        if got.urgency != it.label {
            println!("  {} -> {} [{} {topic}] {}", it.label, got.urgency, it.language, it.speech);
        } else if std::env::var_os("TRIAGE_TOPICS").is_some()
            && it.label == Urgency::Critical
            && topic != it.topic
        {
            println!("  topic {} -> {topic}: {}", it.topic, it.speech);
        }
    }

    println!("{name}: {} sentences", sentences.len());
    println!("{:>10} {:>6} {:>8} {:>10}", "class", "n", "recall", "precision");
    for class in CLASSES.map(|it| it as usize) {
        let n: usize = counts[class].iter().sum();
        let n_rated: usize = counts.iter().map(|row| row[class]).sum();
        let hits = counts[class][class];
        let (recall, precision) = (share(hits, n), share(hits, n_rated));
        println!("{:>10} {n:>6} {recall:>8.3} {precision:>10.3}", CLASSES[2 - class].as_str());
    }
    println!("topic right in {n_right_topics} of {n_topics} critical sentences that name one");

    let [ordinary, _, critical] = counts;
    let recall = share(critical[2], critical.iter().sum());
    let raised = share(ordinary[1] + ordinary[2], ordinary.iter().sum());
    println!("critical recall {recall:.3}, ordinary above NORMAL {raised:.3}");
    assert!(recall >= 0.99, "{name}: critical recall is {recall:.3}");
    assert!(raised <= 0.05, "{name}: ordinary above NORMAL is {raised:.3}");
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

#[test]
fn labelled_sentences_are_rated_well() {
    measure("labelled", include_str!("fixtures/triage/labelled.tsv"));
}

/// And one file more, if `TRIAGE_FILE` names it: for a set that is new.
#[test]
fn held_out_sentences_are_rated_well() {
    measure("heldout", include_str!("fixtures/triage/heldout.tsv"));
    if let Ok(path) = std::env::var("TRIAGE_FILE") {
        let file = std::fs::read_to_string(&path).expect("TRIAGE_FILE can be read");
        measure(&path, &file);
    }
}
