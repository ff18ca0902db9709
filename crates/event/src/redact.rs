//! What never reaches the disk: keys, tokens and passwords are replaced before an event is stored or sent.
//!
//! Rules are the published shapes of widespread credentials, and values that stand behind a telling name. A value is
//! replaced by `[redacted:<what>]`, so that a reader sees that something stood there. Source code that only speaks of
//! passwords stays readable. False negatives remain possible; the store is encrypted besides.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use regex::bytes::{self, CaptureLocations};
use serde_json::Value;

/// One shape: what stands before the secret, the secret itself, and what a match must be besides.
struct Rule {
    name: &'static str,
    before: &'static str,
    secret: &'static str,
    is: Is,
}

/// What tells a secret from a word of the same shape.
#[derive(Clone, Copy)]
enum Is {
    /// The shape alone.
    Enough,
    /// Letters and digits: `sk-` begins names of CSS classes too.
    Mixed,
    /// Anything but a number: `docker run -u 1000:1000`.
    NoNumber,
    /// No expression, type or variable of source code.
    NoCode,
    /// In quotes: no placeholder and no sentence.
    NoText,
}

const fn shape(name: &'static str, secret: &'static str) -> Rule {
    Rule { name, before: "", secret, is: Is::Enough }
}

/// Names that say that a secret follows. Any case, with or without `_` or `-`.
macro_rules! named {
    ($after:literal) => {
        concat!(r"(?i:passwo?r?d|passphrase|secret|api[_-]?key|access[_-]?key|(?:access|auth|refresh|session|bearer)[_-]?token|private[_-]?key)", $after)
    };
}

