//! Which events somebody wants: the query language of live views and history.
//!
//! `words` and `"phrases"` match at the start of a token, and so does a `path:`; `-` negates, `field:value` takes comma
//! lists, in which a value may end with `*`. `contract/filter.json` says by examples what is wanted; the page is held
//! to it too. Fields: `ns kind type tool agent session project path level is took last from to raw in`; `/regex/`
//! is matched against each text by itself, whose ends `^` and `$` are.

mod glance;
mod tokens;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::Value;

use crate::event::Time;
pub use tokens::{Needle, TOKENS_VERSION, tokens_of};

/// The largest compiled regular expression, in bytes: enough for any a person types, too little to hurt.
const REGEX_BYTES_MAX: usize = 256 * 1024;

/// The longest query, in bytes.
const QUERY_BYTES_MAX: usize = 4096;

/// A query that cannot be understood, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError(pub String);

impl std::fmt::Display for QueryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A parsed query: an event is wanted when every term holds.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    terms: Vec<(bool, Term)>,
    glance: glance::Glance,
    in_content: bool,
}

#[derive(Clone, Debug)]
enum Term {
    Word(String),
    Prefix(String),
    Phrase(String),
    Regex(Regex),
    Field(Field, Vec<String>),
    IsError,
    IsNeed,
    IsOpen,
    IsDenied,
    /// Log lines of this rank and above.
    Level(u8),
    Took {
        more: bool,
        ms: u64,
    },
    From(Time),
    To(Time),
    InContent,
}

#[derive(Clone, Copy, Debug)]
enum Field {
    Namespace,
    Kind,
    Tool,
    Agent,
    Session,
    Project,
    Path,
}

/// An event read back from its JSON, as far as filters ask.
#[derive(Deserialize)]
pub struct Subject {
    time: Time,
    kind: String,
    namespace: String,
    event: String,
    session_id: Option<String>,
    agent_id: Option<String>,
    agent_type: Option<String>,
    tool_name: Option<String>,
    tool_use_id: Option<String>,
    cwd: Option<String>,
    outcome: Option<String>,
    duration_ms: Option<u64>,
    #[serde(default)]
    summary: String,
    data: Value,
}

