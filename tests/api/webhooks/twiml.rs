//! A phone provider's eyes: reads a TwiML document as its XML reader does.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use crate::harness::{Got, TestApp};

#[derive(Debug)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
}

/// A well-formed document whose root is `<Response>`.
#[derive(Debug)]
pub struct Twiml(Vec<Element>);

impl Twiml {
    /// # Panics
    /// If a provider would not take it.
    pub fn read(got: &Got) -> Self {
        assert_eq!((got.status, got.header("content-type")), (200, "text/xml"), "{}", got.text());
        let mut reader = Reader::from_str(got.text());
        reader.config_mut().check_end_names = true;
        let mut elements: Vec<Element> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        loop {
            match reader.read_event().expect("the document is well-formed") {
                Event::Start(it) => {
                    open.push(elements.len());
                    elements.push(element(&it));
                }
                Event::Empty(it) => elements.push(element(&it)),
                Event::End(_) => drop(open.pop()),
                Event::Text(it) => elements[*open.last().unwrap()].text.push_str(&it),
                Event::GeneralRef(it) => {
                    let text = resolve_predefined_entity(&it).expect("only predefined entities");
                    elements[*open.last().unwrap()].text.push_str(text);
                }
                Event::Eof => break,
                Event::Decl(_) => {}
                other => panic!("no provider sends {other:?}"),
            }
        }
        assert!(open.is_empty() && elements[0].name == "Response");
        Self(elements)
    }

    /// Everything that is spoken.
    pub fn says(&self) -> String {
        let spoken = self.0.iter().filter(|it| it.name == "Say");
        spoken.map(|it| it.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// The attributes of `<Gather>`, if it listens.
    pub fn gather(&self) -> Option<&BTreeMap<String, String>> {
        self.0.iter().find(|it| it.name == "Gather").map(|it| &it.attributes)
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|it| it.name == name)
    }

    pub fn text_of(&self, name: &str) -> &str {
        self.0.iter().find(|it| it.name == name).map_or("", |it| it.text.as_str())
    }
}

fn element(it: &BytesStart<'_>) -> Element {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let attributes = it.attributes().map(|it| {
        let it = it.expect("attributes are well-formed");
        (text(it.key.as_ref().as_ref()), text(it.value.as_ref().as_ref()))
    });
    Element {
        name: text(it.name().as_ref().as_ref()),
        attributes: attributes.collect(),
        text: String::new(),
    }
}

/// A webhook of a provider whose caller listens.
pub async fn phone(app: &TestApp, path: &str, form: &[(&str, &str)]) -> Twiml {
    Twiml::read(&app.post_form(path, form, &[]).await)
}
