//! What a full-text index keeps of an event, and which of it an event must have to be wanted by a query.
//!
//! A token is where a word may begin, up to the end of its letters and digits: `handleRequest` gives `handlerequest`
//! and `request`. Facets (session, agent, tool, kind, namespace …) are tokens that begin with a character no word has.
//! Both sides cut long tokens at the same place, so what an index finds is what may match, never less;
//! [`Filter::wants`] decides.

use super::{Field, Filter, Subject, Term, fold};

/// Grows whenever other tokens are made: an index of an earlier version is built anew.
pub const TOKENS_VERSION: u32 = 2;

/// Characters of a token that are kept: more tell few identifiers apart, and ids fill the index.
const TOKEN_CHARS_MAX: usize = 16;

/// Characters that are kept of a token with a digit among them: such are ids, which fill the index, and so many tell
/// apart more of them than anybody has.
const ID_CHARS_MAX: usize = 8;

/// Characters of a facet that are kept: a session's id has 36.
const FACET_CHARS_MAX: usize = 40;

/// Begins every facet. No letter and no digit, so no word has it.
const FACET: char = '\u{e000}';

/// Stands in a facet for every character that is no letter and no digit.
const OTHER: char = '\u{e001}';

/// One thing to look up in an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needle {
    /// A token, of letters, digits and characters beyond ASCII alone.
    pub token: String,
    /// Whether tokens that only begin with it count too.
    pub is_prefix: bool,
}

/// Tells every token of the event with this JSON, some of them more than once; none of what cannot be read.
pub fn tokens_of(json: &[u8], tell: &mut dyn FnMut(&str)) {
    let Ok(subject) = serde_json::from_slice::<Subject>(json) else { return };
    each_token(&subject.text().all, tell);
    each_facet(&subject, tell);
}

impl Filter {
    /// What an event must have to be wanted: one needle of each list. Empty when nothing can be said, which does not
    /// mean that everything is wanted.
    pub fn needles(&self) -> Vec<Vec<Needle>> {
        // What is withheld is in no index.
        let is_indexed = |term: &Term| {
            let is_text =
                matches!(term, Term::Word(_) | Term::Prefix(_) | Term::Phrase(_) | Term::Field(Field::Path, _));
            !(self.in_content && is_text)
        };
        let wanted = self.terms.iter().filter(|(negated, term)| !negated && is_indexed(term));
        wanted.flat_map(|(_, term)| needles_of(term)).filter(|needles| !needles.is_empty()).collect()
    }
}

fn needles_of(term: &Term) -> Vec<Vec<Needle>> {
    let one_of = |letter, values: &mut dyn Iterator<Item = &str>| {
        vec![values.map(|value| exactly(facet(letter, value))).collect::<Vec<_>>()]
    };
    match term {
        Term::Word(text) | Term::Prefix(text) | Term::Phrase(text) => of_text(text),
        Term::Field(Field::Path, paths) => match paths.as_slice() {
            [path] => of_text(path),
            // One of each is enough, but each must have one.
            _ => paths.iter().map(|path| longest(words_of(path))).collect::<Option<Vec<_>>>().into_iter().collect(),
        },
        Term::Field(Field::Session, sessions) => {
            let begins = |session: &String| beginning(facet('s', session.trim_end_matches('*')));
            vec![sessions.iter().map(begins).collect()]
        }
        // `tool` stands for `tool_call.started`, too.
        Term::Field(Field::Kind, kinds) => {
            vec![kinds.iter().map(|kind| beginning(facet('k', kind.trim_end_matches('*')))).collect()]
        }
        Term::Field(field, values) => {
            let trimmed = |value: &str| value.trim_start_matches('/').to_owned();
            let values: Vec<String> = match field {
                Field::Namespace => values.iter().map(|value| trimmed(value)).collect(),
                _ => values.clone(),
            };
            let letter = letter_of(*field);
            let asked = |value: &String| match value.strip_suffix('*') {
                Some(start) => beginning(facet(letter, start)),
                None => exactly(facet(letter, value)),
            };
            vec![values.iter().map(asked).collect()]
        }
        Term::IsError => one_of('e', &mut ["error"].into_iter()),
        Term::IsNeed => one_of('k', &mut ["permission.requested", "elicitation.requested"].into_iter()),
        Term::IsOpen => one_of('k', &mut ["tool_call.started"].into_iter()),
        Term::IsDenied => one_of('e', &mut ["denied"].into_iter()),
        Term::Level(least) => {
            let ranks: Vec<String> = (*least..=5).map(|rank| rank.to_string()).collect();
            one_of('l', &mut ranks.iter().map(String::as_str))
        }
        Term::Regex(_) | Term::Took { .. } | Term::From(_) | Term::To(_) | Term::InContent => Vec::new(),
    }
}

const fn letter_of(field: Field) -> char {
    match field {
        Field::Namespace => 'n',
        Field::Kind => 'k',
        Field::Tool => 't',
        Field::Agent => 'a',
        Field::Session => 's',
        Field::Project => 'p',
        Field::Path => 'f',
    }
}

/// Bytes of a beginning below which an index is of no use: nearly every event has such a word, and an index would join
/// the lists of thousands of tokens to say so.
const BEGINNING_BYTES_MIN: usize = 3;

/// What a text must have in which this (folded) begins at a token.
fn of_text(folded: &str) -> Vec<Vec<Needle>> {
    words_of(folded).into_iter().map(|needle| vec![needle]).collect()
}

fn words_of(folded: &str) -> Vec<Needle> {
    let needles = runs(folded).map(|(at, run)| {
        // What ends the text may go on where it is found.
        Needle { token: kept(run).to_owned(), is_prefix: at + run.len() == folded.len() }
    });
    needles.filter(|needle| !needle.is_prefix || needle.token.len() >= BEGINNING_BYTES_MIN).collect()
}

