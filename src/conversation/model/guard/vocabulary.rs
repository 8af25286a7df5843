//! The words by which the guard knows numbers, places and persons. More words make it stricter.
//!
//! Lists are words with spaces between, in lower case.

/// Words that end with a full stop inside a sentence.
pub const ABBREVIATIONS: &str =
    "dr mr mrs ms mme mlle prof sr sra hr fr st no nr ext bldg rm sgt capt lt";

/// Kinds of places, each in all its spellings and languages: a site's "Building 4" may be spoken
/// of as "Gebäude 4".
pub const PLACES: &[&str] = &[
    "zone zones zona zonas zonen",
    "building buildings bldg bldgs gebäude edificio edificios bâtiment batiment bâtiments \
     prédio gebouw house haus",
    "block blocks bloque bloc bloco",
    "extension extensions ext extn durchwahl nebenstelle extensión anexo poste interno ramal \
     toestel",
    "room rooms rm raum räume zimmer sala salas salle habitación habitacion cuarto chambre \
     stanza kamer office offices suite ward lab laboratory",
    "gate gates tor tore portón porton portail cancello poort",
    "door doors tür türen puerta puertas porte porta deur",
    "exit exits ausgang notausgang salida sortie uscita saída uitgang entrance entrances \
     entry eingang entrada entrée ingresso ingang",
    "floor floors level levels storey etage stock stockwerk ebene geschoss piso planta nivel \
     étage niveau piano andar verdieping",
    "sector sectors sektor secteur settore setor",
    "area areas bereich área district",
    "section sections abschnitt sección sezione seção",
    "bay bays dock docks ramp rampe pier platform platforms gleis",
    "hall halls halle hallen nave hangar warehouse warehouses lager",
    "unit units apartment flat wohnung",
    "line lines linie línea linea ligne",
    "tank tanks silo silos vessel vessels reactor reactors boiler kessel tanque",
    "valve valves ventil válvula valvola vanne",
    "pump pumps pumpe compressor machine crane robot",
    "station stations point points sammelplatz sammelpunkt shelter shelters",
    "stair stairs staircase stairway stairwell treppe treppenhaus escalera escalier scala \
     elevator elevators lift lifts aufzug",
    "wing wings tower towers flügel turm torre",
    "aisle aisles lane lanes corridor corridors hallway gang flur",
    "shaft shafts tunnel tunnels schacht pit trench",
    "plant plants site sites yard werk campus",
    "channel channels kanal canal frequency",
    "panel panels cabinet cabinets hydrant hydrants breaker breakers",
    "street road avenue straße strasse calle rue straat",
];

/// Words between the kind and what it is called.
pub const NUMBER_SIGNS: &str = "number no nr num nummer numero número numéro called minus";

/// Words that call a place by themselves, in small letters too.
pub const CALLS: &str = "alpha bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike \
     november oscar papa quebec romeo sierra tango uniform victor whiskey xray yankee zulu \
     beta gamma epsilon omega sigma red blue green yellow orange purple black white brown \
     pink north south east west northeast northwest southeast southwest northern southern \
     eastern western ii iii iv vi vii viii ix xi xii";

/// Words with a capital that call nothing by themselves.
pub const COMMON: &str = "i i'm i'll i've i'd a an the this that your you is it are please ok okay aed cpr ppe \
     aurora sie ihr ihnen ihre ihrem ihren emergency assembly muster meeting evacuation fire \
     first aid security police ambulance medical medic services service control reception \
     help safety dispatch department brigade rescue team center centre poison hospital \
     maintenance facilities operations management supervisor manager warden marshal officer \
     responder responders operator which what where nearest next any every each no leave exit \
     main safe english german spanish french italian portuguese polish turkish arabic god \
     monday tuesday wednesday thursday friday saturday sunday";

/// Words after which the name of a person follows.
pub const TITLES: &str = "dr mr mrs ms miss mister mx prof professor doctor sir nurse officer captain capt \
     sergeant sgt lieutenant lt chief inspector foreman supervisor manager engineer operator \
     warden marshal medic paramedic colleague herr herrn frau señor señora sr sra monsieur \
     madame mme mlle signor signora senhor senhora meneer mevrouw pan pani";

/// Words, of which the last stands right before a name.
pub const CUES: &[&str] = &[
    "ask for",
    "asking for",
    "look for",
    "speak to",
    "speak with",
    "talk to",
    "talk with",
    "report to",
    "contact",
    "call",
    "phone",
    "notify",
    "inform",
    "find",
    "meet",
    "tell",
    "named",
    "called",
    "name is",
    "name's",
    "this is",
    "i am",
    "i'm",
];

/// Units after which a number is a distance or a time, not the name of a place.
pub const UNITS: &str = "meters metres meter metre feet yards steps minutes seconds m km percent";

/// Formulas, which look like codes.
pub const FORMULAS: &str = "co2 o2 h2s h2o n2 nh3 cl2 so2 no2 n2o ch4 h2";

/// The number that a word says.
pub fn value(word: &str) -> Option<u32> {
    const SMALL: &str = "zero one two three four five six seven eight nine ten eleven twelve thirteen \
         fourteen fifteen sixteen seventeen eighteen nineteen";
    const TENS: &str = "twenty thirty forty fifty sixty seventy eighty ninety";
    place(SMALL, word).or_else(|| Some((place(TENS, word)? + 2) * 10))
}

/// The number of an ordinal in words, as floors have them.
pub fn ordinal(word: &str) -> Option<u32> {
    const ORDINALS: &str = "first second third fourth fifth sixth seventh eighth ninth tenth";
    Some(place(ORDINALS, word)? + 1)
}

/// Whether a word is in a list.
pub fn has(list: &str, word: &str) -> bool {
    place(list, word).is_some()
}

fn place(list: &str, word: &str) -> Option<u32> {
    let at = list.split_ascii_whitespace().position(|it| it == word)?;
    u32::try_from(at).ok()
}
