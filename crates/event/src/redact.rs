//! What never reaches the disk: keys, tokens and passwords are replaced before an event is stored or sent.
//!
//! A value is replaced by `[redacted:<what>]`, so that a reader sees that something stood there. Source code that only
//! speaks of passwords stays readable. False negatives remain possible; the store is encrypted besides.
//!
//! In linear time, whatever the text: one pass looks for how a match may begin, and the rules are tried there alone, on
//! a window of fixed size, which grows only for a secret that is known to be one.

mod fields;
mod likeness;
mod rules;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde_json::Value;

use rules::{REACH, RULES, Rule};

/// How every replacement begins.
const MARK: &str = "[redacted:";

/// How far a rule looks from where its match begins, in bytes.
const WINDOW_BYTES: usize = 1024;

/// A window that ends inside of a secret grows by this factor.
const WINDOW_GROWTH: usize = 8;

/// Shorter texts hold no secret.
const TEXT_BYTES_MIN: usize = 8;

/// In a shorter text, to look for where a match may begin is as fast as to look whether it is worth it.
const SUSPECT_BYTES_MIN: usize = 512;

/// The shortest key of an object that can be a credential itself, in bytes.
const KEY_BYTES_MIN: usize = 16;

/// All rules, ready to search.
///
/// Over bytes, which is faster: what surrounds a secret is ASCII, so that no match ends inside of a character.
struct Search {
    /// What no text with a secret is without. Most texts are.
    suspects: Vec<Regex>,
    /// How a match of any rule begins.
    near: Regex,
    /// Which rules fit where one begins.
    fitting: RegexSet,
    /// The same one by one; the secret is the group of the name.
    rules: Vec<(&'static Rule, Regex)>,
}

static SEARCH: LazyLock<Option<Search>> = LazyLock::new(Search::new);

impl Search {
    fn new() -> Option<Search> {
        let rules = || RULES.iter().flat_map(|rules| rules.iter());
        let near: Vec<String> = rules().map(|rule| rules::whole(rule.near)).collect();
        let expressions: Vec<String> = rules()
            .map(|rule| rules::whole(&format!(r"\A{}{}(?P<secret>{})", rule.left, rule.before, rule.secret)))
            .collect();
        let compiled = rules()
            .zip(&expressions)
            .map(|(rule, expression)| Some((rule, RegexBuilder::new(expression).unicode(false).build().ok()?)));
        let suspects = rules::SUSPECTS.iter().map(|list| RegexBuilder::new(list).unicode(false).build().ok());
        Some(Search {
            suspects: suspects.collect::<Option<_>>()?,
            near: RegexBuilder::new(&near.join("|")).unicode(false).build().ok()?,
            fitting: RegexSetBuilder::new(&expressions).unicode(false).build().ok()?,
            rules: compiled.collect::<Option<_>>()?,
        })
    }

    fn is_suspect(&self, text: &str) -> bool {
        if text.len() < SUSPECT_BYTES_MIN {
            return true;
        }
        let lower = text.to_ascii_lowercase();
        self.suspects.iter().any(|suspects| suspects.is_match(lower.as_bytes()))
    }

    /// The rule that fits a match which begins at `at`, and where its secret stands.
    fn secret_at(&self, text: &str, at: usize) -> Option<(&'static Rule, Range<usize>)> {
        let window = Window::new(text, at, WINDOW_BYTES);
        if !self.fitting.is_match(&window.bytes) {
            return None;
        }
        self.fitting.matches(&window.bytes).into_iter().find_map(|number| {
            let (rule, expression) = self.rules.get(number)?;
            let secret = window.secret(rule, expression)?;
            let kept = rule.kept(text, &secret)?;
            if !rule.is.holds(text, kept.start, kept.end) {
                return None;
            }
            let (mut bytes, mut secret, mut end) = (WINDOW_BYTES, secret, window.end);
            while secret.end == end && end < text.len() {
                bytes *= WINDOW_GROWTH;
                let wider = Window::new(text, at, bytes);
                end = wider.end;
                secret = wider.secret(rule, expression)?;
            }
            Some((*rule, rule.kept(text, &secret)?))
        })
    }
}

/// A part of a text in which a match begins at the second byte.
struct Window<'a> {
    bytes: Cow<'a, [u8]>,
    /// Where the first byte stands, or would.
    start: Option<usize>,
    end: usize,
}