fn longest(needles: Vec<Needle>) -> Option<Needle> {
    needles.into_iter().max_by_key(|needle| needle.token.len())
}

/// What is kept of a token.
fn kept(run: &str) -> &str {
    let is_id = run.chars().take(ID_CHARS_MAX).any(|letter| letter.is_ascii_digit());
    cut(run, if is_id { ID_CHARS_MAX } else { TOKEN_CHARS_MAX })
}

/// The longest stretches of letters and digits, and where they begin.
pub(super) fn runs(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let runs = text.split(|letter: char| !letter.is_alphanumeric()).filter(|run| !run.is_empty());
    runs.map(|run| (run.as_ptr().addr() - text.as_ptr().addr(), run))
}

/// The same places as [`super::begins_a_token`] sees, all at once.
fn each_token(text: &str, tell: &mut dyn FnMut(&str)) {
    let folded = fold(text);
    let aligned = folded.len() == text.len();
    for (start, run) in runs(&folded) {
        tell(kept(run));
        if !aligned {
            continue;
        }
        for (at, _) in run.char_indices().skip(1) {
            if is_capital(text, start + at) {
                tell(kept(&run[at..]));
            }
        }
    }
}

/// Whether a word begins inside `camelCase` here.
pub(super) fn is_capital(text: &str, at: usize) -> bool {
    // Nearly always ASCII, and asked for every letter.
    if let (Some(before), Some(here)) =
        (at.checked_sub(1).and_then(|at| text.as_bytes().get(at)), text.as_bytes().get(at))
        && before.is_ascii()
        && here.is_ascii()
    {
        return here.is_ascii_uppercase() && before.is_ascii_lowercase();
    }
    text.is_char_boundary(at)
        && text[at..].chars().next().is_some_and(char::is_uppercase)
        && text[..at].chars().next_back().is_some_and(char::is_lowercase)
}

fn each_facet(subject: &Subject, tell: &mut dyn FnMut(&str)) {
    let mut say = |letter, value: &str| tell(&facet(letter, value));
    say('n', subject.namespace.trim_start_matches('/'));
    say('k', &subject.kind);
    say('k', &subject.event);
    for (letter, value) in [
        ('s', &subject.session_id),
        ('a', &subject.agent_id),
        ('a', &subject.agent_type),
        ('t', &subject.tool_name),
        ('p', &subject.cwd),
    ] {
        if let Some(value) = value {
            say(letter, if letter == 'p' { Subject::project_of(value) } else { value });
        }
    }
    if subject.agent_id.is_none() && subject.agent_type.is_none() {
        say('a', "main");
    }
    if subject.is_error() {
        say('e', "error");
    }
    if subject.outcome.as_deref() == Some("denied") {
        say('e', "denied");
    }
    if let Some(rank) = subject.level() {
        say('l', &rank.to_string());
    }
}

fn beginning(token: String) -> Needle {
    Needle { token, is_prefix: true }
}

fn exactly(token: String) -> Needle {
    Needle { token, is_prefix: false }
}

fn facet(letter: char, value: &str) -> String {
    let value = fold(value);
    let plain = cut(&value, FACET_CHARS_MAX).chars();
    let plain = plain.map(|letter| if letter.is_alphanumeric() { letter } else { OTHER });
    [FACET, letter].into_iter().chain(plain).collect()
}

fn cut(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::super::begins_a_token;
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        each_token(text, &mut |token| tokens.push(token.to_owned()));
        tokens
    }

    #[test]
    fn paths_and_identifiers_are_kept_by_their_parts() {
        assert_eq!(tokens("src/server/hub.rs"), ["src", "server", "hub", "rs"]);
        assert_eq!(
            tokens("handleRequestBody snake_case"),
            ["handlerequestbod", "requestbody", "body", "snake", "case"]
        );
        assert_eq!(tokens("Ünïcode ÉCOLE"), ["ünïcode", "école"]);
        assert_eq!(tokens("→ HTTPServer"), ["httpserver"]);
    }

    #[test]
    fn every_place_where_a_word_begins_has_a_token_that_the_words_needles_find() {
        let texts = [
            "src/server/hub.rs:41",
            "at handleRequest(req, aB3dEfGhIjKlMnOpQrStUvWx)",
            "İstanbul camelCase",
            "ΟΔΟΣ ΟΔΟΣΑ ǅungla",
            "a_b-c.d",
            "line 42: exit code 1 lookAt home",
            "toolu_01AbCdEfGhIjKl x9y8z7 end",
            "x\ny",
            "ﬁne ﬀ Straße STRASSE",
            "日本語 テスト",
            "→→ .rs ..",
            "e\u{301}a",
            "aÉb éA",
        ];
        for text in texts {
            let folded = fold(text);
            let places: Vec<usize> = folded.char_indices().map(|(at, _)| at).chain([folded.len()]).collect();
            let kept = tokens(text);
            let mut matched = 0;
            for (from, start) in places.iter().enumerate() {
                for end in &places[from + 1..] {
                    let word = &folded[*start..*end];
                    if !begins_a_token(text, word) {
                        continue;
                    }
                    matched += 1;
                    for needle in of_text(word).concat() {
                        let is_found = |token: &String| {
                            if needle.is_prefix { token.starts_with(&needle.token) } else { *token == needle.token }
                        };
                        assert!(kept.iter().any(is_found), "{word:?} in {text:?}: {needle:?} is not among {kept:?}");
                    }
                }
            }
            assert!(matched > 0, "{text:?}");
        }
    }
}
