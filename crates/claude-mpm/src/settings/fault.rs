//! What is wrong with a configuration file, in the words of who wrote it.

use super::{edit, keys};

/// What is wrong with a file, and where.
#[derive(Debug)]
pub(super) struct Fault {
    /// `line 3, column 5: `, as far as it is known.
    pub(super) place: String,
    pub(super) what: String,
}

impl Fault {
    /// The reader speaks of types and its own options; people wrote keys and values.
    pub(super) fn new(text: &str, error: &serde_saphyr::Error) -> Fault {
        use serde_saphyr::Error::{DuplicateMappingKey, SerdeMissingField};
        let error = error.without_snippet();
        let location = error.location().filter(|location| location.line() > 0);
        let path = location.map(|location| edit::path_at(text, usize::try_from(location.line()).unwrap_or(0)));
        let path = path.unwrap_or_default();
        let ours = match path.as_str() {
            "monitoring" => Some(""),
            path => path.strip_prefix("monitoring."),
        };
        let is_yaml = serde_saphyr::from_str::<serde_json::Value>(text).is_ok();
        let what = match error {
            DuplicateMappingKey { key: Some(key), .. } => format!("{key} stands there twice"),
            DuplicateMappingKey { key: None, .. } => "a key stands there twice".to_owned(),
            SerdeMissingField { field, .. } => match *field {
                "user" | "password_hash" => "monitoring.admin needs both user and password_hash".to_owned(),
                other => format!("{other} is missing"),
            },
            _ if is_yaml => match ours.and_then(keys::takes) {
                Some(takes) => format!("{path} takes {takes}"),
                None => "something else stands there than the key takes".to_owned(),
            },
            _ => "this is no YAML; an indentation, a quote or a bracket is wrong there or before".to_owned(),
        };
        let place = location.map(|at| format!("line {}, column {}: ", at.line(), at.column()));
        Fault { place: place.unwrap_or_default(), what }
    }
}
