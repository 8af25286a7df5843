//! Compiles the rule files: classes and aliases first, then the patterns.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::lexicon::{Lexicon, WordId, inflections};
use super::pattern::{Membership, Pattern, Place, Set};
use super::rules::{Role, Rule, Rules};
use crate::domain::{Topic, Urgency};

/// Weight of a word that is heard all the time, when the rarest place of a pattern is sought.
const COMMON_WEIGHT: usize = 60;

/// Compiles rule files.
///
/// # Errors
/// The line that can't be understood, and why.
pub(super) fn compile(files: &[&str]) -> Result<Rules, String> {
    let mut compiler = Compiler::default();
    for file in files {
        compiler.read_words(file)?;
    }
    for file in files {
        compiler.read_patterns(file)?;
    }
    Ok(compiler.finish())
}

struct Compiler {
    lexicon: Lexicon,
    classes: FxHashMap<String, BTreeSet<WordId>>,
    set_ids: FxHashMap<BTreeSet<WordId>, Set>,
    rules: Vec<Rule>,
}

impl Default for Compiler {
    fn default() -> Self {
        Self {
            lexicon: Lexicon::new(),
            classes: FxHashMap::default(),
            set_ids: FxHashMap::default(),
            rules: Vec::new(),
        }
    }
}

fn lines(file: &str) -> impl Iterator<Item = &str> {
    file.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
}

fn is_class(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
}

impl Compiler {
    /// Reads `CLASS = word word CLASS`, `word > its words` and `typo: word word`.
    fn read_words(&mut self, file: &str) -> Result<(), String> {
        for line in lines(file) {
            if let Some((name, words)) = line.split_once(" = ") {
                let mut class = self.classes.remove(name).unwrap_or_default();
                for word in words.split_whitespace() {
                    class.extend(self.alternatives(word).map_err(|err| format!("{line}: {err}"))?);
                }
                self.classes.insert(name.to_owned(), class);
            } else if let Some((word, stands_for)) = line.split_once(" > ") {
                let stands_for: Vec<_> = stands_for.split_whitespace().collect();
                for word in word.split_whitespace() {
                    self.lexicon.alias(word, &stands_for);
                }
            } else if let Some(words) = line.strip_prefix("typo: ") {
                words.split_whitespace().for_each(|it| self.lexicon.forgive(it));
            }
        }
        Ok(())
    }