/// In the order in which they are tried where several fit.
const RULES: &[Rule] = &[
    shape("anthropic-key", r"sk-ant-[A-Za-z0-9_-]{16,}"),
    Rule { is: Is::Mixed, ..shape("api-key", r"\bsk-[A-Za-z0-9_-]{20,}") },
    shape("aws-key-id", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    shape("github-token", r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    shape("gitlab-token", r"\bglpat-[A-Za-z0-9_-]{16,}"),
    shape("slack-token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    shape("google-key", r"\bAIza[0-9A-Za-z_-]{35}"),
    Rule { is: Is::Mixed, ..shape("npm-token", r"\bnpm_[A-Za-z0-9]{30,}") },
    shape("pypi-token", r"\bpypi-AgEI[A-Za-z0-9_-]{20,}"),
    Rule { is: Is::Mixed, ..shape("huggingface-token", r"\bhf_[A-Za-z0-9]{20,}") },
    shape("stripe-key", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    shape("jwt", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    shape("private-key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)"),
    Rule {
        name: "authorization",
        before: r#"(?i:authorization)\\*["']?\s*[:=]\s*\\*["']?(?i:basic|token|apikey)\s+"#,
        secret: r"[A-Za-z0-9._~+/=-]{8,}",
        is: Is::Enough,
    },
    Rule { name: "bearer-token", before: r"(?i:bearer)\s+", secret: r"[A-Za-z0-9._~+/=-]{16,}", is: Is::Mixed },
    Rule { name: "password-in-url", before: r"://[^\s/:@]*:", secret: r"[^\s/@]{3,}@", is: Is::Enough },
    Rule {
        name: "token-in-url",
        before: r"[?&](?i:token|key|sig|signature|code)=",
        secret: r"[A-Za-z0-9._~%+/=-]{16,}",
        is: Is::Mixed,
    },
    Rule {
        name: "password",
        before: r#"\s(?:-u|--user)[\s=]["']?[A-Za-z0-9._@-]+:"#,
        secret: r#"[^\s"':]{4,}"#,
        is: Is::NoNumber,
    },
    Rule {
        name: "secret",
        before: named!(r#"\\*["']?\s*(?:=>|:=|={1,3}|:)\s*\\*["']"#),
        secret: r#"[^"'`\n]{4,}"#,
        is: Is::NoText,
    },
    Rule {
        name: "secret",
        before: named!(r#"\\*["']?\s*(?:=>|:=|={1,3}|:)\s*"#),
        secret: r#"[^\s"'`,;&(){}\[\]<>$|=]{6,}=*"#,
        is: Is::NoCode,
    },
    Rule {
        name: "secret",
        before: r"\s--(?i:password|passwd|passphrase|token|secret|api-key|auth-token)\s+",
        secret: r#"[^\s"'`$<{-][^\s"'`]{5,}"#,
        is: Is::NoCode,
    },
    Rule {
        name: "secret",
        before: r#"\b[A-Z][A-Z0-9_]*(?:TOKEN|PASS|CREDENTIALS)["']?=["']?"#,
        secret: r#"[^\s"'`,;&(){}\[\]<>$|=]{8,}=*"#,
        is: Is::NoNumber,
    },
];

/// What a text must have in any case for a rule to fit, in lower case: literals alone, which is many times faster to
/// look for than the rules. Most texts end here.
const SUSPECT: &str = r"sk-|akia|asia|gh[pousr]_|github_pat_|glpat-|xox|aiza|npm_|pypi-|hf_|k_live_|k_test_|eyj|private key|authorization|bearer|://|\?token|&token|key=|sig=|signature=|code=| -u|--user|passw|passp|pass=|pass.=|secret|api_key|api-key|apikey|access_key|access-key|accesskey|token|private_key|private-key|privatekey|credentials";

static SUSPECTS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(SUSPECT).ok());

/// All rules in one expression; the secret of rule `n` is group `n + 1`.
///
/// Over bytes, which is faster: what surrounds a secret is ASCII, so that no match ends inside of a character.
static ALL: LazyLock<Option<bytes::Regex>> = LazyLock::new(|| {
    let rules: Vec<String> = RULES.iter().map(|rule| format!("{}({})", rule.before, rule.secret)).collect();
    bytes::RegexBuilder::new(&rules.join("|")).unicode(false).build().ok()
});

/// The shortest key of an object that can be a credential itself, in bytes.
const KEY_BYTES_MIN: usize = 16;

/// Replaces credentials in every string of `value`, object keys included. Returns whether anything was replaced.
pub fn value(value: &mut Value) -> bool {
    match value {
        Value::String(text) => match self::text(text) {
            Cow::Owned(redacted) => {
                *text = redacted;
                true
            }
            Cow::Borrowed(_) => false,
        },
        Value::Array(items) => items.iter_mut().fold(false, |any, item| self::value(item) | any),
        Value::Object(fields) => {
            let mut any = false;
            for (key, field) in fields.iter_mut() {
                any |= self::value(field) | named_secret(key, field);
            }
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
    if text.len() < 8 || !SUSPECTS.as_ref().is_none_or(|suspects| suspects.is_match(&text.to_ascii_lowercase())) {
        return Cow::Borrowed(text);
    }
    let Some(all) = ALL.as_ref() else { return Cow::Borrowed(text) };
    let mut places = all.capture_locations();
    let mut redacted = String::new();
    let (mut copied, mut at) = (0, 0);
    while at < text.len() && all.captures_read_at(&mut places, text.as_bytes(), at).is_some() {
        let Some((rule, start, end)) = secret_in(text, &places) else { break };
        if rule.is.holds(text, start, end) {
            redacted.push_str(&text[copied..start]);
            redacted.push_str("[redacted:");
            redacted.push_str(rule.name);
            redacted.push(']');
            copied = end;
            at = end;
        } else {
            // Another rule may fit inside; but always onwards.
            let step = text[start..].chars().next().map_or(1, char::len_utf8);
            at = if start > at { start } else { start + step };
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    redacted.push_str(&text[copied..]);
    Cow::Owned(redacted)
}

/// The rule that matched, and where its secret stands.
fn secret_in(text: &str, places: &CaptureLocations) -> Option<(&'static Rule, usize, usize)> {
    let (rule, (start, end)) = (1..).zip(RULES).find_map(|(group, rule)| Some((rule, places.get(group)?)))?;
    // The backslash before an escaped quote, and the @ of a URL, belong to what follows.
    let kept = text.get(start..end)?.trim_end_matches(if rule.name == "password-in-url" { '@' } else { '\\' });
    Some((rule, start, start + kept.len()))
}

impl Is {
    fn holds(self, text: &str, start: usize, end: usize) -> bool {
        let secret = &text[start..end];
        if secret.starts_with("[redacted") {
            return false;
        }
        match self {
            Is::Enough => !secret.is_empty(),
            Is::Mixed => {
                secret.bytes().any(|byte| byte.is_ascii_digit())
                    && secret.bytes().any(|byte| byte.is_ascii_alphabetic())
            }
            Is::NoNumber => !secret.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_')),
            Is::NoCode => !is_placeholder(secret) && !is_code(text, start, end),
            Is::NoText => secret.len() >= 4 && !is_placeholder(secret) && !secret.contains(char::is_whitespace),
        }
    }
}

/// Words that stand where a secret would: types, and what documentation writes.
fn is_placeholder(secret: &str) -> bool {
    const WORDS: [&str; 24] = [
        "string",
        "number",
        "boolean",
        "option",
        "optional",
        "required",
        "undefined",
        "unknown",
        "default",
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "hidden",
        "redacted",
        "example",
        "changed",
        "missing",
        "invalid",
        "object",
        "promise",
        "stdin",
        "bearer",
    ];
    let word = secret.trim_end_matches([':', '.', '?', '!', '\\']).to_ascii_lowercase();
    WORDS.contains(&word.as_str())
        || secret.starts_with(['$', '{', '<', '%'])
        || secret.chars().all(|letter| matches!(letter, '*' | '.' | 'x' | 'X' | '•' | '-'))
}

/// Whether an unquoted value reads as source code: a call, a path, a field, a type, a variable.
fn is_code(text: &str, start: usize, end: usize) -> bool {
    let value = &text[start..end];
    let next = text[end..].chars().next();
    if matches!(next, Some('(' | '<' | '[')) || value.contains("::") {
        return true;
    }
    if ["/", "./", "../", "~/", "*", "!", "-", "+"].iter().any(|begin| value.starts_with(begin)) {
        return true;
    }
    let value = value.trim_end_matches(['.', ':', '?', '!']);
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if value.contains('.') && value.split(['.', '?', '!']).filter(|name| !name.is_empty()).all(is_name) {
        return true;
    }
    if !is_name(value) {
        return false;
    }
    let lower = value.to_ascii_lowercase();
    let speaks_of_it =
        ["passw", "secret", "token", "_key", "apikey", "credential"].iter().any(|word| lower.contains(word));
    // In a shell `NAME=value;` is a value; `name = value;` and `{ name: value }` are variables.
    let spaced = text[..start].ends_with([' ', ':']);
    let after = text[end..].trim_start_matches(' ').chars().next();
    speaks_of_it || (spaced && matches!(after, Some(',' | ';' | ')' | '}' | ']' | '=' | '&' | '|')))
}

/// A field whose very name says that its string is a secret, such as `"password": "hunter22"`.
fn named_secret(key: &str, field: &mut Value) -> bool {
    const NAMES: [&str; 18] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "clientsecret",
        "secretkey",
        "secretaccesskey",
        "awssecretaccesskey",
        "apikey",
        "xapikey",
        "accesstoken",
        "authtoken",
        "refreshtoken",
        "sessiontoken",
        "bearertoken",
        "idtoken",
        "privatekey",
        "authorization",
    ];
    let Value::String(secret) = field else { return false };
    if key.len() > 32 || secret.is_empty() || secret.starts_with("[redacted:") {
        return false;
    }
    let name: String =
        key.chars().filter(|letter| !matches!(letter, '_' | '-')).map(|letter| letter.to_ascii_lowercase()).collect();
    // A sentence, a reference or a placeholder is none.
    let is_text = secret.contains(' ') && name != "authorization" && name != "passphrase";
    if !NAMES.contains(&name.as_str()) || is_text || is_placeholder(secret) {
        return false;
    }
    *field = Value::String("[redacted:secret]".to_owned());
    true
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
        assert!(SUSPECTS.is_some() && ALL.is_some());
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
