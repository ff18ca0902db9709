//! What never reaches a wire: file bodies and giant strings are taken out of a payload, leaving their size and hash.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::summary;

/// The longest string, in bytes, that a payload carries whole. A frame of a few such strings stays far below 1 MiB.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// How much of a longer string stays, in bytes: two screens of text.
const TEXT_BYTES_KEPT: usize = 2 * 1024;

/// The most bytes of a whole payload on a wire: with all that is added around it a frame stays below 1 MiB.
const PAYLOAD_BYTES_MAX: usize = 512 * 1024;

/// A field of this many bytes is never the one that makes a payload too large.
const FIELD_BYTES_SMALL: usize = 256;

/// Fields that stay of a payload that has more than fit.
const FIELDS_MAX: usize = 256;

/// Fields that say whose payload it is.
const FIELDS_ALWAYS: [&str; 8] =
    ["session_id", "hook_event_name", "tool_name", "tool_use_id", "agent_id", "agent_type", "prompt_id", "cwd"];

/// How deep a payload is walked. `serde_json` itself gives up at 128 levels.
const DEPTH_MAX: usize = 128;

/// One value that was withheld or shortened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Where, as a JSON pointer into `data`.
    pub path: String,
    /// How large it was, in bytes.
    pub bytes: usize,
    /// Why.
    pub reason: Reason,
}

/// Why a value was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// It is the body of a file.
    Body,
    /// It is longer than [`TEXT_BYTES_MAX`].
    Size,
}

/// Whether a whole payload may go out on a wire, its bodies included.
pub fn fits(whole: &Value) -> bool {
    whole.to_string().len() <= PAYLOAD_BYTES_MAX
}

/// Takes file bodies out of a hook's payload and shortens what is too long. Returns what was cut.
pub fn withhold(data: &mut Value) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let tool = data.get("tool_name").and_then(Value::as_str).unwrap_or_default().to_owned();
    withhold_call(data, &tool, "", &mut cuts);
    if let Some(calls) = data.get_mut("tool_calls").and_then(Value::as_array_mut) {
        for (index, call) in calls.iter_mut().enumerate() {
            let tool = call.get("tool_name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let said = said_first(&tool, call);
            withhold_call(call, &tool, &format!("/tool_calls/{index}"), &mut cuts);
            if holds_file(&tool)
                && let Some(response) = call.get_mut("tool_response")
            {
                if !response.is_object() {
                    take(response, format!("/tool_calls/{index}/tool_response"), &mut cuts);
                }
                if let Some(said) = said {
                    response["first_line"] = Value::String(said);
                }
            }
        }
    }
    if holds_file(&tool)
        && let Some(Value::String(error)) = data.get_mut("error")
        && let Some((first, _)) = error.split_once('\n')
    {
        // "String to replace not found in file." and then the string.
        cuts.push(Cut { path: "/error".to_owned(), bytes: error.len(), reason: Reason::Body });
        *error = first.to_owned();
    }
    shorten(data, &mut String::new(), 0, &mut cuts);
    bound(data, &mut cuts);
    cuts
}

/// What the model was told of a call: its first line, where that is no line of a file. Errors and refusals are in it.
fn said_first(tool: &str, call: &Value) -> Option<String> {
    let text = call.get("tool_response")?.as_str()?.trim_start();
    let first = text.lines().next()?;
    let is_error = first.starts_with("<tool_use_error>");
    let is_numbered = || {
        let rest = first.trim_start_matches(|letter: char| letter.is_ascii_digit());
        rest.len() < first.len() && rest.starts_with(['→', '\t'])
    };
    let is_content = match tool {
        "Grep" => !is_error,
        "Read" | "NotebookRead" => is_numbered(),
        _ => false,
    };
    (!is_content).then(|| summary::line(first))
}