impl Filter {
    /// Reads a query. `now` is what `last:15m` counts from.
    pub fn parse(query: &str, now: Time) -> Result<Filter, QueryError> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(QueryError(format!("a query has at most {QUERY_BYTES_MAX} bytes")));
        }
        let (mut terms, mut in_content) = (Vec::new(), false);
        let mut rest = query.trim_start();
        while !rest.is_empty() {
            let negated = rest.len() > 1 && rest.starts_with('-');
            if negated {
                rest = &rest[1..];
            }
            let (term, after) = Filter::term(rest, now)?;
            match term {
                Some(Term::InContent) => in_content = true,
                Some(term) => terms.push((negated, term)),
                None => {}
            }
            rest = after.trim_start();
        }
        let glance = glance::Glance::of(&terms);
        Ok(Filter { terms, glance, in_content })
    }

    /// Whether it wants everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether it asks for what is withheld of payloads, too: file bodies. Whoever may not read them must not search
    /// them.
    pub fn asks_for_content(&self) -> bool {
        self.in_content
    }

    /// The same as [`Filter::wants_json`], with what is withheld of its payload beside it: that has all of `data`.
    pub fn wants_whole(&self, json: &[u8], content: Option<&[u8]>) -> bool {
        let Some(content) = content.filter(|_| self.in_content) else { return self.wants_json(json) };
        let (Ok(mut subject), Ok(whole)) = (serde_json::from_slice::<Subject>(json), serde_json::from_slice(content))
        else {
            return self.wants_json(json);
        };
        // What the session knew of it stands in `data` alone.
        match (&mut subject.data, whole) {
            (Value::Object(data), Value::Object(whole)) => data.extend(whole),
            (data, whole) => *data = whole,
        }
        self.wants(&subject)
    }

    /// The earliest and the latest time of what it wants, both included.
    pub fn times(&self) -> (Option<Time>, Option<Time>) {
        let (mut from, mut to) = (None::<Time>, None::<Time>);
        for (negated, term) in &self.terms {
            match term {
                Term::From(at) if !negated => from = Some(from.map_or(*at, |known| known.max(*at))),
                Term::To(at) if !negated => to = Some(to.map_or(*at, |known| known.min(*at))),
                _ => {}
            }
        }
        (from, to)
    }

    /// Whether it wants the event with this JSON. What cannot be read is not wanted.
    pub fn wants_json(&self, json: &[u8]) -> bool {
        let reads = || serde_json::from_slice::<Subject>(json).is_ok_and(|subject| self.wants(&subject));
        self.is_empty() || (self.glance.allows(json) && reads())
    }

    /// Whether it wants this event.
    pub fn wants(&self, subject: &Subject) -> bool {
        let needs_text =
            |term: &Term| matches!(term, Term::Word(_) | Term::Prefix(_) | Term::Phrase(_) | Term::Regex(_));
        let cheap = self.terms.iter().filter(|(_, term)| !needs_text(term));
        if !cheap.clone().all(|(negated, term)| term.holds(subject, &Text::default()) != *negated) {
            return false;
        }
        let mut texts = self.terms.iter().filter(|(_, term)| needs_text(term)).peekable();
        if texts.peek().is_none() {
            return true;
        }
        let text = subject.text();
        texts.all(|(negated, term)| term.holds(subject, &text) != *negated)
    }

    fn term(rest: &str, now: Time) -> Result<(Option<Term>, &str), QueryError> {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (phrase, after) = quoted.split_once('"').unwrap_or((quoted, ""));
            return Ok(((!phrase.is_empty()).then(|| Term::Phrase(fold(phrase))), after));
        }
        if let Some(pattern) = rest.strip_prefix('/')
            && let Some(end) = closing_slash(pattern)
        {
            let regex = RegexBuilder::new(&pattern[..end]).case_insensitive(true).size_limit(REGEX_BYTES_MAX).build();
            let regex = regex
                .map_err(|error| QueryError(format!("/{}/ is no regular expression: {error}", &pattern[..end])))?;
            return Ok((Some(Term::Regex(regex)), &pattern[end + 1..]));
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let term = match word.split_once(':') {
            Some((field, value)) if !field.is_empty() && !value.is_empty() => match Term::field(field, value, now)? {
                Some(Some(term)) => Some(term),
                Some(None) => None,
                None => Some(Term::Word(fold(word))),
            },
            _ => match word.strip_suffix('*') {
                Some(prefix) if !prefix.is_empty() => Some(Term::Prefix(fold(prefix))),
                _ => Some(Term::Word(fold(word))),
            },
        };
        Ok((term, after))
    }
}

/// Where a regular expression ends: at a slash that white space or the end follows.
fn closing_slash(pattern: &str) -> Option<usize> {
    pattern
        .match_indices('/')
        .map(|(at, _)| at)
        .find(|at| *at > 0 && pattern[at + 1..].chars().next().is_none_or(char::is_whitespace))
}

