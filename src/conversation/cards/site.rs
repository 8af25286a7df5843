//! What is known about the site: the only source of numbers and places that a card may say.

use crate::conversation::cards::CardsError;
use crate::conversation::cards::fields::Fields;

const MAX_ENTRIES: usize = 200;
const MAX_CHARS: usize = 100;
/// Beyond this many places nobody keeps the list in mind; the caller knows their own best.
const MAX_SPOKEN_POINTS: usize = 4;

/// The `[site]` table. All of it is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Site {
    pub name: Option<String>,
    /// The public emergency number as it is dialled from this site.
    pub emergency_number: Option<String>,
    pub zones: Vec<String>,
    pub extensions: Vec<Extension>,
    pub assembly_points: Vec<AssemblyPoint>,
    pub first_aid_room: Option<String>,
    pub defibrillator: Option<String>,
    /// How the assembly points are said after "go to".
    spoken_assembly: Option<String>,
}

/// A telephone of the site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    pub name: String,
    pub number: String,
}

/// Where people gather.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssemblyPoint {
    /// For which part of the site; else for all that have none of their own.
    pub zone: Option<String>,
    pub place: String,
}

impl Site {
    /// All numbers that may be said at this site.
    pub fn numbers(&self) -> impl Iterator<Item = &str> {
        let extensions = self.extensions.iter().map(|it| it.number.as_str());
        self.emergency_number.as_deref().into_iter().chain(extensions)
    }

    /// What is known, as text for a model: it may name nothing else. Empty if nothing is known.
    pub fn facts(&self) -> String {
        let mut facts = String::new();
        let mut line = |what: &str, value: &str| {
            facts.push_str(what);
            facts.push_str(": ");
            facts.push_str(value);
            facts.push_str(".\n");
        };
        let single = [
            ("Site", &self.name),
            ("Emergency services", &self.emergency_number),
            ("First aid room", &self.first_aid_room),
            ("Defibrillator", &self.defibrillator),
        ];
        for (what, value) in single {
            if let Some(value) = value {
                line(what, value);
            }
        }
        if !self.zones.is_empty() {
            line("Zones", &self.zones.join(", "));
        }
        for extension in &self.extensions {
            line(&format!("Extension of {}", extension.name), &extension.number);
        }
        for point in &self.assembly_points {
            match &point.zone {
                Some(zone) => line(&format!("Assembly point of {zone}"), &point.place),
                None => line("Assembly point", &point.place),
            }
        }
        facts
    }

    /// All names of places and people's desks, for the speech recognition.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let points = self.assembly_points.iter();
        let single = [&self.name, &self.first_aid_room, &self.defibrillator];
        (self.zones.iter().map(String::as_str))
            .chain(points.flat_map(|it| it.zone.as_deref().into_iter().chain([it.place.as_str()])))
            .chain(self.extensions.iter().map(|it| it.name.as_str()))
            .chain(single.into_iter().filter_map(|it| it.as_deref()))
    }

    pub(super) fn parse(mut fields: Fields<'_>) -> Result<Self, CardsError> {
        let mut site = Self {
            name: place(&mut fields, "name")?,
            emergency_number: number(&mut fields, "emergency_number")?,
            zones: Vec::new(),
            extensions: Vec::new(),
            assembly_points: Vec::new(),
            first_aid_room: place(&mut fields, "first_aid_room")?,
            defibrillator: place(&mut fields, "defibrillator")?,
            spoken_assembly: None,
        };
        for zone in fields.texts("zones", MAX_ENTRIES, MAX_CHARS)? {
            site.zones.push(checked(&fields, "zones", zone)?);
        }
        for (i, table) in fields.tables("extensions", MAX_ENTRIES)?.into_iter().enumerate() {
            let mut entry = Fields::new(format!("[site], extension {}", i + 1), table);
            let name = place(&mut entry, "name")?;
            let name = name.ok_or_else(|| entry.error("name", "is missing"))?;
            let number = number(&mut entry, "number")?;
            let number = number.ok_or_else(|| entry.error("number", "is missing"))?;
            if site.extension(&name).is_some() {
                let problem = format!("`{name}` is there twice; keep one of them");
                return Err(entry.error("name", problem));
            }
            entry.finish()?;
            site.extensions.push(Extension { name, number });
        }
        for (i, table) in fields.tables("assembly_points", MAX_ENTRIES)?.into_iter().enumerate() {
            let mut entry = Fields::new(format!("[site], assembly point {}", i + 1), table);
            let zone = place(&mut entry, "zone")?;
            let place = place(&mut entry, "place")?;
            let place = place.ok_or_else(|| entry.error("place", "is missing"))?;
            entry.finish()?;
            site.assembly_points.push(AssemblyPoint { zone, place });
        }
        fields.finish()?;
        site.spoken_assembly = spoken_assembly(&site.assembly_points);
        Ok(site)
    }

    /// The value of a slot; `Err` with the problem when there is no slot of that name.
    pub(super) fn slot(&self, name: &str) -> Result<Option<&str>, String> {
        if let Some(name) = name.strip_prefix("extension:") {
            return Ok(self.extension(name.trim()));
        }
        Ok(match name {
            "site_name" => self.name.as_deref(),
            "emergency_number" => self.emergency_number.as_deref(),
            "assembly_point" => self.spoken_assembly.as_deref(),
            "first_aid_room" => self.first_aid_room.as_deref(),
            "defibrillator" => self.defibrillator.as_deref(),
            _ => {
                return Err(format!(
                    "uses {{{name}}}, which is no slot; slots are {{site_name}}, \
                     {{emergency_number}}, {{assembly_point}}, {{first_aid_room}}, \
                     {{defibrillator}} and {{extension:NAME}}"
                ));
            }
        })
    }

    fn extension(&self, name: &str) -> Option<&str> {
        let is_it = |it: &&Extension| it.name.to_lowercase() == name.to_lowercase();
        self.extensions.iter().find(is_it).map(|it| it.number.as_str())
    }
}