/// Whether anything has to be shortened: a long string, or too much altogether.
pub fn is_long(value: &Value) -> bool {
    fn has_long_text(value: &Value) -> bool {
        match value {
            Value::String(text) => text.len() > TEXT_BYTES_MAX,
            Value::Array(items) => items.iter().any(has_long_text),
            Value::Object(fields) => fields.values().any(has_long_text),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    has_long_text(value) || is_heavy(value)
}

/// Whether a payload is too much for a frame. Most are far below, which is seen without reading their strings.
fn is_heavy(value: &Value) -> bool {
    weight(value, |text| text.len() * 6) > PAYLOAD_BYTES_MAX && weight(value, escaped_bytes) > PAYLOAD_BYTES_MAX
}

/// The bytes of a string in JSON: a control character takes six.
fn escaped_bytes(text: &str) -> usize {
    text.len() + 5 * text.bytes().filter(u8::is_ascii_control).count()
}

/// Takes one field out as a file's body.
pub fn withhold_field(data: &mut Value, field: &str) -> Vec<Cut> {
    let mut cuts = Vec::new();
    take_field(data, field, "", &mut cuts);
    cuts
}

/// Shortens what is too long in a payload that is no hook's.
pub fn shorten_only(data: &mut Value) -> Vec<Cut> {
    let mut cuts = Vec::new();
    shorten(data, &mut String::new(), 0, &mut cuts);
    bound(data, &mut cuts);
    cuts
}

/// Makes a payload of many small values fit into a frame: the largest fields leave their size and hash only.
fn bound(data: &mut Value, cuts: &mut Vec<Cut>) {
    if !is_heavy(data) {
        return;
    }
    match data {
        Value::Object(fields) => {
            let mut by_weight: Vec<(usize, String)> =
                fields.iter().map(|(key, field)| (weight(field, escaped_bytes), key.clone())).collect();
            by_weight.sort_unstable_by(|a, b| b.cmp(a));
            let mut total: usize = by_weight.iter().map(|(weight, _)| weight).sum();
            for (weight, key) in by_weight {
                if total <= PAYLOAD_BYTES_MAX || weight <= FIELD_BYTES_SMALL {
                    break;
                }
                total -= weight;
                if let Some(field) = fields.get_mut(&key) {
                    withdraw(field, format!("/{}", escaped(&key)), cuts);
                }
            }
            // Nothing large, but more fields than anybody reads.
            if total > PAYLOAD_BYTES_MAX {
                let mut place = 0;
                fields.retain(|key, _| {
                    place += 1;
                    place <= FIELDS_MAX || FIELDS_ALWAYS.contains(&key.as_str())
                });
                cuts.push(Cut { path: String::new(), bytes: total, reason: Reason::Size });
            }
        }
        other => withdraw(other, String::new(), cuts),
    }
}

/// Takes a value out because of its size; cuts inside of it are gone with it.
fn withdraw(value: &mut Value, path: String, cuts: &mut Vec<Cut>) {
    cuts.retain(|cut| !cut.path.strip_prefix(&path).is_some_and(|rest| rest.starts_with('/')));
    take(value, path, cuts);
    if let Some(cut) = cuts.last_mut() {
        cut.reason = Reason::Size;
    }
}

/// About how many bytes a value takes as JSON, `of_text` telling it of strings.
fn weight(value: &Value, of_text: fn(&str) -> usize) -> usize {
    match value {
        Value::String(text) => 2 + of_text(text),
        Value::Array(items) => 2 + items.iter().map(|item| 1 + weight(item, of_text)).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields.iter().map(|(key, field)| 4 + of_text(key) + weight(field, of_text)).sum::<usize>()
        }
        Value::Number(_) => 20,
        Value::Null | Value::Bool(_) => 5,
    }
}

fn holds_file(tool: &str) -> bool {
    matches!(tool, "Read" | "Write" | "Edit" | "MultiEdit" | "NotebookEdit" | "NotebookRead" | "Grep")
}

fn withhold_call(call: &mut Value, tool: &str, at: &str, cuts: &mut Vec<Cut>) {
    if !holds_file(tool) {
        return;
    }
    if let Some(input) = call.get_mut("tool_input") {
        for field in ["content", "old_string", "new_string", "new_source"] {
            take_field(input, field, &format!("{at}/tool_input"), cuts);
        }
        if let Some(edits) = input.get_mut("edits").and_then(Value::as_array_mut) {
            for (index, edit) in edits.iter_mut().enumerate() {
                for field in ["old_string", "new_string", "old_line", "new_line"] {
                    take_field(edit, field, &format!("{at}/tool_input/edits/{index}"), cuts);
                }
            }
        }
    }
    if let Some(response) = call.get_mut("tool_response") {
        let at = format!("{at}/tool_response");
        if response.is_string() {
            take(response, at, cuts);
            return;
        }
        let fields = [
            "content",
            "originalFile",
            "oldString",
            "newString",
            "structuredPatch",
            "edits",
            "old_source",
            "new_source",
        ];
        for field in fields {
            take_field(response, field, &at, cuts);
        }
        if let Some(file) = response.get_mut("file") {
            for field in ["content", "base64", "cells"] {
                take_field(file, field, &format!("{at}/file"), cuts);
            }
        }
    }
}

fn take_field(object: &mut Value, field: &str, at: &str, cuts: &mut Vec<Cut>) {
    if let Some(value) = object.get_mut(field)
        && !value.is_null()
    {
        take(value, format!("{at}/{field}"), cuts);
    }
}

/// Replaces a body by its size, its number of lines and its hash.
fn take(value: &mut Value, path: String, cuts: &mut Vec<Cut>) {
    let text = match std::mem::take(value) {
        Value::String(text) => text,
        other => other.to_string(),
    };
    cuts.push(Cut { path, bytes: text.len(), reason: Reason::Body });
    *value = json!({ "bytes": text.len(), "lines": text.lines().count(), "sha256": sha256(text.as_bytes()) });
}

/// The SHA-256 of `bytes` in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn shorten(value: &mut Value, path: &mut String, depth: usize, cuts: &mut Vec<Cut>) {
    if depth > DEPTH_MAX {
        return;
    }
    match value {
        Value::String(text) if text.len() > TEXT_BYTES_MAX => {
            cuts.push(Cut { path: path.clone(), bytes: text.len(), reason: Reason::Size });
            text.truncate(text.floor_char_boundary(TEXT_BYTES_KEPT));
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                inside(path, &index.to_string(), |path| shorten(item, path, depth + 1, cuts));
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                inside(path, &escaped(key), |path| shorten(field, path, depth + 1, cuts));
            }
        }
        _ => {}
    }
}

