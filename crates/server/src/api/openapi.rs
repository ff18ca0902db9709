//! Answers `GET /api/v1/openapi.json`: all of the HTTP interface, for programs that write programs.
//!
//! The file beside this one is kept by hand, next to the routes that it describes, and completed with what the code knows
//! better. Tests hold it to the router and to real answers.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use event::vocabulary::ROWS;
use serde_json::{Value, json};

use crate::app::App;

/// OpenAPI 3.1.
const DOCUMENT: &str = include_str!("openapi.json");

/// With this server's version.
pub(crate) async fn answer(State(app): State<Arc<App>>) -> Response {
    super::json(document(&app.config.version).to_string())
}

/// The document, completed.
pub(super) fn document(version: &str) -> Value {
    // A test reads it; a release without it could not have been made.
    let mut document: Value = serde_json::from_str(DOCUMENT).unwrap_or_default();
    if let Some(info) = document.pointer_mut("/info/version") {
        *info = json!(version);
    }
    if let Some(Value::Object(kind)) = document.pointer_mut("/components/schemas/Kind") {
        kind.insert("enum".to_owned(), ROWS.iter().map(|row| row.name).collect());
    }
    document
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What is no request of this interface: the page, other protocols, and the page about this document.
    const UNDESCRIBED: [&str; 8] =
        ["/", "/ws", "/socket.io", "/socket.io/", "/api", "/admin", "/admin/", "/admin/{*file}"];

    #[test]
    fn every_route_is_described_with_its_method_and_nothing_else_is() {
        let router = include_str!("../router.rs");
        let routes = router.split(".route(\"").skip(1).filter_map(|rest| {
            let (path, rest) = rest.split_once("\", ")?;
            Some((path, rest.split_once('(')?.0))
        });
        let routed: BTreeSet<_> = routes.filter(|(path, _)| !UNDESCRIBED.contains(path)).collect();
        let document = document("1");
        let described: BTreeSet<_> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, operations)| {
                operations.as_object().unwrap().keys().map(move |is| (path.as_str(), is.as_str()))
            })
            .collect();
        assert_eq!(routed, described);
        assert!(described.len() > 15);
    }

    #[test]
    fn no_key_stands_twice() {
        // A parser keeps one of two without a word, so the text is compared with what it made of it.
        let keys = |text: &str| text.split('"').skip(2).step_by(2).filter(|after| after.starts_with(':')).count();
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let unescaped = DOCUMENT.replace("\\\\", "").replace("\\\"", "");
        let again = document.to_string().replace("\\\\", "").replace("\\\"", "");
        assert_eq!(keys(&unescaped), keys(&again));
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_part_is_referred_to() {
        fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str));
                    fields.values().for_each(|field| references(field, found));
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document = document("1");
        let mut referred = BTreeSet::new();
        references(&document, &mut referred);
        for reference in &referred {
            assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
        }
        for part in ["schemas", "responses"] {
            for name in document["components"][part].as_object().unwrap().keys() {
                assert!(referred.contains(format!("#/components/{part}/{name}").as_str()), "{part} {name}");
            }
        }
    }
}