/// "the lawn if you are at Hall 2, or the main gate if you are anywhere else": right for every caller, because
/// nobody knows yet where this one is.
fn spoken_assembly(points: &[AssemblyPoint]) -> Option<String> {
    if points.len() > MAX_SPOKEN_POINTS {
        return Some("the assembly point for your area".into());
    }
    let general: Vec<_> = points.iter().filter(|it| it.zone.is_none()).collect();
    let mut parts: Vec<String> = points
        .iter()
        .filter_map(|it| Some(format!("{} if you are at {}", it.place, it.zone.as_ref()?)))
        .collect();
    if !general.is_empty() {
        let places: Vec<_> = general.iter().map(|it| it.place.as_str()).collect();
        let elsewhere = if parts.is_empty() { "" } else { " if you are anywhere else" };
        parts.push(format!("{}{elsewhere}", places.join(" or ")));
    }
    let last = parts.pop()?;
    Some(if parts.is_empty() { last } else { format!("{}, or {last}", parts.join(", ")) })
}

fn place(fields: &mut Fields<'_>, key: &'static str) -> Result<Option<String>, CardsError> {
    let text = fields.text(key, MAX_CHARS)?;
    text.map(|it| checked(fields, key, it)).transpose()
}

/// One line without the marks of a template, and without the full stop that would end a sentence
/// in the middle.
fn checked(fields: &Fields<'_>, key: &str, text: &str) -> Result<String, CardsError> {
    if text.contains(['[', ']', '{', '}']) {
        return Err(fields.error(key, "contains a bracket or brace; remove it"));
    }
    let text = text.trim_end_matches(['.', '!', '?', ',', ';', ':', ' ']);
    if !text.chars().any(char::is_alphanumeric) {
        return Err(fields.error(key, "has no letter or digit; fill it or leave it out"));
    }
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn number(fields: &mut Fields<'_>, key: &'static str) -> Result<Option<String>, CardsError> {
    let Some(text) = fields.text(key, 24)? else {
        return Ok(None);
    };
    let allowed = |it: char| it.is_ascii_digit() || " +-()*#".contains(it);
    if !text.chars().all(allowed) || !text.contains(|it: char| it.is_ascii_digit()) {
        let problem = "is not a number to dial; digits, blanks and + - ( ) * # are allowed";
        return Err(fields.error(key, problem));
    }
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assembly_points_are_said_so_that_they_are_right_for_everyone() {
        let point = |zone: Option<&str>, place: &str| AssemblyPoint {
            zone: zone.map(str::to_owned),
            place: place.to_owned(),
        };
        let lawn = point(Some("Hall 2"), "the lawn");
        let park = point(Some("the office"), "car park B");
        let gate = point(None, "the main gate");

        for (points, spoken) in [
            (vec![], None),
            (vec![gate.clone()], Some("the main gate")),
            (vec![lawn.clone()], Some("the lawn if you are at Hall 2")),
            (
                vec![gate.clone(), lawn.clone()],
                Some("the lawn if you are at Hall 2, or the main gate if you are anywhere else"),
            ),
            (
                vec![lawn.clone(), park, gate],
                Some(
                    "the lawn if you are at Hall 2, car park B if you are at the office, or the \
                     main gate if you are anywhere else",
                ),
            ),
            (vec![lawn; 5], Some("the assembly point for your area")),
        ] {
            assert_eq!(spoken_assembly(&points).as_deref(), spoken);
        }
    }
}