impl Term {
    /// `Some(None)` is a field that changes nothing here, `None` is no field at all but a word with a colon in it.
    fn field(field: &str, value: &str, now: Time) -> Result<Option<Option<Term>>, QueryError> {
        let list = || value.split(',').filter(|item| !item.is_empty()).map(fold).collect::<Vec<_>>();
        let named = |field| Ok(Some(Some(Term::Field(field, list()))));
        match field {
            "ns" | "namespace" => named(Field::Namespace),
            "kind" | "type" => named(Field::Kind),
            "tool" => named(Field::Tool),
            "agent" => named(Field::Agent),
            "session" => named(Field::Session),
            "project" => named(Field::Project),
            "path" => {
                let begins: Vec<String> = list().iter().map(|path| path.trim_end_matches('*').to_owned()).collect();
                match begins.iter().find(|path| path.is_empty() || path.contains('*')) {
                    Some(_) => Err(QueryError(format!(
                        "path:{value}: a * may only stand at the end; write how a part of the path begins: path:src/server or path:.ts"
                    ))),
                    None => Ok(Some(Some(Term::Field(Field::Path, begins)))),
                }
            }
            "level" => {
                let rank = level_rank(value).ok_or_else(|| {
                    QueryError(format!("level:{value} is unknown; write level:debug, info, warning, error or critical"))
                })?;
                Ok(Some(Some(Term::Level(rank))))
            }
            // Only the page merges calls into rows.
            "raw" => Ok(Some(None)),
            "in" => match value {
                "content" => Ok(Some(Some(Term::InContent))),
                _ => Err(QueryError(format!("in:{value} is unknown; write in:content"))),
            },
            "is" => match value {
                "error" => Ok(Some(Some(Term::IsError))),
                "need" => Ok(Some(Some(Term::IsNeed))),
                "open" => Ok(Some(Some(Term::IsOpen))),
                "denied" => Ok(Some(Some(Term::IsDenied))),
                _ => Err(QueryError(format!("is:{value} is unknown; write is:error, is:need, is:open or is:denied"))),
            },
            "took" => {
                let (more, length) = match (value.strip_prefix('>'), value.strip_prefix('<')) {
                    (Some(length), _) => (true, length),
                    (None, Some(length)) => (false, length),
                    (None, None) => (true, value),
                };
                let ms = duration_ms(length)
                    .ok_or_else(|| QueryError(format!("took:{value} is no duration; write took:>5s")))?;
                Ok(Some(Some(Term::Took { more, ms })))
            }
            "last" => {
                let ms = duration_ms(value)
                    .ok_or_else(|| QueryError(format!("last:{value} is no duration; write last:15m")))?;
                Ok(Some(Some(Term::From(Time::from_ms(now.ms().saturating_sub_unsigned(ms))))))
            }
            "from" | "to" => {
                let at = Time::parse(value).ok_or_else(|| {
                    QueryError(format!("{field}:{value} is no time; write {field}:2026-01-31T14:30:00Z"))
                })?;
                Ok(Some(Some(if field == "from" { Term::From(at) } else { Term::To(at) })))
            }
            _ => Ok(None),
        }
    }

    fn holds(&self, subject: &Subject, text: &Text) -> bool {
        match self {
            Term::Word(word) | Term::Prefix(word) | Term::Phrase(word) => begins_a_token(&text.all, word),
            Term::Regex(regex) => text.each().any(|text| regex.is_match(text)),
            Term::Field(field, wanted) => subject.field(*field, wanted),
            Term::IsError => subject.is_error(),
            Term::IsNeed => matches!(subject.kind.as_str(), "permission.requested" | "elicitation.requested"),
            Term::IsOpen => subject.kind == "tool_call.started",
            Term::IsDenied => subject.outcome.as_deref() == Some("denied"),
            Term::Level(least) => subject.level().is_some_and(|rank| rank >= *least),
            Term::Took { more, ms } => {
                subject.duration_ms.is_some_and(|took| if *more { took > *ms } else { took < *ms })
            }
            Term::From(at) => subject.time >= *at,
            Term::To(at) => subject.time <= *at,
            Term::InContent => true,
        }
    }
}

impl Subject {
    /// As [`crate::event::Fact::is_error`] says it.
    fn is_error(&self) -> bool {
        let is_logged = || matches!(self.data.get("level").and_then(Value::as_str), Some("ERROR" | "CRITICAL"));
        self.outcome.as_deref() == Some("error")
            || matches!(self.kind.as_str(), "turn.failed" | "system.error" | "hook.unreadable")
            || (self.kind == "log.message" && is_logged())
    }

    /// The rank of a log line's level.
    fn level(&self) -> Option<u8> {
        if self.kind != "log.message" {
            return None;
        }
        level_rank(self.data.get("level")?.as_str()?)
    }

