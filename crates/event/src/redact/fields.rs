//! Secrets by the name of their field, where name and value stand apart: `{"env": {"DB_PASSWORD": …}}`, pairs,
//! arguments.

use serde_json::Value;

use super::MARK;
use super::likeness::{is_mixed, is_placeholder};

/// How sure a name is that its value is a secret.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Sure,
    /// The same, and the value may be of several words.
    SureOfWords,
    /// Said of other things too: only what looks like a key counts.
    Doubtful,
}

/// The last words of a name tell it, in lower case and without what is neither letter nor digit.
const LAST_WORDS: &[(&str, Kind)] = &[
    ("password", Kind::Sure),
    ("passwd", Kind::Sure),
    ("passphrase", Kind::SureOfWords),
    ("passcode", Kind::Sure),
    ("secret", Kind::Sure),
    ("credential", Kind::Sure),
    ("credentials", Kind::Sure),
    ("apikey", Kind::Sure),
    ("accesskey", Kind::Sure),
    ("accountkey", Kind::Sure),
    ("encryptionkey", Kind::Sure),
    ("masterkey", Kind::Sure),
    ("privatekey", Kind::Sure),
    ("secretkey", Kind::Sure),
    ("signingkey", Kind::Sure),
    ("accesstoken", Kind::Sure),
    ("authtoken", Kind::Sure),
    ("bearertoken", Kind::Sure),
    ("csrftoken", Kind::Sure),
    ("deploytoken", Kind::Sure),
    ("idtoken", Kind::Sure),
    ("privatetoken", Kind::Sure),
    ("refreshtoken", Kind::Sure),
    ("sessiontoken", Kind::Sure),
    ("authorization", Kind::SureOfWords),
    ("cookie", Kind::SureOfWords),
    ("token", Kind::Doubtful),
    ("pass", Kind::Doubtful),
    ("pwd", Kind::Doubtful),
    ("auth", Kind::Doubtful),
];

/// Longer names are none.
const NAME_BYTES_MAX: usize = 64;

fn kind_of(name: &str) -> Option<Kind> {
    let mut letters = [0; NAME_BYTES_MAX];
    let mut count = 0;
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    for byte in name.bytes().filter(u8::is_ascii_alphanumeric) {
        letters[count] = byte.to_ascii_lowercase();
        count += 1;
    }
    let name = &letters[..count];
    LAST_WORDS.iter().find(|(word, _)| name.ends_with(word.as_bytes())).map(|(_, kind)| *kind)
}

/// The kind of what stands in a list or an object below a name: `passwords` too.
fn kind_below(name: &str) -> Option<Kind> {
    let kind = kind_of(name).or_else(|| kind_of(name.strip_suffix('s')?));
    kind.filter(|kind| *kind != Kind::Doubtful)
}

/// Whether a value under a name of this kind is a secret.
fn is_secret(kind: Kind, value: &Value) -> bool {
    const BYTES_MIN: usize = 4;
    const KEY_BYTES_MIN: usize = 8;
    let number;
    let secret = match value {
        Value::String(text) => text.as_str(),
        Value::Number(digits) if kind != Kind::Doubtful && !digits.is_f64() => {
            number = digits.to_string();
            &number
        }
        _ => return false,
    };
    if secret.len() < BYTES_MIN || secret.contains(MARK) || is_placeholder(secret) {
        return false;
    }
    let spaced = secret.contains(char::is_whitespace);
    match kind {
        Kind::SureOfWords => true,
        Kind::Sure => !spaced,
        Kind::Doubtful => {
            secret.len() >= KEY_BYTES_MIN
                && !spaced
                && is_mixed(secret)
                && !secret.bytes().take(2).any(|byte| byte == b'/')
        }
    }
}

fn replace(value: &mut Value, kind: Kind) -> bool {
    let secret = is_secret(kind, value);
    if secret {
        *value = Value::String("[redacted:secret]".to_owned());
    }
    secret
}

/// Replaces what the names in `value` call a secret. Returns whether anything was replaced.
pub(super) fn value(value: &mut Value) -> bool {
    below(value, None)
}

/// `under`: the kind of the secret name that this stands under.
fn below(value: &mut Value, under: Option<Kind>) -> bool {
    match value {
        Value::Object(fields) => {
            // `{"name": "DB_PASSWORD", "value": …}`
            let named = ["name", "key", "header", "variable"];
            let named = named.iter().find_map(|name| fields.get(*name)?.as_str()).and_then(kind_of);
            let mut any = false;
            for (key, field) in fields.iter_mut() {
                let said = if key == "value" { named.or(under) } else { None };
                if let Some(kind) = kind_of(key).or(said)
                    && replace(field, kind)
                {
                    any = true;
                } else if field.is_object() || field.is_array() {
                    any |= below(field, kind_below(key).or(under));
                } else if under.is_some() {
                    // Below a secret name stand its type and its owner, too.
                    any |= replace(field, Kind::Doubtful);
                }
            }
            any
        }
        Value::Array(items) => in_list(items, under),
        _ => false,
    }
}

fn in_list(items: &mut [Value], under: Option<Kind>) -> bool {
    // `["x-api-key", …]`; but a list may be of names alone.
    if let [Value::String(name), secret] = items
        && kind_of(name).is_some()
        && replace(secret, Kind::Doubtful)
    {
        return true;
    }
    let program = items.first().and_then(Value::as_str).and_then(|program| program.rsplit('/').next());
    let takes_user = program.is_some_and(|program| ["curl", "wget", "http", "xh"].contains(&program));
    let mut any = false;
    let mut option = None;
    for item in items {
        any |= match (option, &mut *item) {
            (Some(Argument::Secret), Value::String(text)) if !text.starts_with('-') => replace(item, Kind::Sure),
            (Some(Argument::User), Value::String(text)) if takes_user => without_password(text),
            (_, Value::String(_) | Value::Number(_)) => under.is_some_and(|kind| replace(item, kind)),
            (_, item) => below(item, under),
        };
        option = item.as_str().and_then(Argument::after);
    }
    any
}

/// What follows an option in a list of arguments.
#[derive(Clone, Copy)]
enum Argument {
    Secret,
    /// `user:password`
    User,
}

impl Argument {
    fn after(option: &str) -> Option<Argument> {
        const NAMES: [&str; 11] = [
            "password",
            "passwd",
            "pass",
            "passphrase",
            "token",
            "secret",
            "api-key",
            "apikey",
            "api_key",
            "auth-token",
            "access-token",
        ];
        if ["-u", "--user"].contains(&option) {
            return Some(Argument::User);
        }
        let name = option.strip_prefix("--").or_else(|| option.strip_prefix('-'))?;
        NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)).then_some(Argument::Secret)
    }
}

fn without_password(text: &mut String) -> bool {
    let Some((user, password)) = text.split_once(':') else { return false };
    if password.is_empty() || password.contains(MARK) || is_placeholder(password) {
        return false;
    }
    *text = format!("{user}:[redacted:password]");
    true
}
