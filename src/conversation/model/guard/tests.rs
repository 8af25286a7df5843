//! What may be spoken on a site with these facts, and what may not.

use super::Known;

const SITE: &str = "\
Emergency services: 112 / 911. Site security: +1 555-010-0142, extension 4410.
Buildings: A, B, and C. Zone 3 is the tank farm; Zone Alpha is the yard.
Assembly points: 1 (East Gate), 2 (north car park). Room B-12 holds the AED.
The clinic is on the 2nd floor. First aid: Dr. Maria Ito, Mr. Okafor.
Isolation valve 7, also called V-7A.";

fn check(text: &str) -> Result<(), &'static str> {
    known(&[]).check(text, Some("en"))
}

fn known(caller: &[&str]) -> Known {
    let mut known = Known::default();
    known.add_site(SITE);
    caller.iter().for_each(|it| known.add_caller(it));
    known
}

#[track_caller]
fn all_pass(texts: &[&str]) {
    for text in texts {
        assert_eq!(check(text), Ok(()), "{text}");
    }
}

#[track_caller]
fn all_held(texts: &[&str], what: &str) {
    for text in texts {
        let found = check(text).expect_err(text);
        assert!(found.contains(what), "{text}: {found}");
    }
}

#[test]
fn ordinary_advice_passes() {
    all_pass(&[
        "Where are you right now?",
        "Leave the building now. Is anybody hurt?",
        "Stay low, close the doors behind you and go out one by one.",
        "Press hard on the wound for 10 minutes. I am with you.",
        "Push down 30 times, then give 2 breaths.",
        "Which building or zone are you in? Which floor?",
        "Go to the nearest exit. Is the door warm?",
        "Move at least 20 meters away from the tank. Do not use the lift.",
        "Leave the room. Call Emergency Services. The Fire Department needs your place.",
        "If you smell CO2 or H2S, leave the area at once. Use an AED if there is one.",
        "Tell me the room number. OK, I understand.",
        "Are you all right, sir? Stay on the line, one moment. Go out one by one.",
        "Go to Assembly Point 2. Wait at point 1, East Gate.",
        "Bleiben Sie ruhig und verlassen Sie das Gebäude. Ist Rauch im Raum?",
        "Mantenga la calma. ¿En qué edificio está?",
        "请保持冷静，离开大楼。",
    ]);
}

#[test]
fn what_the_site_names_passes_in_any_spelling() {
    all_pass(&[
        "Call 112 now.",
        "Call nine one one. 2 people should stay with you.",
        "Security is at 555 010 0142, or +1 (555) 010-0142.",
        "Call extension 4410, that is ext. 4410.",
        "Leave Building B and go to Zone 3.",
        "Are you in buildings A or C?",
        "Go to the assembly point 1, at the East Gate.",
        "Go to the east gate. The AED is in room B12.",
        "Is zone alpha clear? The clinic is on the second floor, on floor 2.",
        "Ask for Dr. Maria Ito or Dr. Ito. Mr. Okafor can help.",
        "Verlassen Sie Gebäude B und Zone 3.",
        "Close valve seven. It is V-7A.",
    ]);
}

#[test]
fn an_unknown_number_is_held_back_however_it_is_written() {
    all_held(
        &[
            "Call 999.",
            "Call 555-010-0143.",
            "Call 010 0142 1.",
            "Call 5 5 5 0 1 9 9.",
            "Call 5, 5, 5, 0, 1, 9, 9.",
            "Call 55. 50. 19. 9.",
            "Call nine nine nine.",
            "Call nine-nine-nine.",
            "Call nine and nine and nine.",
            "Dial double nine nine.",
            "Call ９９９.",
            "Call ٩٩٩.",
            "The code is 48213.",
            "Security is at 1142.",
        ],
        "number",
    );
}

#[test]
fn part_of_a_known_number_is_not_known() {
    all_held(&["Call 555.", "Call 0142.", "Call 4410 112."], "number");
}

#[test]
fn an_unknown_place_is_held_back() {
    all_held(
        &[
            "Go to zone 4.",
            "Leave Building D.",
            "Leave building number 9.",
            "Go to zone four.",
            "Zones 3 and 5 are closed.",
            "Are you in buildings A, B or F?",
            "Go to room 12.",
            "Go to the west gate.",
            "The West Gate is open.",
            "West Gate is open.",
            "Go to the Mercury building.",
            "Go to Hall Edison.",
            "It is on the 3rd floor.",
            "It is on the third floor.",
            "Go to zone bravo.",
            "Go to the red zone.",
            "Gehen Sie zu Tor 9.",
            "Vaya al edificio 9.",
            "Take stairwell K.",
            "Use B7.",
            "Go to 4C now.",
            "Call ext. 12.",
            "Room: 14.",
            "Building, D.",
            "Zone (4), or zone - 5.",
            "Zone iv.",
            "Go to level minus four.",
            "Close valve 8.",
        ],
        "place",
    );
}

#[test]
fn a_name_of_one_kind_of_place_is_no_name_of_another() {
    all_held(&["Go to gate 3.", "Go to room A.", "Go to Zone B."], "place");
}

#[test]
fn an_unknown_person_is_held_back() {
    all_held(
        &[
            "Ask for Dr. Smith.",
            "Dr. Smith is coming.",
            "Wait for Mr. Jones.",
            "Dr Peter Ito will help.",
            "Tell nurse Sandra that you are here.",
            "Call Anderson for help.",
            "My name is Julia.",
            "Wait there for Peter Miller, please.",
            "Fragen Sie Herrn Müller.",
        ],
        "person",
    );
}

#[test]
fn addresses_are_held_back() {
    all_held(
        &[
            "See https://help.example/x for help.",
            "Go to www.help.me now.",
            "Write to help@site.org.",
            "Look at firehelp.com.",
            "Look at firehelp dot com.",
        ],
        "address",
    );
    assert_eq!(check("Leave now.Go out."), Ok(()));
}

#[test]
fn what_the_caller_said_may_be_said_back() {
    let known = known(&[
        "i am in building nine with doctor smith and my number is five five five one two three four",
        "B 7",
        "it's seventeen",
        "there are 40 people in zone 8",
    ]);
    for text in [
        "Stay in Building 9. Is Dr. Smith hurt?",
        "Is your number 555 1234?",
        "Is zone 8 empty now?",
        "Are you still in room 17?",
        "Leave room B.",
    ] {
        assert_eq!(known.check(text, None), Ok(()), "{text}");
    }
    for text in ["Go to zone 40.", "Go to zone 9.", "Ask Dr. Smithson.", "Call 5551235."] {
        assert!(known.check(text, None).is_err(), "{text}");
    }
}

#[test]
fn the_items_of_a_list_are_what_its_heading_says() {
    let mut known = Known::default();
    known.add_site("# Zones\n- 3: tank farm\n- Gamma\nGates:\n* 7\nPumps are old.\n- 9");

    assert_eq!(known.check("Go from zone 3 to zone gamma and gate 7.", None), Ok(()));
    assert!(known.check("Go to gate 3.", None).is_err());
    assert!(known.check("Go to pump 9.", None).is_err());
}

#[test]
fn without_facts_everything_named_is_held_back() {
    let known = Known::default();
    for text in ["Call 911.", "Go to Gate 1.", "Ask for Dr. Ito."] {
        assert!(known.check(text, None).is_err(), "{text}");
    }
    assert_eq!(known.check("Leave the building.", None), Ok(()));
}