    fn field(&self, field: Field, wanted: &[String]) -> bool {
        let named = |value: &str| wanted.iter().any(|wanted| is_named(wanted, value));
        let is = |value: &Option<String>| value.as_deref().is_some_and(|value| named(&fold(value)));
        let begins = |value: &Option<String>| {
            let begins = |value: &str| wanted.iter().any(|wanted| value.starts_with(wanted.trim_end_matches('*')));
            value.as_deref().is_some_and(|value| begins(&fold(value)))
        };
        match field {
            Field::Namespace => {
                let namespace = fold(self.namespace.trim_start_matches('/'));
                wanted.iter().any(|wanted| is_named(wanted.trim_start_matches('/'), &namespace))
            }
            // `tool` stands for `tool_call.started` and its like.
            Field::Kind => wanted.iter().any(|wanted| {
                let rest = self.kind.strip_prefix(wanted.as_str());
                is_named(wanted, &self.kind)
                    || is_named(wanted, &fold(&self.event))
                    || rest.is_some_and(|rest| rest.starts_with(['.', '_']))
            }),
            Field::Tool => is(&self.tool_name),
            Field::Agent => {
                is(&self.agent_type)
                    || is(&self.agent_id)
                    || (self.agent_id.is_none() && self.agent_type.is_none() && named("main"))
            }
            Field::Session => begins(&self.session_id),
            Field::Project => is(&self.cwd.as_deref().map(Subject::project_of).map(str::to_owned)),
            Field::Path => {
                let mut text = Text::default();
                for key in ["file", "file_path", "path"] {
                    collect(self.data.get(key).unwrap_or(&Value::Null), &mut text);
                    collect(
                        self.data.get("tool_input").and_then(|input| input.get(key)).unwrap_or(&Value::Null),
                        &mut text,
                    );
                }
                wanted.iter().any(|wanted| begins_a_token(&text.all, wanted))
            }
        }
    }

    /// A project is the folder that its sessions work in.
    fn project_of(cwd: &str) -> &str {
        cwd.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default()
    }

    /// Everything a word can be found in: the summary, the names, and every string of the payload.
    fn text(&self) -> Text {
        let mut text = Text { all: String::with_capacity(1024), ends: Vec::with_capacity(32) };
        let names = [&self.session_id, &self.agent_id, &self.agent_type, &self.tool_name, &self.tool_use_id, &self.cwd];
        for part in [&self.summary, &self.kind, &self.event].into_iter().chain(names.into_iter().flatten()) {
            text.push(part);
        }
        collect(&self.data, &mut text);
        text
    }
}

/// Texts one after the other: words are looked for in all of them at once, expressions in each.
#[derive(Default)]
struct Text {
    /// Each text and a line's end.
    all: String,
    /// Where in `all` each text ends.
    ends: Vec<usize>,
}

impl Text {
    fn push(&mut self, text: &str) {
        self.all.push_str(text);
        self.ends.push(self.all.len());
        self.all.push('\n');
    }

    fn each(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|end| end + 1));
        starts.zip(&self.ends).map(|(start, end)| &self.all[start..*end])
    }
}

/// Python's levels in their order, and the other names for them.
fn level_rank(level: &str) -> Option<u8> {
    Some(match fold(level).as_str() {
        "trace" => 0,
        "debug" => 1,
        "info" => 2,
        "warning" | "warn" => 3,
        "error" => 4,
        "critical" | "fatal" => 5,
        _ => return None,
    })
}

fn collect(value: &Value, text: &mut Text) {
    match value {
        Value::String(string) => text.push(string),
        Value::Number(number) => text.push(&number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, text)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, text)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Whether a value of a list stands for this name: as it is, or by its beginning if it ends with `*`.
fn is_named(wanted: &str, name: &str) -> bool {
    wanted.strip_suffix('*').map_or(wanted == name, |beginning| name.starts_with(beginning))
}

/// Upper and lower case are the same.
fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// Whether a token of `text` begins with `word` (already folded). Tokens begin after anything that is no letter or
/// digit, and inside `camelCase` at each capital.
fn begins_a_token(text: &str, word: &str) -> bool {
    if word.is_empty() {
        return true;
    }
    let folded = fold(text);
    // Folding keeps byte places for all but a few letters; where it does not, capitals inside words are not seen.
    let aligned = folded.len() == text.len();
    folded.match_indices(word).any(|(at, _)| {
        let before = folded[..at].chars().next_back();
        let starts_odd = !word.starts_with(char::is_alphanumeric);
        let fresh = before.is_none_or(|letter| !letter.is_alphanumeric());
        starts_odd || fresh || (aligned && tokens::is_capital(text, at))
    })
}

/// `500ms`, `5s`, `15m`, `2h`, `7d`; a bare number is seconds.
fn duration_ms(text: &str) -> Option<u64> {
    let split = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    let factor = match unit {
        "ms" => 1.0,
        "" | "s" => 1e3,
        "m" | "min" => 6e4,
        "h" => 3.6e6,
        "d" => 8.64e7,
        _ => return None,
    };
    let ms = number * factor;
    (ms.is_finite() && ms >= 0.0).then_some(ms as u64)
}

#[cfg(test)]
mod tests;
