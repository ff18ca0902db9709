//! What never reaches the disk: keys, tokens and passwords are replaced before an event is stored or sent.
//!
//! Patterns are the published shapes of widespread credentials. A match is replaced by `[redacted:<what>]`, so that a
//! reader sees that something stood there. False negatives remain possible; the store is encrypted besides.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

/// Name, pattern. A group called `keep` survives the replacement.
const PATTERNS: &[(&str, &str)] = &[
    ("anthropic-key", r"sk-ant-[A-Za-z0-9_-]{16,}"),
    ("api-key", r"\bsk-(?:proj-|live-|test-)?[A-Za-z0-9_-]{20,}"),
    ("aws-key-id", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("github-token", r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    ("gitlab-token", r"\bglpat-[A-Za-z0-9_-]{16,}"),
    ("slack-token", r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    ("google-key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("npm-token", r"\bnpm_[A-Za-z0-9]{30,}"),
    ("pypi-token", r"\bpypi-AgEI[A-Za-z0-9_-]{20,}"),
    ("huggingface-token", r"\bhf_[A-Za-z0-9]{20,}"),
    ("stripe-key", r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    ("jwt", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    ("private-key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"),
    ("bearer-token", r"(?P<keep>(?i:bearer)\s+)[A-Za-z0-9._~+/=-]{16,}"),
    ("password-in-url", r"(?P<keep>\b[a-z][a-z0-9+.-]*://[^\s/:@]+:)[^\s/@]{3,}(?P<keep2>@)"),
    (
        "secret",
        r#"(?P<keep>(?i:password|passwd|secret|api[_-]?key|access[_-]?key|access[_-]?token|auth[_-]?token|private[_-]?key)["']?\s*[=:]\s*["']?)[^\s"',;&)}\]\[<>$]{6,}"#,
    ),
];

/// Cheap and generous: whether any pattern could match at all. Most events end here.
static SUSPECT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?:sk-|AKIA|ASIA|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|AIza|npm_|pypi-AgEI|hf_|[sr]k_live|[sr]k_test|eyJ|PRIVATE KEY|(?i:bearer)|://[^\s/:@]+:|(?i:passw|secret|api[_-]?key|access[_-]?key|access[_-]?token|auth[_-]?token|private[_-]?key))",
    )
    .ok()
});

static RULES: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    PATTERNS.iter().filter_map(|(name, pattern)| Some((*name, Regex::new(pattern).ok()?))).collect()
});

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
            if fields.keys().any(|key| matches!(self::text(key), Cow::Owned(_))) {
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
    if text.len() < 8 || !SUSPECT.as_ref().is_none_or(|suspect| suspect.is_match(text)) {
        return Cow::Borrowed(text);
    }
    let mut redacted = Cow::Borrowed(text);
    for (name, rule) in RULES.iter() {
        let replaced = rule.replace_all(&redacted, |found: &Captures<'_>| {
            let keep = |group| found.name(group).map_or("", |kept| kept.as_str());
            format!("{}[redacted:{name}]{}", keep("keep"), keep("keep2"))
        });
        if let Cow::Owned(replaced) = replaced {
            redacted = Cow::Owned(replaced);
        }
    }
    redacted
}

/// A field whose very name says that its string is a secret, such as `"password": "hunter22"`.
fn named_secret(key: &str, field: &mut Value) -> bool {
    const NAMES: [&str; 9] =
        ["password", "passwd", "secret", "client_secret", "api_key", "apikey", "access_token", "auth_token", "private_key"];
    let Value::String(secret) = field else { return false };
    if secret.is_empty() || secret.starts_with("[redacted:") || !NAMES.contains(&key.to_ascii_lowercase().as_str()) {
        return false;
    }
    *field = Value::String("[redacted:secret]".to_owned());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles_and_every_known_shape_is_replaced() {
        assert!(SUSPECT.is_some());
        assert_eq!(RULES.len(), PATTERNS.len());
        // Written in two halves, so that no scanner takes this file for a leak.
        let shapes = [
            ["sk-ant-", "api03-abcdefghijklmnopqrstuvwx"],
            ["AKI", "AIOSFODNN7EXAMPLE"],
            ["gh", "p_abcdefghijklmnopqrstuvwxyz0123456789"],
            ["glp", "at-abcdefghijklmnopqrst"],
            ["xox", "b-1234567890-abcdefghij"],
            ["eyJhbGciOiJIUzI1NiJ9.", "eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w"],
            ["Authorization: Bearer ", "abcdefghijklmnop1234"],
            ["postgres://app:", "hunter2hunter2@db/app"],
            ["export DB_PASSWORD=", "hunter2hunter2"],
        ];
        for [head, tail] in shapes {
            let shape = format!("before {head}{tail} after");
            let redacted = text(&shape);
            assert!(redacted.contains("[redacted:"), "{shape}");
            assert!(!redacted.contains(tail), "{redacted}");
            assert!(redacted.starts_with("before "), "{redacted}");
        }
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        for plain in ["cargo test --workspace", "the secret of good prose", "https://example.com/a:b", "task-sk-1"] {
            assert_eq!(text(plain), plain);
        }
    }

    #[test]
    fn secrets_are_found_at_any_depth_and_by_the_name_of_their_field() {
        let mut nested = serde_json::json!({"a": [{"env": {"password": "hunter22"}}], "b": "x"});
        assert!(value(&mut nested));
        assert_eq!(nested["a"][0]["env"]["password"], "[redacted:secret]");
        assert_eq!(nested["b"], "x");
    }
}