    fn read_patterns(&mut self, file: &str) -> Result<(), String> {
        let mut role = None;
        for line in lines(file) {
            if let Some(header) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
                role = Some(parse_role(header)?);
            } else if line.contains(" = ") || line.contains(" > ") || line.starts_with("typo: ") {
                continue; // Read by `read_words`.
            } else {
                let role = role.ok_or_else(|| format!("{line}: no [section] above"))?;
                let pattern = self.parse(line).map_err(|err| format!("{line}: {err}"))?;
                self.rules.push(Rule { role, pattern, source: line.into() });
            }
        }
        Ok(())
    }

    fn parse(&mut self, line: &str) -> Result<Pattern, String> {
        let (mut places, mut weights) = (Vec::new(), Vec::new());
        let (mut at_start, mut at_end, mut gap) = (false, false, 0);
        for item in line.split_whitespace() {
            match item {
                "^" => at_start = true,
                "$" => at_end = true,
                ".." => gap = 2,
                "..." => gap = 5,
                _ => {
                    let (is_optional, item) = match item.strip_prefix('?') {
                        Some(rest) => (true, rest),
                        None => (false, item),
                    };
                    let words = self.alternatives(item)?;
                    if words.iter().all(|it| self.is_unheard(*it)) {
                        return Err(format!("{item} never becomes a token"));
                    }
                    weights.push(if is_optional { usize::MAX } else { self.weigh(&words) });
                    let set = self.set_id(words);
                    places.push(Place { set, gap: std::mem::take(&mut gap), is_optional });
                }
            }
        }
        let anchor = (0..places.len())
            .filter(|at| !places[*at].is_optional)
            .min_by_key(|at| weights[*at])
            .ok_or("a pattern needs a word that is not optional")?;
        Ok(Pattern { places: places.into(), anchor, at_start, at_end })
    }

    fn alternatives(&mut self, item: &str) -> Result<BTreeSet<WordId>, String> {
        let mut words = BTreeSet::new();
        for name in item.split('|') {
            if is_class(name) {
                let class = self.classes.get(name).ok_or_else(|| format!("no class {name}"))?;
                words.extend(class);
            } else {
                for word in inflections(name) {
                    if self.lexicon.is_phrase(&word) {
                        return Err(format!("{word} is an alias of several words"));
                    }
                    words.insert(self.lexicon.intern(&word));
                }
            }
        }
        Ok(words)
    }

    fn is_unheard(&self, word: WordId) -> bool {
        ["ARTICLES", "FILLERS"].iter().any(|it| self.classes[*it].contains(&word))
    }

    fn weigh(&self, words: &BTreeSet<WordId>) -> usize {
        let common = &self.classes["COMMON"];
        let n_common = words.intersection(common).count();
        words.len() + n_common * COMMON_WEIGHT
    }

    fn set_id(&mut self, words: BTreeSet<WordId>) -> Set {
        let next = Set::try_from(self.set_ids.len()).expect("fewer than 65536 sets");
        *self.set_ids.entry(words).or_insert(next)
    }

    fn finish(mut self) -> Rules {
        for class in self.classes.values().cloned().collect::<Vec<_>>() {
            self.set_id(class);
        }
        let n_words = self.lexicon.len();
        let n_columns = self.set_ids.len().div_ceil(64);
        let mut bits = vec![0_u64; n_words * n_columns];
        let mut rules_by_set = vec![Vec::new(); self.set_ids.len()];
        for (rule, it) in (0_u16..).zip(&self.rules) {
            rules_by_set[usize::from(it.pattern.places[it.pattern.anchor].set)].push(rule);
        }
        let mut by_anchor = vec![Vec::new(); n_words];
        for (words, set) in &self.set_ids {
            for &word in words {
                bits[usize::from(word) * n_columns + usize::from(*set) / 64] |= 1 << (set % 64);
                by_anchor[usize::from(word)].extend(&rules_by_set[usize::from(*set)]);
            }
        }
        // The sets came in any order, and rules are tried in the order of the files.
        let by_anchor = by_anchor.into_iter().map(sorted).collect();
        let sets = Membership { bits, n_columns };
        Rules {
            lexicon: self.lexicon,
            sets,
            rules: self.rules,
            by_anchor,
            classes: self.classes,
            set_ids: self.set_ids,
        }
    }
}

fn sorted(mut rules: Vec<u16>) -> Box<[u16]> {
    rules.sort_unstable();
    rules.into()
}

fn parse_role(header: &str) -> Result<Role, String> {
    let mut words = header.split_whitespace();
    let name = words.next().unwrap_or_default();
    let topics: Vec<_> = words.map(parse_topic).collect::<Result<_, _>>()?;
    let set = topics.iter().copied().collect();
    let topic = topics.first().copied().flatten();
    let danger = |urgency, is_firm| Role::Danger { urgency, topic, is_firm };
    Ok(match name {
        "critical" => danger(Urgency::Critical, false),
        "critical!" => danger(Urgency::Critical, true),
        "urgent" => danger(Urgency::Urgent, false),
        "urgent!" => danger(Urgency::Urgent, true),
        "neutral" => Role::Neutral,
        "past" => Role::Past,
        "fiction" => Role::Fiction,
        "supposing" => Role::Supposing,
        "drill" => Role::Drill(set),
        "resolved" => Role::Resolved(set),
        "real" => Role::Real,
        "idle" => Role::Idle,
        _ => return Err(format!("[{header}] is no section")),
    })
}

fn parse_topic(name: &str) -> Result<Option<Topic>, String> {
    Ok(Some(match name {
        "none" => return Ok(None),
        "fire" => Topic::Fire,
        "gas" => Topic::Gas,
        "chemical" => Topic::Chemical,
        "injury" => Topic::Injury,
        "unconscious" => Topic::Unconscious,
        "medical" => Topic::Medical,
        "electrical" => Topic::Electrical,
        "entrapment" => Topic::Entrapment,
        "violence" => Topic::Violence,
        "self_harm" => Topic::SelfHarm,
        "evacuation" => Topic::Evacuation,
        "equipment" => Topic::Equipment,
        _ => return Err(format!("{name} is no topic")),
    }))
}
