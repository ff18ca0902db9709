//! Answers `GET /api/v1/sessions/{id}/transcript`: what was said, from the client's own file, from its end back.
//!
//! Nothing of it is stored here. It is read a window at a time, so a file of a gigabyte costs as much as a small one;
//! credentials are replaced as everywhere, and it is told to those alone who may read what is withheld.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use axum::Extension;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Response;
use event::redact;
use event::wire::spans::Status;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::spans;
use crate::access::Granted;
use crate::app::App;
use crate::files;
use crate::ingest::transcripts::main_file;

/// Turns in a window, if nothing else is asked for.
const TURNS: usize = 5;

/// The most turns in a window.
const TURNS_MAX: usize = 50;

/// Bytes of the file in a window: a turn may be longer, and goes on in the next one.
const WINDOW_BYTES: u64 = 4 << 20;

/// Bytes of one text; longer ones are cut, and say so.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// What may be asked for.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    before: Option<u64>,
    limit: Option<usize>,
    agent: Option<String>,
}

/// `{"entries": [Entry…], "next"?, "bytes"}`, oldest first; `next` goes into `before` for the window before this one.
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    Extension(granted): Extension<Granted>,
    session_id: Result<Path<String>, PathRejection>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let Path(session_id) = session_id.map_err(|error| Problem::bad_request(error.body_text()))?;
    let Query(wanted) = wanted.map_err(|error| Problem::query(&error))?;
    let turns = wanted.limit.unwrap_or(TURNS);
    if !(1..=TURNS_MAX).contains(&turns) {
        return Err(Problem::bad_request(format!("limit must be 1 to {TURNS_MAX}, and is {turns}")));
    }
    granted.may_read("what was said")?;
    let session = app.hub.state().sessions.get(&session_id).cloned();
    let session = session.ok_or_else(|| super::sessions::unknown(&session_id))?;
    let path = main_file(&session).ok_or_else(|| gone("nothing told where its transcript lies"))?;
    let path = match wanted.agent.as_deref() {
        None => path,
        Some(agent) => {
            of_agent(&path, agent).ok_or_else(|| Problem::bad_request(format!("{agent:?} is no agent's id")))?
        }
    };
    let reading = tokio::task::spawn_blocking(move || {
        let mut window = read(&path, wanted.before, turns)?;
        join(&app, &session_id, session.corrections, &mut window.entries);
        Ok::<_, io::Error>(window)
    });
    let window = reading.await.map_err(Problem::store)?.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => gone("the client has removed it: it keeps transcripts for `cleanupPeriodDays`"),
        _ => gone(&error.to_string()),
    })?;
    let entries: Vec<Value> = window.entries.into_iter().map(Value::Object).collect();
    let mut answer = json!({ "entries": entries, "bytes": window.bytes });
    if let Some(next) = window.next {
        answer["next"] = next.into();
    }
    Ok(super::json(answer.to_string()))
}

fn gone(why: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no_transcript", format!("there is no transcript of this session: {why}"))
        .suggest("The calls of the session are in its events")
}

/// The transcript of a subagent, beside its session's.
fn of_agent(main: &std::path::Path, agent: &str) -> Option<PathBuf> {
    let is_id = !agent.is_empty()
        && agent.len() <= 128
        && agent.chars().all(|it| it.is_ascii_alphanumeric() || "-_".contains(it));
    is_id.then(|| main.with_extension("").join("subagents").join(format!("agent-{agent}.jsonl")))
}

struct Window {
    entries: Vec<Map<String, Value>>,
    /// Where the window before this one ends.
    next: Option<u64>,
    /// How long the file is.
    bytes: u64,
}

/// Reads back from `before` until there are so many turns, or a window's bytes are read.
fn read(path: &std::path::Path, before: Option<u64>, turns: usize) -> io::Result<Window> {
    let (mut file, meta) = files::open(path)?;
    if meta.uid() != rustix::process::getuid().as_raw() {
        return Err(io::Error::other("it is no file of this user"));
    }
    let end = before.unwrap_or(meta.len()).min(meta.len());
    let begin = end.saturating_sub(WINDOW_BYTES);
    let mut bytes = vec![0; usize::try_from(end - begin).unwrap_or(0)];
    file.seek(SeekFrom::Start(begin))?;
    file.read_exact(&mut bytes)?;
    // The first line is whole only at the file's beginning; a line longer than a window is passed over.
    let whole_from =
        if begin == 0 { 0 } else { bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1) };
    let mut lines: Vec<(usize, usize)> = Vec::new();
    let mut at = whole_from;
    while let Some(length) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        lines.push((at, at + length));
        at += length + 1;
    }
    let mut entries = Vec::new();
    let mut seen = 0;
    let mut first = lines.first().map_or(begin, |(from, _)| begin + *from as u64);
    for (from, to) in lines.iter().rev() {
        let offset = begin + *from as u64;
        let Some(entry) = entry(&bytes[*from..*to], offset) else { continue };
        let begins_turn = entry.get("is_prompt") == Some(&Value::Bool(true));
        entries.push(entry);
        seen += usize::from(begins_turn);
        if seen >= turns {
            first = offset;
            break;
        }
    }
    entries.reverse();
    let next = (first > 0 && first < end).then_some(first).or((first > 0 && begin > 0).then_some(begin));
    Ok(Window { entries, next, bytes: meta.len() })
}

