//! The query language, by the table that the page is held to as well: `contract/filter.json`.

use event::event::Time;
use event::filter::{Filter, tokens_of};
use serde_json::{Map, Value};

#[test]
fn every_query_of_the_table_wants_the_events_it_says() {
    let text = include_str!("../../../contract/filter.json");
    let table: Value = serde_json::from_str(text).unwrap();
    let now = Time::parse(table["now"].as_str().unwrap()).unwrap();
    let events: &Map<String, Value> = table["events"].as_object().unwrap();
    for row in table["queries"].as_array().unwrap() {
        let query = row[0].as_str().unwrap();
        let filter = Filter::parse(query, now).unwrap_or_else(|error| panic!("{query:?}: {error}"));
        let wanted: Vec<&String> = events
            .iter()
            .filter(|(_, event)| filter.wants_json(event.to_string().as_bytes()))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(serde_json::to_value(&wanted).unwrap(), row[1], "{query:?}");
        for name in wanted {
            assert_found(&filter, query, &events[name]);
        }
    }
}

/// What is wanted has a token for one needle of each list: an index finds it.
fn assert_found(filter: &Filter, query: &str, event: &Value) {
    let mut tokens = Vec::new();
    tokens_of(event.to_string().as_bytes(), &mut |token| tokens.push(token.to_owned()));
    for one_of in filter.needles() {
        let is_found = one_of.iter().any(|needle| {
            tokens
                .iter()
                .any(|token| if needle.is_prefix { token.starts_with(&needle.token) } else { *token == needle.token })
        });
        assert!(is_found, "{query:?}: none of {one_of:?} in {tokens:?}");
    }
}
