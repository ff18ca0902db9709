//! What tells a secret from a word of the same shape.

/// What a match must be besides its shape.
#[derive(Clone, Copy)]
pub(super) enum Is {
    /// The shape alone.
    Enough,
    /// Letters and digits: `sk-` begins names of CSS classes too.
    Mixed,
    /// Letters and digits, and no code.
    Key,
    /// Letters and digits, or many letters.
    MixedOrLong,
    /// More than a small word: `Basic dXNlcg`, not `basic knowledge`.
    Opaque,
    /// Anything but a number: `docker run -u 1000:1000`.
    NoNumber,
    /// Anything but what documentation writes in its place.
    NoPlaceholder,
    /// No expression, type or variable of source code.
    NoCode,
    /// In quotes: no placeholder and no sentence.
    NoText,
}

impl Is {
    /// Whether `text[start..end]` is that.
    pub(super) fn holds(self, text: &str, start: usize, end: usize) -> bool {
        /// Letters that no word has.
        const LETTERS_MIN: usize = 24;
        let secret = &text[start..end];
        if secret.is_empty() || secret.contains(super::MARK) {
            return false;
        }
        match self {
            Is::Enough => true,
            Is::Mixed => is_mixed(secret) && !is_placeholder(secret),
            Is::Key => is_mixed(secret) && !is_placeholder(secret) && !is_code(text, start, end),
            Is::MixedOrLong => {
                let long = secret.len() >= LETTERS_MIN && secret.bytes().all(|byte| byte.is_ascii_alphabetic());
                (long || is_mixed(secret)) && !is_placeholder(secret)
            }
            Is::Opaque => secret.bytes().skip(1).any(|byte| !byte.is_ascii_lowercase()),
            Is::NoNumber => {
                let number = secret.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'));
                !number && !is_placeholder(secret)
            }
            Is::NoPlaceholder => secret.len() >= 3 && !is_placeholder(secret),
            Is::NoCode => !is_placeholder(secret) && !is_code(text, start, end),
            Is::NoText => secret.len() >= 4 && !is_placeholder(secret) && !secret.contains(char::is_whitespace),
        }
    }
}

/// Letters and digits.
pub(super) fn is_mixed(secret: &str) -> bool {
    secret.bytes().any(|byte| byte.is_ascii_digit()) && secret.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Words that stand where a secret would: types, and what documentation writes.
pub(super) fn is_placeholder(secret: &str) -> bool {
    const WORDS: &[&str] = &[
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
        "changeme",
        "change_me",
        "change-me",
        "todo",
        "fixme",
        "none",
        "null",
        "nil",
        "dummy",
        "sample",
        "test",
        "aws4-hmac-sha256",
    ];
    const WORD_BYTES_MAX: usize = 64;
    if secret.starts_with(['$', '{', '<']) || secret.ends_with("...") || secret.ends_with('…') {
        return true;
    }
    let word = secret.trim_end_matches([':', '.', '?', '!', '\\', '/']);
    if word.len() <= WORD_BYTES_MAX {
        let word = word.to_ascii_lowercase();
        let yours = word.strip_prefix("your").or_else(|| word.strip_prefix("you"));
        if WORDS.contains(&word.as_str()) || yours.is_some_and(|rest| rest.starts_with(['_', ' ', '-'])) {
            return true;
        }
    }
    // `%NAME%` is a variable of Windows; a password may begin with an encoded letter.
    let variable = secret.strip_prefix('%').and_then(|rest| rest.split_once('%')).map(|(name, _)| name);
    variable
        .is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        || secret.chars().all(|letter| matches!(letter, '*' | '.' | 'x' | 'X' | '•' | '-'))
}

/// Whether an unquoted value reads as source code: a call, a path, a field, a type, a variable.
fn is_code(text: &str, start: usize, end: usize) -> bool {
    let value = &text[start..end];
    let next = text[end..].chars().next();
    if matches!(next, Some('(' | '<' | '[')) || value.contains("::") || value.starts_with(':') {
        return true;
    }
    if ["/", "./", "../", "~/", "*", "!", "-", "+", ".*", "[^", "(?"].iter().any(|begin| value.starts_with(begin)) {
        return true;
    }
    let value = value.trim_end_matches(['.', ':', '?', '!']);
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if value.contains('.') && value.split(['.', '?', '!']).filter(|name| !name.is_empty()).all(is_name) {
        return true;
    }
    // In a shell `NAME=value;` is a value; `name = value;` and `{ name: value }` are variables.
    let spaced = text[..start].ends_with([' ', ':']);
    let after = text[end..].trim_start_matches(' ').chars().next();
    let goes_on = matches!(after, Some(',' | ';' | ')' | '{' | '}' | ']' | '=' | '&' | '|'));
    // `ERROR_INVALID_TOKEN: WIN32_ERROR = 315`
    let constant = value.contains('_') && value.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
    if constant && spaced && goes_on {
        return true;
    }
    if !is_name(value) {
        return false;
    }
    let (before, following) = (&text[..start], &text[end..]);
    // `invalid password: authentication failed`, `password: rejects_empty_values ... ok`
    let prose = before.trim_end_matches(' ').ends_with(':')
        && following
            .strip_prefix(' ')
            .is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_alphabetic()));
    if before.ends_with(' ') && (prose || value.trim_matches('_').contains('_')) {
        return true;
    }
    let lower = value.to_ascii_lowercase();
    let speaks_of_it =
        ["passw", "secret", "token", "_key", "apikey", "credential"].iter().any(|word| lower.contains(word));
    speaks_of_it || (spaced && goes_on)
}
