//! Vectors computed with the Python package `twilio` 9.13.0 (`RequestValidator`), and forgeries.

use super::*;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const AC0: &str = "AC00000000000000000000000000000000";
const CA1: &str = "CA00000000000000000000000000000001";
const SIGNED_JSON: &str = "https://voice.example.com/twilio/json?bodySHA256=\
    6ce0f39f36067734ad4af4e7612d1680415abab8a8d83f51be9ab78d513266af";
const JSON: &str =
    r#"{"event":"call.completed","callSid":"CA00000000000000000000000000000001","note":"café"}"#;

fn pairs<'a>(params: &[(&'a str, &'a str)]) -> Vec<Pair<'a>> {
    params.iter().map(|&(name, value)| (Cow::Borrowed(name), Cow::Borrowed(value))).collect()
}

fn ok(token: &str, url: &str, params: &[(&str, &str)], header: &str) -> bool {
    verify(&[token], url, &pairs(params), header)
}

const V1: &[(&str, &str)] = &[
    ("AccountSid", AC0),
    ("ApiVersion", "2010-04-01"),
    ("CallSid", CA1),
    ("CallStatus", "ringing"),
    ("Called", "+15005550006"),
    ("Caller", "+15005550001"),
    ("Direction", "inbound"),
    ("From", "+15005550001"),
    ("To", "+15005550006"),
];

const V2: &[(&str, &str)] = &[
    ("AccountSid", AC0),
    ("CallSid", CA1),
    ("CallStatus", "in-progress"),
    ("Confidence", "0.9128386"),
    ("From", "+15005550001"),
    ("Language", "en-US"),
    ("SpeechResult", "Hello, my café order is late & wrong = 50%"),
    ("To", "+15005550006"),
];
const V2_URL: &str = "https://voice.example.com/twilio/gather?turn=3&lang=en-US";

const DUPLICATES: &[(&str, &str)] = &[
    ("Sid", "CA123"),
    ("SidAccount", "AC123"),
    ("Digits", "5678"),
    ("Digits", "1234"),
    ("Digits", "1234"),
];

#[test]
fn the_first_request_of_a_call_is_verified() {
    let url = "https://voice.example.com/twilio/voice";

    assert!(ok(TOKEN, url, V1, "L75wOLRKQQW+HZ6cTdoM3D19N/Q="));
}

#[test]
fn both_spellings_of_the_port_are_verified() {
    let plain = "https://voice.example.com/twilio/voice";
    let port = "https://voice.example.com:443/twilio/voice";

    for url in [plain, port] {
        assert!(ok(TOKEN, url, V1, "L75wOLRKQQW+HZ6cTdoM3D19N/Q="), "{url}");
        assert!(ok(TOKEN, url, V1, "17tvVKfn8/yG/SER95mVtSfJa6c="), "{url}");
    }
    let other = "http://voice.example.com:8080/twilio/voice";
    assert!(ok(TOKEN, other, V1, "bW3g6kN37WYaXIfI9l+tup00JsQ="));
}

#[test]
fn what_a_caller_said_is_signed_as_decoded() {
    let without = |name: &str| -> Vec<(&str, &str)> {
        V2.iter().copied().filter(|it| it.0 != name).collect()
    };
    let mut silent = without("Confidence");
    for it in silent.iter_mut().filter(|it| it.0 == "SpeechResult") {
        it.1 = "";
    }

    assert!(ok(TOKEN, V2_URL, V2, "onrzIRwBYoFkRk8C7XvB+bVDG0E="));
    let no_language = without("Language");
    assert!(ok(TOKEN, V2_URL, &no_language, "19N+PaIPuEMW/5tW8WFSa1BF/zA="));
    assert!(ok(TOKEN, V2_URL, &silent, "Py+DklVPziP1/yPdoyRCka+VBlk="));
}

#[test]
fn a_repeated_parameter_is_signed_as_a_sorted_set() {
    let url = "https://voice.example.com/twilio/dup";

    assert!(ok(TOKEN, url, DUPLICATES, "ejeQ7i5IWpgtNFP+O1ovsVaR2T8="));
}

#[test]
fn a_json_body_is_verified_by_its_hash_in_the_url() {
    let header = "NRs4SILHkCUg7SOmVVL2gEIb+20=";

    assert!(verify_body(&[TOKEN], SIGNED_JSON, JSON.as_bytes(), header));
    let other = JSON.replace("completed", "cancelled");
    assert!(!verify_body(&[TOKEN], SIGNED_JSON, other.as_bytes(), header));
    let bare = "https://voice.example.com/twilio/voice";
    let signed_bare = sign(TOKEN, bare, &[]);
    assert!(!verify_body(&[TOKEN], bare, JSON.as_bytes(), &signed_bare));
}

#[test]
fn a_get_is_signed_by_its_url_alone() {
    let url = "https://voice.example.com/twilio/voice?CallSid=CA00000000000000000000000000000001\
        &From=%2B15005550001&SpeechResult=hello%20there";

    assert!(ok(TOKEN, url, &[], "dHxFn0NL0pUUituvxKUkfef3bws="));
}

