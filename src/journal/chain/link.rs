//! One line of the chain, and the hashes in it.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::domain::Seq;
use crate::journal::line::{check, write_line};

/// A SHA-256; as text 64 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The head that follows on this one.
    pub(super) fn followed_by(self, records: Self) -> Self {
        let mut sha = Sha256::new();
        sha.update(self.0);
        sha.update(records.0);
        sha.into()
    }
}

impl From<Sha256> for Hash {
    fn from(sha: Sha256) -> Self {
        Self(sha.finalize().into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|it| write!(f, "{it:02x}"))
    }
}

impl FromStr for Hash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = |it: &u8| matches!(it, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 64 || !text.as_bytes().iter().all(is_hex) {
            return Err("not a SHA-256 in 64 lower-case hex digits");
        }
        let mut hash = [0; 32];
        for (place, slot) in hash.iter_mut().enumerate() {
            let digits = &text[place * 2..place * 2 + 2];
            *slot = u8::from_str_radix(digits, 16).map_err(|_| "not hex digits")?;
        }
        Ok(Self(hash))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A segment that was sealed, or rewritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    pub segment: u32,
    pub first_seq: Seq,
    pub last_seq: Seq,
    /// Of a rewriting: why, and what the records were before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewritten: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256_before: Option<Hash>,
    pub sha256: Hash,
    /// Why it cannot rest on all lines before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    pub head: Hash,
    /// Read, and checked before on the raw bytes; written by hand.
    #[serde(default, rename = "crc", skip_serializing)]
    crc: Option<String>,
}

impl Link {
    /// A segment that was sealed. What it rests on is filled in when it joins the chain.
    pub fn sealed(segment: u32, first_seq: Seq, last_seq: Seq, sha256: Hash) -> Self {
        Self {
            segment,
            first_seq,
            last_seq,
            rewritten: None,
            reason: None,
            sha256_before: None,
            sha256,
            mark: None,
            head: Hash::default(),
            crc: None,
        }
    }

    pub fn rewritten(self, before: Hash, reason: &str) -> Self {
        Self {
            rewritten: Some(true),
            reason: Some(reason.to_owned()),
            sha256_before: Some(before),
            ..self
        }
    }

    pub fn is_rewriting(&self) -> bool {
        self.rewritten == Some(true)
    }

    /// Appends its line to `out`, newline included.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_line(self, out);
    }

    /// Reads a line without its newline; why it is none.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        check(line)?;
        serde_json::from_slice(line).map_err(|err| err.to_string())
    }
}

/// Hashes the lines of a segment's records from `first_seq` up to `limit`, or all whole ones.
/// Returns how many there were.
pub fn hash_records(
    path: &Path,
    first_seq: Seq,
    limit: Option<Seq>,
    mut progress: impl FnMut(u64),
) -> io::Result<(Hash, u64)> {
    let mut lines = BufReader::with_capacity(256 * 1024, File::open(path)?);
    let (mut line, mut sha, mut n_records) = (Vec::new(), Sha256::new(), 0);
    lines.read_until(b'\n', &mut line)?;
    while limit.is_none_or(|it| first_seq + n_records < it) {
        progress(line.len() as u64);
        line.clear();
        lines.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        sha.update(&line);
        n_records += 1;
    }
    Ok((sha.into(), n_records))
}
