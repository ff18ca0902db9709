//! A first glance at an event's JSON: most of what a query does not want is seen without parsing it.
//!
//! Letters and digits of ASCII stand in JSON as they are, in one case or the other; what a query asks for must be among
//! the bytes, then, or the event is not wanted. Whatever the glance lets through is still parsed.

use regex::bytes::{Regex, RegexBuilder};

use super::{Field, Term, tokens};

/// Letters beyond ASCII that fold to one of ASCII: the Kelvin sign, and I with a dot.
const FOLD_TO_ASCII: &str = "(?-u:\\xE2\\x84\\xAA|\\xC4\\xB0)";

/// Fewer letters are in nearly every event.
const LETTERS_MIN: usize = 2;

/// What the JSON of a wanted event holds: a match of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Glance(Vec<Regex>);

impl Glance {
    pub(super) fn of(terms: &[(bool, Term)]) -> Glance {
        let wanted = terms.iter().filter(|(negated, _)| !negated);
        let all: Vec<Vec<String>> = wanted.flat_map(|(_, term)| held_by(term)).collect();
        Glance(all.iter().filter_map(|one_of| expression(one_of)).collect())
    }

    /// Whether the event with this JSON may be wanted.
    pub(super) fn allows(&self, json: &[u8]) -> bool {
        self.0.iter().all(|held| held.is_match(json))
    }
}

/// Lists of texts: one of each list is in what is wanted.
fn held_by(term: &Term) -> Vec<Vec<String>> {
    let runs = |text: &str| tokens::runs(text).map(|(_, run)| vec![run.to_owned()]).collect::<Vec<_>>();
    match term {
        Term::Phrase(text) if is_as_it_is(text) => vec![vec![text.clone()]],
        Term::Word(text) | Term::Prefix(text) | Term::Phrase(text) => runs(text),
        // Said by what is not there.
        Term::Field(Field::Agent, values)
            if values.iter().any(|value| "main".starts_with(value.trim_end_matches('*'))) =>
        {
            Vec::new()
        }
        Term::Field(_, values) => {
            let longest = |value: &String| {
                tokens::runs(value).map(|(_, run)| run.to_owned()).max_by_key(String::len).unwrap_or_default()
            };
            vec![values.iter().map(longest).collect()]
        }
        Term::IsNeed => vec![vec!["requested".to_owned()]],
        Term::IsOpen => vec![vec!["started".to_owned()]],
        Term::IsDenied => vec![vec!["denied".to_owned()]],
        Term::Level(_) => vec![vec!["level".to_owned()]],
        Term::Regex(_) | Term::IsError | Term::Took { .. } | Term::From(_) | Term::To(_) | Term::InContent => {
            Vec::new()
        }
    }
}

/// Whether it stands in JSON as it is, in one case or the other.
fn is_as_it_is(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b' ')
}

/// `None` when it would say nothing, or more than bytes can.
fn expression(one_of: &[String]) -> Option<Regex> {
    let is_plain = |text: &String| text.len() >= LETTERS_MIN && is_as_it_is(text);
    if one_of.is_empty() || !one_of.iter().all(is_plain) {
        return None;
    }
    // One letter beyond ASCII anywhere, and the phrase may be written with it.
    let expression = format!("(?i-u:{})|{FOLD_TO_ASCII}", one_of.join("|"));
    RegexBuilder::new(&expression).unicode(false).build().ok()
}

#[cfg(test)]
mod tests {
    use crate::event::Time;
    use crate::filter::Filter;

    fn allows(query: &str, json: &str) -> bool {
        Filter::parse(query, Time::from_ms(0)).unwrap().glance.allows(json.as_bytes())
    }

    #[test]
    fn what_is_not_among_the_bytes_is_not_parsed() {
        let json = r#"{"kind":"tool_call.started","tool_name":"Bash","data":{"command":"C:\\Users\nPNPM test"}}"#;
        for query in
            ["pnpm", "users", "tool:bash", "tool:edit,bash", "\"pnpm test\"", "is:open", "-absent", "/x/", "agent:main"]
        {
            assert!(allows(query, json), "{query}");
        }
        for query in [
            "absent",
            "tool:edit",
            "pnpm absent",
            "\"npx test\"",
            "\"test pnpm\"",
            "\"pnpm  test\"",
            "is:need",
            "level:info",
        ] {
            assert!(!allows(query, json), "{query}");
        }
    }

    #[test]
    fn letters_that_fold_to_ascii_are_left_to_the_filter() {
        assert!(allows("kelvin", "{\"data\":\"\u{212a}elvin\"}"));
        assert!(allows("istanbul", "{\"data\":\"\u{130}stanbul\"}"));
        let folding: Vec<char> = (char::from_u32(128).unwrap()..=char::MAX)
            .filter(|letter| letter.to_lowercase().any(|folded| folded.is_ascii()))
            .collect();
        assert_eq!(folding, ['\u{130}', '\u{212a}'], "all that there are");
    }
}