#[test]
fn a_websocket_handshake_is_signed_with_and_without_its_slash() {
    let url = "wss://voice.example.com/twilio/relay";

    assert!(ok(TOKEN, url, &[], "MdUMUEIOS59511k+DUhRCLXwLfs="));
    let slash = format!("{url}/");
    assert!(ok(TOKEN, &slash, &[], "pcqmO2rM+s7TsoDl69EGFIrI9m0="));
    assert!(!ok(TOKEN, url, &[], "pcqmO2rM+s7TsoDl69EGFIrI9m0="));
}

#[test]
fn a_status_callback_is_verified() {
    let params = [
        ("AccountSid", AC0),
        ("CallDuration", "37"),
        ("CallSid", CA1),
        ("CallStatus", "completed"),
        ("CallbackSource", "call-progress-events"),
        ("SequenceNumber", "3"),
        ("Timestamp", "Tue, 14 Nov 2023 22:13:20 +0000"),
    ];
    let url = "https://voice.example.com/twilio/status";

    assert!(ok(TOKEN, url, &params, "fLeLcC1ABf3DuGOMHxkpOgc5v0U="));
}

#[test]
fn names_are_sorted_by_byte() {
    let params = [("b", "1"), ("B", "2"), ("a", "3"), ("A", "4")];
    let url = "https://voice.example.com/s";

    assert!(ok(TOKEN, url, &params, "BbnsVIxmcgPET99LRVVWZBRisQ4="));
}

#[test]
fn the_vectors_of_the_vendor_are_verified() {
    let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
    let port = "https://mycompany.com:443/myapp.php?foo=1&bar=2";
    let call = |number| {
        [
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", number),
            ("Digits", "1234"),
            ("From", number),
            ("To", "+18005551212"),
        ]
    };

    let example = "https://example.com/myapp.php?foo=1&bar=2";
    let params = call("+14158675310");
    assert!(ok("12345", example, &params, "L/OH5YylLD5NRKLltdqwSvS0BnU="));
    let params = call("+14158675309");
    assert!(ok("12345", url, &params, "RSOYDt4T1cUTdK1PDd93/VVr8B8="));
    assert!(ok("12345", port, &params, "kvajT1Ptam85bY51eRf/AJRuM3w="));
    assert!(ok("12345", url, DUPLICATES, "IK+Dwps556ElfBT0I3Rgjkr1wJU="));

    let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
    let url = format!("{url}&bodySHA256={hash}");
    let body = br#"{"property": "value", "boolean": true}"#;
    assert!(verify_body(&["12345"], &url, body, "a9nBmqA0ju/hNViExpshrM61xv4="));
}

#[test]
fn the_fragment_with_overrides_is_not_signed() {
    let url = "https://voice.example.com/twilio/voice#rc=2&rp=ct,5xx";

    assert!(ok(TOKEN, url, V1, "L75wOLRKQQW+HZ6cTdoM3D19N/Q="));
}

#[test]
fn either_of_two_tokens_verifies_while_one_is_exchanged() {
    let url = "https://voice.example.com/twilio/voice";
    let header = "L75wOLRKQQW+HZ6cTdoM3D19N/Q=";

    assert!(verify(&["new", TOKEN], url, &pairs(V1), header));
    assert!(verify(&[TOKEN, "new"], url, &pairs(V1), header));
    assert!(!verify(&["new"], url, &pairs(V1), header));
}

#[test]
fn a_forgery_is_refused() {
    let url = "https://voice.example.com/twilio/voice";
    let header = "L75wOLRKQQW+HZ6cTdoM3D19N/Q=";
    let mut changed = V1.to_vec();
    changed[7].1 = "+15005550009";
    let mut added = V1.to_vec();
    added.push(("SpeechResult", "false alarm"));

    assert!(!ok(TOKEN, url, &changed, header));
    assert!(!ok(TOKEN, url, &added, header));
    assert!(!ok(TOKEN, url, &V1[1..], header));
    assert!(!ok(TOKEN, "https://voice.example.com/twilio/voice/", V1, header));
    assert!(!ok(TOKEN, "https://other.example.com/twilio/voice", V1, header));
    assert!(!ok(TOKEN, "http://voice.example.com/twilio/voice", V1, header));
    for forged in ["", "=", "L75wOLRKQQW+HZ6cTdoM3D19N/Q", "L75wOLRKQQW+HZ6cTdoM3D19N/R="] {
        assert!(!ok(TOKEN, url, V1, forged), "{forged}");
    }
}

#[test]
fn without_a_token_nothing_is_verified() {
    let url = "https://voice.example.com/s";
    let header = sign("", url, &[]);

    assert!(!verify(&[], url, &[], &header));
    assert!(!verify(&[""], url, &[], &header));
}

#[test]
fn odd_addresses_are_refused_without_a_panic() {
    for url in ["", "://", "https://", "https://[::1]:443/x", "https://[::1]/x", "é://é:é/é?é#é"]
    {
        assert!(!ok(TOKEN, url, &[], "L75wOLRKQQW+HZ6cTdoM3D19N/Q="), "{url}");
    }
    assert_eq!(without_port("https://[::1]:443/x"), "https://[::1]/x");
    assert_eq!(without_port("https://[::1]/x"), "https://[::1]/x");
    assert_eq!(without_port("https://h/x:80"), "https://h/x:80");
}