impl<'a> Window<'a> {
    fn new(text: &'a str, at: usize, bytes: usize) -> Window<'a> {
        let mut end = text.len().min(at.saturating_add(bytes));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let start = at.checked_sub(1);
        let bytes = match start {
            Some(start) => Cow::Borrowed(&text.as_bytes()[start..end]),
            // A text begins like a line.
            None => Cow::Owned([b"\n", &text.as_bytes()[..end]].concat()),
        };
        Window { bytes, start, end }
    }

    fn secret(&self, rule: &Rule, expression: &Regex) -> Option<Range<usize>> {
        let found = if rule.before.is_empty() {
            // Without groups, which takes a fraction of the time.
            1..expression.find(&self.bytes)?.end()
        } else {
            expression.captures(&self.bytes)?.name("secret")?.range()
        };
        let place = |at: usize| self.start.map_or(at.wrapping_sub(1), |start| start + at);
        Some(place(found.start)..place(found.end))
    }
}

impl Rule {
    /// The secret without what belongs to what follows: the backslash before an escaped quote, the @ of a URL.
    fn kept(&self, text: &str, secret: &Range<usize>) -> Option<Range<usize>> {
        let end = if self.name == "password-in-url" { '@' } else { '\\' };
        let kept = text.get(secret.clone())?.trim_end_matches(end);
        Some(secret.start..secret.start + kept.len())
    }
}

/// Replaces credentials in every string of `value`, object keys included. Returns whether anything was replaced.
pub fn value(value: &mut Value) -> bool {
    fields::value(value) | texts_in(value)
}

fn texts_in(value: &mut Value) -> bool {
    match value {
        Value::String(text) => match self::text(text) {
            Cow::Owned(redacted) => {
                *text = redacted;
                true
            }
            Cow::Borrowed(_) => false,
        },
        Value::Array(items) => items.iter_mut().fold(false, |any, item| texts_in(item) | any),
        Value::Object(fields) => {
            let mut any = fields.values_mut().fold(false, |any, field| texts_in(field) | any);
            if fields.keys().any(|key| key.len() >= KEY_BYTES_MIN && matches!(self::text(key), Cow::Owned(_))) {
                let old = std::mem::take(fields);
                fields.extend(old.into_iter().map(|(key, field)| (self::text(&key).into_owned(), field)));
                any = true;
            }
            any
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Replaces credentials in `text`.
pub fn text(text: &str) -> Cow<'_, str> {
    let Some(search) = SEARCH.as_ref().filter(|_| text.len() >= TEXT_BYTES_MIN) else { return Cow::Borrowed(text) };
    if !search.is_suspect(text) {
        return Cow::Borrowed(text);
    }
    let mut redacted = String::new();
    let (mut copied, mut from) = (0, 0);
    while let Some(near) = search.near.find_at(text.as_bytes(), from) {
        let begins =
            REACH.iter().find(|(near_by, _)| near.as_bytes() == near_by.as_bytes()).map_or(&[0][..], |(_, back)| back);
        let begins = begins.iter().filter_map(|back| near.start().checked_sub(*back)).filter(|at| *at >= copied);
        if let Some((rule, secret)) = begins.filter_map(|at| search.secret_at(text, at)).next() {
            redacted.push_str(&text[copied..secret.start]);
            redacted.push_str(MARK);
            redacted.push_str(rule.name);
            redacted.push(']');
            copied = secret.end;
            from = secret.end;
        } else {
            // Another match may begin inside of this one.
            from = near.start() + 1;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    redacted.push_str(&text[copied..]);
    Cow::Owned(redacted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written in two halves, so that no scanner takes this file for a leak.
    const SECRETS: &[[&str; 2]] = &[
        ["sk-ant-", "api03-abcdefghijklmnopqrstuvwx"],
        ["sk-proj-", "abcdefghijkl0123456789"],
        ["AKI", "AIOSFODNN7EXAMPLE"],
        ["gh", "p_abcdefghijklmnopqrstuvwxyz0123456789"],
        ["glp", "at-abcdefghijklmnopqrst"],
        ["xox", "b-1234567890-abcdefghij"],
        ["eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w"],
        ["-----BEGIN RSA PRIVATE KEY-----\n", "MIIEow\nabc\n-----END RSA PRIVATE KEY-----"],
        ["Authorization: Bearer ", "abcdefghijklmnop1234"],
        ["-H 'Authorization: Basic ", "dXNlcjpodW50ZXIy'"],
        ["postgres://app:", "hunter2hunter2@db/app"],
        ["redis://:", "hunter2hunter2@cache"],
        ["https://x.example/cb?token=", "abcdefgh12345678"],
        ["curl -u admin:", "hunter2hunter2 https://x.example"],
        ["export DB_PASSWORD=", "hunter2hunter2"],
        ["PGPASSWORD=", "hunterhunter psql"],
        ["GITHUB_TOKEN=", "abcd1234efgh"],
        ["mysql --password ", "hunter2hunter2"],
        ["mysql --password=", "hunter2hunter2"],
        ["password: ", "hunterhunter\nuser: a"],
        ["password: '", "p@ss$w0rd!'"],
        ["api_key = \"", "abcd\""],
        ["aws_secret_access_key = ", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"],
        [r#"curl -d "{\"password\":\""#, r#"hunter22\"}""#],
        [r#"{\\\"api_key\\\": \\\""#, r#"abcd1234\\\"}"#],
        ["if password == '", "hunter22' {"],
        ["\"clientSecret\" => \"", "abcd-efgh\""],
    ];

    #[test]
    fn every_known_shape_is_replaced_and_nothing_around_it() {
        assert!(SEARCH.is_some(), "every rule is an expression");
        for [head, tail] in SECRETS {
            let shape = format!("before {head}{tail} after");
            let redacted = text(&shape);
            let end = if head.contains("://") { '@' } else { ' ' };
            let secret = tail.split(['\'', '"', end, '\n', ' ', '\\']).next().unwrap();
            assert!(redacted.contains("[redacted:"), "{shape}");
            assert!(!redacted.contains(secret), "{redacted}");
            assert!(redacted.starts_with("before ") && redacted.ends_with(" after"), "{redacted}");
            assert_eq!(text(&redacted), redacted, "what is redacted stays as it is");
        }
    }

    #[test]
    fn the_quotes_around_a_secret_stay() {
        let quoted = [r#"curl -d "{\"password\":\""#, "hunter22", r#"\"}""#].concat();
        assert_eq!(text(&quoted), r#"curl -d "{\"password\":\"[redacted:secret]\"}""#);
        let url = ["postgres://app:", "hunter22", "@db/app"].concat();
        assert_eq!(text(&url), "postgres://app:[redacted:password-in-url]@db/app");
    }

    #[test]
    fn prose_and_source_code_are_left_alone() {
        for plain in [
            "cargo test --workspace",
            "the secret of good prose",
            "https://example.com/a:b and http://localhost:8080/x",
            "task-sk-1 .sk-loading-spinner-container-large { }",
            "let password = get_password();",
            "function login(name: string, password: string, token: string): Promise<void>",
            "fn check(password: &str, secret: Option<String>, api_key: Vec<u8>)",
            "const apiKey = process.env.API_KEY;",
            "self.password = config.database.password",
            "password: newPassword, secret: userInput }",
            "if (secret === expected) return;",
            "password=$DB_PASSWORD api_key=${KEY} secret: ${{ secrets.DEPLOY }}",
            "password: \"Please enter your password\", placeholder: '<your api_key>'",
            "\"password\": \"********\", \"secret\": \"string\"",
            "docker run -u 1000:1000 --user 1000:1000 image",
            "docker login --password-stdin --token-file /etc/token",
            "private_key: ./keys/dev.pem, secret: /run/secrets/db",
            "bearer authentication-scheme-of-the-server",
            "PRIMARY_KEY=created_at MAX_TOKENS=100000000",
            "password_hash = bcrypt::hash(password)",
            "pub const ERROR_INVALID_TOKEN: WIN32_ERROR = 315u32; pub trait SigningKey: PublicKeyData { }",
            "pub Authorization: WINBIO_PRESENCE_0, let psk = ClientExtensions { } SigningKey::choose_scheme",
            "authorization = base64.decodebytes(authorization)",
            "All 12 tests passed: the api_key: required field is checked",
        ] {
            assert_eq!(text(plain), plain);
        }
    }

    #[test]
    fn secrets_are_found_at_any_depth_and_by_the_name_of_their_field() {
        let mut nested = serde_json::json!({"a": [{"env": {"password": "hunter22", "X-Api-Key": "abcd"}}], "b": "x", "secret": "two words"});
        assert!(value(&mut nested));
        assert_eq!(nested["a"][0]["env"]["password"], "[redacted:secret]");
        assert_eq!(nested["a"][0]["env"]["X-Api-Key"], "[redacted:secret]");
        assert_eq!((&nested["b"], &nested["secret"]), (&"x".into(), &"two words".into()));
    }
}
