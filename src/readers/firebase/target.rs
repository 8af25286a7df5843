//! Where the database is: the service itself, or the emulator.

use url::{Host, Url};

#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("FIREBASE_DATABASE_URL must begin with https:// (http only for this machine), not {0}")]
    NotHttps(String),
    #[error("FIREBASE_DATABASE_URL names no host")]
    NoHost,
    #[error("FIREBASE_DATABASE_URL must name the whole database, without a path and a user")]
    NotWhole,
    #[error("FIREBASE_DATABASE_EMULATOR_HOST must be host:port without a scheme, not {0}")]
    NotHostPort(String),
}

/// Address of one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    base: Url,
    namespace: Option<String>,
    is_emulator: bool,
}

impl Target {
    /// The database at `FIREBASE_DATABASE_URL`; the token never leaves over plain http.
    pub fn database(url: &Url) -> Result<Self, TargetError> {
        if url.host().is_none() {
            return Err(TargetError::NoHost);
        }
        if !may_carry_secrets(url) {
            return Err(TargetError::NotHttps(url.origin().ascii_serialization()));
        }
        if url.path() != "/" || !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::NotWhole);
        }
        Ok(Self { base: url.clone(), namespace: query_value(url, "ns"), is_emulator: false })
    }

    /// The emulator at `FIREBASE_DATABASE_EMULATOR_HOST`, in place of the database at `url`.
    ///
    /// The namespace is `ns` of the URL or the first label of its host, as in the official clients.
    pub fn emulator(host_port: &str, url: Option<&Url>) -> Result<Self, TargetError> {
        let wrong = || TargetError::NotHostPort(host_port.to_owned());
        let has_only_host_and_port = !host_port.contains(['/', '?', '#', '@']);
        let base = Url::parse(&format!("http://{host_port}/")).map_err(|_| wrong())?;
        if !has_only_host_and_port || base.host().is_none() {
            return Err(wrong());
        }
        let first_label = |url: &Url| Some(url.host_str()?.split('.').next()?.to_owned());
        let namespace = url
            .and_then(|it| query_value(it, "ns").or_else(|| first_label(it)))
            .unwrap_or_else(|| "aurora".to_owned());
        Ok(Self { base, namespace: Some(namespace), is_emulator: true })
    }

    /// Whether it takes `Bearer owner` and no other credentials.
    pub fn is_emulator(&self) -> bool {
        self.is_emulator
    }

    /// Whether it is on this machine, so that a proxy has no business in between.
    pub fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    /// The node at `path`: escaped keys parted by `/`; nothing for the root.
    pub(super) fn url(&self, path: &str, query: &[(&str, &str)]) -> Url {
        let mut url = self.base.clone();
        url.set_path("/");
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear();
            match path.rsplit_once('/') {
                Some((above, last)) => segments.extend(above.split('/')).push(&json(last)),
                None => segments.push(&json(path)),
            };
        }
        url.set_query(None);
        if !query.is_empty() || self.namespace.is_some() {
            let namespace = self.namespace.as_deref().map(|it| ("ns", it));
            url.query_pairs_mut().extend_pairs(query.iter().copied().chain(namespace));
        }
        url.set_fragment(None);
        url
    }

    /// Names the database among all: another name is another database.
    pub(super) fn name(&self) -> String {
        let origin = self.base.origin().ascii_serialization();
        match &self.namespace {
            Some(namespace) => format!("{origin}/?ns={namespace}"),
            None => origin,
        }
    }

    /// Whether a redirect from this database to `url` may be given the token.
    pub(super) fn trusts(&self, url: &Url) -> bool {
        let same_host = url.host_str() == self.base.host_str();
        let googles = url.host_str().is_some_and(|host| {
            host.ends_with(".firebaseio.com") || host.ends_with(".firebasedatabase.app")
        });
        let no_weaker = url.scheme() == "https" || url.scheme() == self.base.scheme();
        no_weaker && (same_host || googles || (self.is_local() && is_loopback(url)))
    }
}

/// https, or plain http that does not leave this machine.
pub(super) fn may_carry_secrets(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn json(key: &str) -> String {
    format!("{key}.json")
}

fn query_value(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs.find(|(key, _)| key == name).map(|it| it.1.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    #[test]
    fn the_root_is_written_silently() {
        let target =
            Target::database(&url("https://site-default-rtdb.europe-west1.firebasedatabase.app"));

        let root = target.expect("a database").url("", &[("print", "silent")]);

        let expected =
            "https://site-default-rtdb.europe-west1.firebasedatabase.app/.json?print=silent";
        assert_eq!(root.as_str(), expected);
    }

    #[test]
    fn the_emulator_keeps_databases_apart_by_namespace() {
        let database = url("https://site-default-rtdb.firebaseio.com/");

        let named = Target::emulator("127.0.0.1:9000", Some(&database)).expect("an emulator");
        let unnamed = Target::emulator("localhost:9000", None).expect("an emulator");

        let expected = "http://127.0.0.1:9000/.json?print=silent&ns=site-default-rtdb";
        assert_eq!(named.url("", &[("print", "silent")]).as_str(), expected);
        assert!(unnamed.url("", &[]).as_str().ends_with("ns=aurora"));
        assert_ne!(named.name(), unnamed.name());
    }

    #[test]
    fn an_escaped_key_stays_one_key() {
        let target = Target::database(&url("https://site.firebaseio.com")).expect("a database");

        let node = target.url("active_calls/a%2Fb/x y", &[("orderBy", "\"$key\"")]);

        let expected =
            "https://site.firebaseio.com/active_calls/a%252Fb/x%20y.json?orderBy=%22%24key%22";
        assert_eq!(node.as_str(), expected);
    }

    #[test]
    fn a_wrong_address_is_refused() {
        for host in ["http://127.0.0.1:9000", "127.0.0.1:9000/x", "", "a:b:c", "me@host:1"] {
            assert!(Target::emulator(host, None).is_err(), "{host}");
        }
        assert!(Target::database(&url("http://site.firebaseio.com")).is_err());
        assert!(Target::database(&url("https://site.firebaseio.com/calls")).is_err());
        assert!(Target::database(&url("https://me:secret@site.firebaseio.com")).is_err());
        assert!(Target::database(&url("data:x")).is_err());
        assert!(Target::database(&url("http://127.0.0.1:9000")).is_ok());
    }

    #[test]
    fn a_redirect_gets_the_token_only_within_the_service() {
        let target = Target::database(&url("https://site.firebaseio.com")).expect("a database");

        assert!(target.trusts(&url("https://s-usc1c-nss-200.firebaseio.com/.json")));
        assert!(!target.trusts(&url("http://site.firebaseio.com/.json")));
        assert!(!target.trusts(&url("https://firebaseio.com.example.org/.json")));
        assert!(!target.trusts(&url("https://127.0.0.1/.json")));
    }
}
