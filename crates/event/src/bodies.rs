//! What never reaches a wire: file bodies and giant strings are taken out of a payload, leaving their size and hash.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The longest string, in bytes, that a payload carries whole. A frame of a few such strings stays far below 1 MiB.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// How much of a longer string stays, in bytes: two screens of text.
const TEXT_BYTES_KEPT: usize = 2 * 1024;

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

/// Takes file bodies out of a hook's payload and shortens what is too long. Returns what was cut.
pub fn withhold(data: &mut Value) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let tool = data.get("tool_name").and_then(Value::as_str).unwrap_or_default().to_owned();
    withhold_call(data, &tool, "", &mut cuts);
    if let Some(calls) = data.get_mut("tool_calls").and_then(Value::as_array_mut) {
        for (index, call) in calls.iter_mut().enumerate() {
            let tool = call.get("tool_name").and_then(Value::as_str).unwrap_or_default().to_owned();
            withhold_call(call, &tool, &format!("/tool_calls/{index}"), &mut cuts);
            if holds_file(&tool)
                && let Some(response) = call.get_mut("tool_response")
                && !response.is_object()
            {
                take(response, format!("/tool_calls/{index}/tool_response"), &mut cuts);
            }
        }
    }
    shorten(data, &mut String::new(), 0, &mut cuts);
    cuts
}

/// Whether any string is too long to stay whole.
pub fn is_long(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() > TEXT_BYTES_MAX,
        Value::Array(items) => items.iter().any(is_long),
        Value::Object(fields) => fields.values().any(is_long),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Shortens what is too long in a payload that is no hook's.
pub fn shorten_only(data: &mut Value) -> Vec<Cut> {
    let mut cuts = Vec::new();
    shorten(data, &mut String::new(), 0, &mut cuts);
    cuts
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
                for field in ["old_string", "new_string"] {
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
        let fields =
            ["content", "originalFile", "oldString", "newString", "structuredPatch", "edits", "old_source", "new_source"];
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
                let key = key.replace('~', "~0").replace('/', "~1");
                inside(path, &key, |path| shorten(field, path, depth + 1, cuts));
            }
        }
        _ => {}
    }
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
    fn a_giant_string_is_shortened_at_a_character_and_said_so() {
        let mut data = json!({"message": "é".repeat(20_000)});
        let cuts = withhold(&mut data);
        assert_eq!(cuts[0].reason, Reason::Size);
        assert_eq!(cuts[0].bytes, 40_000);
        assert!(data["message"].as_str().unwrap().len() <= 2048);
    }
}
