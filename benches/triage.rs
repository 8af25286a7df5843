//! How long triage takes for one utterance; the goal is below 5 µs for a typical sentence.

use std::hint::black_box;

use aurora::conversation::triage::Triage;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SENTENCES: [(&str, &str); 4] = [
    ("danger", "there's a fire in zone A and a man is trapped under the conveyor"),
    ("small_talk", "hi I just wanted to ask when the next fire drill is going to be"),
    (
        "denied",
        "no don't worry there is no fire the alarm went off because somebody burnt the toast",
    ),
    ("unknown_words", "zxqv werty plonk blorg splat wibble wobble fnord garply waldo"),
];

fn triage(criterion: &mut Criterion) {
    let rules = Triage::builtin();
    let mut group = criterion.benchmark_group("triage");
    for (name, speech) in SENTENCES {
        group.bench_function(name, |it| it.iter(|| rules.assess(black_box(speech))));
    }
    let long: String = SENTENCES[2].1.chars().cycle().take(16 * 1024).collect();
    group.throughput(Throughput::Bytes(long.len() as u64));
    group.bench_function("16_kib", |it| it.iter(|| rules.assess(black_box(&long))));
    group.finish();
}

criterion_group!(benches, triage);
criterion_main!(benches);