/// What a person reads of a line; `None` when that is nothing.
fn entry(line: &[u8], offset: u64) -> Option<Map<String, Value>> {
    let line: Value = serde_json::from_slice(line).ok()?;
    let kind = line.get("type")?.as_str()?;
    let is_compaction = kind == "system" && line.get("subtype").and_then(Value::as_str) == Some("compact_boundary");
    if !matches!(kind, "user" | "assistant") && !is_compaction {
        return None;
    }
    let mut entry = Map::new();
    entry.insert("offset".to_owned(), offset.into());
    entry.insert("role".to_owned(), if is_compaction { "compaction".into() } else { kind.into() });
    let copy = |entry: &mut Map<String, Value>, name: &str, from: Option<&Value>| {
        if let Some(text) = from.and_then(Value::as_str) {
            entry.insert(name.to_owned(), text.into());
        }
    };
    copy(&mut entry, "time", line.get("timestamp"));
    copy(&mut entry, "uuid", line.get("uuid"));
    copy(&mut entry, "prompt_id", line.get("promptId"));
    let message = line.get("message");
    copy(&mut entry, "model", message.and_then(|message| message.get("model")));
    copy(&mut entry, "message_id", message.and_then(|message| message.get("id")));
    let content = message.and_then(|message| message.get("content")).or_else(|| line.get("content"));
    let blocks: Vec<Value> = match content {
        Some(Value::String(said)) => vec![block("text", said)],
        Some(Value::Array(blocks)) => blocks.iter().filter_map(block_of).collect(),
        _ => return None,
    };
    let is_said = blocks.iter().any(|block| block["type"] == "text");
    let is_summary = line.get("isCompactSummary") == Some(&Value::Bool(true));
    let is_meta = line.get("isMeta") == Some(&Value::Bool(true)) || is_summary;
    if kind == "user" && is_said && !is_meta {
        entry.insert("is_prompt".to_owned(), true.into());
    }
    if is_summary {
        entry.insert("is_summary".to_owned(), true.into());
    }
    entry.insert("blocks".to_owned(), blocks.into());
    Some(entry)
}

fn block_of(block_read: &Value) -> Option<Value> {
    let text = |key: &str| block_read.get(key).and_then(Value::as_str);
    Some(match text("type")? {
        "text" => block("text", text("text")?),
        "thinking" => block("thinking", text("thinking")?),
        "tool_use" => {
            let mut input = block_read.get("input").cloned().unwrap_or_default();
            redact::value(&mut input);
            let mut shown = block("tool_use", &input.to_string());
            shown["tool_use_id"] = text("id").unwrap_or_default().into();
            shown["tool"] = text("name").unwrap_or_default().into();
            shown
        }
        "tool_result" => {
            let said = match block_read.get("content") {
                Some(Value::String(said)) => said.clone(),
                Some(Value::Array(parts)) => {
                    let parts = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str));
                    parts.collect::<Vec<_>>().join("\n")
                }
                _ => String::new(),
            };
            let mut shown = block("tool_result", &said);
            shown["tool_use_id"] = text("tool_use_id").unwrap_or_default().into();
            if block_read.get("is_error") == Some(&Value::Bool(true)) {
                shown["is_error"] = true.into();
            }
            shown
        }
        other => json!({ "type": other, "text": "" }),
    })
}

/// A text without credentials, and not longer than it may be.
fn block(kind: &str, said: &str) -> Value {
    // Replaced first: half of a credential is recognised by nobody.
    let said = redact::text(said);
    let end = said.floor_char_boundary(TEXT_BYTES_MAX);
    let mut block = json!({ "type": kind, "text": &said[..end] });
    if end < said.len() {
        block["cut_bytes"] = (said.len() - end).into();
    }
    block
}

/// Puts beside each call what its hooks tell: its events, and how it ended.
fn join(app: &App, session_id: &str, corrections: u64, entries: &mut [Map<String, Value>]) {
    let kept = app.stories.of(session_id, corrections);
    let mut story = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if spans::read_on(&mut story, session_id, &app.reader).is_err() {
        return;
    }
    let calls = |entry: &Map<String, Value>| -> Vec<String> {
        let blocks = entry.get("blocks").and_then(Value::as_array);
        let ids = blocks.into_iter().flatten().filter_map(|block| block["tool_use_id"].as_str());
        ids.map(str::to_owned).collect()
    };
    let wanted: HashSet<String> = entries.iter().flat_map(calls).collect();
    let known: HashMap<&str, (u64, Option<u64>, Status)> = story
        .calls()
        .filter(|span| wanted.contains(&span.id))
        .map(|span| (span.id.as_str(), (span.seq, span.end_seq, span.status)))
        .collect();
    for block in entries.iter_mut().filter_map(|entry| entry.get_mut("blocks")?.as_array_mut()).flatten() {
        let call = block["tool_use_id"].as_str().and_then(|id| known.get(id)).copied();
        if let Some((seq, end_seq, status)) = call {
            block["seq"] = if block["type"] == "tool_result" { end_seq.unwrap_or(seq) } else { seq }.into();
            block["status"] = json!(status);
        }
    }
}