/// A key as a step of a JSON pointer.
fn escaped(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) { Cow::Owned(key.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(key) }
}

fn inside(path: &mut String, step: &str, visit: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(step);
    visit(path);
    path.truncate(length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_leaves_its_size_and_hash_only() {
        let mut data = json!({"tool_name": "Write", "tool_input": {"file_path": "/w/a.txt", "content": "one\ntwo\n"}});
        let cuts = withhold(&mut data);
        assert_eq!(cuts, [Cut { path: "/tool_input/content".into(), bytes: 8, reason: Reason::Body }]);
        assert_eq!(data["tool_input"]["file_path"], "/w/a.txt");
        assert_eq!(data["tool_input"]["content"]["lines"], 2);
        assert!(!data.to_string().contains("two"));
    }

    #[test]
    fn the_text_a_batch_gives_the_model_is_withheld_for_file_tools_alone() {
        let mut data = json!({"tool_calls": [
            {"tool_name": "Read", "tool_input": {"file_path": "/w/a"}, "tool_use_id": "1", "tool_response": "1→secret of the file"},
            {"tool_name": "Bash", "tool_input": {"command": "ls"}, "tool_use_id": "2", "tool_response": "a.txt"}]});
        withhold(&mut data);
        assert!(!data.to_string().contains("secret of the file"));
        assert_eq!(data["tool_calls"][1]["tool_response"], "a.txt");
    }

    #[test]
    fn why_a_file_tool_failed_is_told_without_what_it_was_about() {
        let call = |tool: &str, response: &str| json!({"tool_calls": [{"tool_name": tool, "tool_response": response}]});
        let said = |tool: &str, response: &str| {
            let mut data = call(tool, response);
            withhold(&mut data);
            assert!(!data.to_string().contains("body"), "{data}");
            data["tool_calls"][0]["tool_response"]["first_line"].clone()
        };
        let unmatched = "<tool_use_error>String to replace not found in file.\nString: body</tool_use_error>";
        assert_eq!(said("Edit", unmatched), "<tool_use_error>String to replace not found in file.");
        assert_eq!(said("Write", "Not from the dashboard"), "Not from the dashboard");
        assert_eq!(said("Read", "     1→body\n     2→body"), Value::Null);
        assert_eq!(said("Read", "1\tbody"), Value::Null);
        assert_eq!(said("Grep", "src/a.rs:1:body"), Value::Null);
        let mut failed = json!({"tool_name": "Edit", "error": "String to replace not found in file.\nString: body"});
        assert_eq!(withhold(&mut failed)[0].path, "/error");
        assert_eq!(failed["error"], "String to replace not found in file.");
    }

    #[test]
    fn a_payload_of_many_values_fits_into_a_frame() {
        let small: Vec<Value> = (0..200_000).map(|number| json!(format!("value {number}"))).collect();
        let crowded: serde_json::Map<String, Value> =
            (0..100_000).map(|number| (format!("key {number}"), json!(number))).collect();
        let screens: Vec<Value> = (0..100).map(|_| json!("x".repeat(TEXT_BYTES_MAX))).collect();
        for (mut data, kept) in [
            (json!({"session_id": "s", "tool_input": {"list": small}}), "session_id"),
            (Value::Object(crowded), "key 0"),
            (json!({"message": "a", "screens": screens}), "message"),
            (
                json!([
                    "\u{0}".repeat(16_000),
                    "\u{0}".repeat(16_000),
                    "\u{0}".repeat(16_000),
                    vec!["\u{0}".repeat(16_000); 6]
                ]),
                "",
            ),
        ] {
            let cuts = withhold(&mut data);
            assert!(data.to_string().len() < 600 * 1024, "{}", data.to_string().len());
            assert!(cuts.iter().any(|cut| cut.reason == Reason::Size));
            assert!(kept.is_empty() || !data[kept].is_null());
        }
    }

    #[test]
    fn a_giant_string_is_shortened_at_a_character_and_said_so() {
        let mut data = json!({"message": "é".repeat(20_000)});
        let cuts = withhold(&mut data);
        assert_eq!(cuts[0].reason, Reason::Size);
        assert_eq!(cuts[0].bytes, 40_000);
        assert!(data["message"].as_str().unwrap().len() <= 2048);
    }
}
