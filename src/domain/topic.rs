//! What a caller's words are about: the word that triage and the offline cards share.

use serde::{Deserialize, Serialize};

/// The kind of trouble that triage heard. A card names the topics that it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Fire, smoke, explosion.
    Fire,
    /// Gas leak or smell of gas, carbon monoxide.
    Gas,
    /// Chemical spill, splash, fumes, poisoning.
    Chemical,
    /// Wounds, bleeding, burns, broken bones, amputation, crushed limbs.
    Injury,
    /// Somebody is unconscious, not breathing, choking, drowning or without a pulse.
    Unconscious,
    /// Chest pain, stroke, seizure, allergic shock, heat stroke, labour: sudden illness.
    Medical,
    /// Electric shock, live wires, arc flash.
    Electrical,
    /// Trapped, buried, stuck, fallen from a height, confined space, collapse.
    Entrapment,
    /// Weapons, attack, threat, active shooter, hostage.
    Violence,
    /// Somebody speaks of killing or harming themselves.
    SelfHarm,
    /// The place is or must be evacuated: bomb threat, flood, storm, earthquake, alarm sounding.
    Evacuation,
    /// A machine, vehicle, lift or system is broken or unsafe; nobody is hurt.
    Equipment,
}
