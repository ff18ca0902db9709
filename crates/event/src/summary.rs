//! One line that tells a person what an event is about.

use serde_json::Value;

use crate::event::Fact;
use crate::vocabulary::Kind;

/// The longest summary, in characters: what fits into a row of a wide window.
pub const CHARS_MAX: usize = 160;

/// The summary of a fact that came from a hook.
pub fn of(fact: &Fact) -> String {
    let text = |key: &str| fact.text(key).unwrap_or_default();
    let told = match fact.kind {
        Kind::SessionContinued => "Session continued after its compaction".to_owned(),
        Kind::SessionStarted => match text("source") {
            "" => "Session started".to_owned(),
            source => format!("Session started ({source})"),
        },
        Kind::SessionEnded => format!("Session ended ({})", or(text("reason"), "no reason given")),
        Kind::SessionSetUp => format!("Setup ({})", text("trigger")),
        Kind::CwdChanged => format!("cd {}", text("new_cwd")),
        Kind::DirectoryAdded => format!("Added {}", text("directory")),
        Kind::WorktreeCreated => format!("Worktree {}", text("name")),
        Kind::WorktreeRemoved => format!("Worktree removed: {}", text("worktree_path")),
        Kind::CompactionStarted => format!("Compaction started ({})", text("trigger")),
        Kind::CompactionFinished => format!("Compaction finished ({})", text("trigger")),
        Kind::CompactionSummarized => "Compaction summary".to_owned(),
        Kind::PromptSubmitted | Kind::PromptExpanded => text("prompt").to_owned(),
        Kind::BackgroundTaskFinished => background_task(text("prompt")).to_owned(),
        Kind::ToolCallStarted | Kind::PermissionRequested => call(fact),
        Kind::ToolCallFinished => finished(fact),
        Kind::ToolCallFailed => format!("{} · {}", failure(text("error")), call(fact)),
        Kind::PermissionDenied => format!("Denied: {} · {}", call(fact), text("reason")),
        Kind::ToolBatchFinished => batch(&fact.data),
        Kind::NotificationSent => text("message").to_owned(),
        Kind::ElicitationRequested => format!("{} asks: {}", text("mcp_server_name"), text("message")),
        Kind::ElicitationAnswered => format!("{}: {}", text("mcp_server_name"), text("action")),
        Kind::TurnFinished | Kind::AgentFinished => or(text("last_assistant_message"), "Finished").to_owned(),
        Kind::TurnFailed => format!("{}: {}", or(text("error"), "Failed"), text("last_assistant_message")),
        Kind::AgentStarted => format!("{} started", fact.agent_type.as_deref().unwrap_or("Subagent")),
        Kind::TeammateIdle => format!("{} is idle", text("teammate_name")),
        Kind::ConfigChanged => format!("{} changed", or(text("file_path"), text("source"))),
        Kind::FileChanged => format!("{} {}", text("event"), text("file_path")),
        Kind::MemoryLoaded | Kind::MemoryInjected => relative(text("file_path"), fact.cwd.as_deref()).to_owned(),
        Kind::TodoUpdated => text("task_subject").to_owned(),
        Kind::ModelSwitchRequested | Kind::ModelSwitched => format!("{} → {}", text("from_model"), text("to_model")),
        Kind::ClaudeOutput => or(text("delta"), text("content")).to_owned(),
        _ => or(text("message"), text("hook_event_name")).to_owned(),
    };
    let told = line(&told);
    if told.is_empty() { line(fact.kind.name()) } else { told }
}

/// What a tool call is about: the command, the file, the pattern, the task.
pub fn call(fact: &Fact) -> String {
    let input = fact.data.get("tool_input").unwrap_or(&Value::Null);
    let text = |key: &str| input.get(key).and_then(Value::as_str).unwrap_or_default();
    let cwd = fact.cwd.as_deref();
    let told = match fact.tool_name.as_deref().unwrap_or_default() {
        "Bash" | "BashOutput" | "KillShell" => text("command").to_owned(),
        "Read" => read(input, cwd),
        "Write" | "Edit" | "MultiEdit" => relative(text("file_path"), cwd).to_owned(),
        "NotebookEdit" => relative(text("notebook_path"), cwd).to_owned(),
        "Grep" => match text("path") {
            "" => format!("\"{}\"", text("pattern")),
            path => format!("\"{}\" in {}", text("pattern"), relative(path, cwd)),
        },
        "Glob" => text("pattern").to_owned(),
        "WebFetch" => text("url").to_owned(),
        "WebSearch" => text("query").to_owned(),
        "Agent" | "Task" => format!("→ {} · {}", or(text("subagent_type"), "agent"), text("description")),
        "TaskCreate" => text("subject").to_owned(),
        "TaskUpdate" => format!("{} {}", or(text("taskId"), text("task_id")), text("status")),
        "Skill" => or(text("skill"), text("command")).to_owned(),
        "AskUserQuestion" => {
            input.pointer("/questions/0/question").and_then(Value::as_str).unwrap_or("A question").to_owned()
        }
        "ExitPlanMode" => format!("Plan: {}", text("plan")),
        "TodoWrite" => todos(input),
        _ => first_text(input),
    };
    let told = line(&told);
    // EnterPlanMode has an empty input.
    if told.is_empty() { line(fact.tool_name.as_deref().unwrap_or_default()) } else { told }
}

/// Any text as one line: no control or direction characters, single spaces, at most [`CHARS_MAX`] characters.
pub fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(CHARS_MAX * 2));
    let mut chars = 0;
    let mut space = false;
    for letter in text.chars() {
        if letter.is_whitespace() {
            space = !line.is_empty();
            continue;
        }
        if letter.is_control() || is_invisible(letter) {
            continue;
        }
        let width = 1 + usize::from(space);
        if chars + width > CHARS_MAX - 1 {
            line.push('…');
            break;
        }
        if std::mem::take(&mut space) {
            line.push(' ');
        }
        line.push(letter);
        chars += width;
    }
    line
}

/// Characters that show nothing and can make text read as something else: directions, joiners, byte order marks.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `path` as seen from `cwd`, when it lies inside.
pub fn relative<'a>(path: &'a str, cwd: Option<&str>) -> &'a str {
    let inside = cwd.and_then(|cwd| path.strip_prefix(cwd.trim_end_matches('/'))?.strip_prefix('/'));
    inside.filter(|inside| !inside.is_empty()).unwrap_or(path)
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn read(input: &Value, cwd: Option<&str>) -> String {
    let path = relative(input.get("file_path").and_then(Value::as_str).unwrap_or_default(), cwd);
    let number = |key: &str| input.get(key).and_then(Value::as_u64);
    match (number("offset"), number("limit")) {
        (Some(first), Some(count)) => format!("{path} lines {first}–{}", first.saturating_add(count).saturating_sub(1)),
        (Some(first), None) => format!("{path} from line {first}"),
        _ => path.to_owned(),
    }
}

fn finished(fact: &Fact) -> String {
    let told = call(fact);
    let Some(change) = fact.data.get("change") else { return told };
    let lines = |key: &str| change.get(key).and_then(Value::as_u64).unwrap_or_default();
    format!("{told} +{} −{}", lines("added"), lines("removed"))
}

/// The first line of an error says what it is (`Exit code 3`), the last one often why.
fn failure(error: &str) -> String {
    let mut lines = error.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("Failed");
    match (first.strip_prefix("Exit code "), lines.next_back()) {
        (Some(code), Some(last)) => format!("exit {code} · {last}"),
        (Some(code), None) => format!("exit {code}"),
        _ => first.to_owned(),
    }
}

fn batch(data: &Value) -> String {
    let calls = data.get("tool_calls").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let names: Vec<&str> = calls.iter().filter_map(|call| call.get("tool_name")?.as_str()).take(6).collect();
    format!("{} {}: {}", calls.len(), if calls.len() == 1 { "call" } else { "calls" }, names.join(", "))
}

fn todos(input: &Value) -> String {
    let todos = input.get("todos").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let is = |todo: &&Value, status: &str| todo.get("status").and_then(Value::as_str) == Some(status);
    let done = todos.iter().filter(|todo| is(todo, "completed")).count();
    let now = todos.iter().find(|todo| is(todo, "in_progress")).and_then(|todo| todo.get("content")?.as_str());
    match now {
        Some(now) => format!("{done} of {} done · now: {now}", todos.len()),
        None => format!("{done} of {} done", todos.len()),
    }
}

fn background_task(prompt: &str) -> &str {
    or(tagged(prompt, "summary").unwrap_or_default(), "Background task finished")
}

/// What stands between `<tag>` and `</tag>`.
pub(crate) fn tagged<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{tag}>"))?;
    Some(rest.split_once(&format!("</{tag}>"))?.0)
}

/// For tools this version does not know: the first string of the input.
fn first_text(input: &Value) -> String {
    input.as_object().and_then(|fields| fields.values().find_map(Value::as_str)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_control_characters_and_an_end() {
        assert_eq!(line("a\n\tb\u{1b}[31m\u{202e}c\u{0}"), "a b[31mc");
        let long = line(&"x ".repeat(500));
        assert_eq!(long.chars().count(), CHARS_MAX);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_path_is_told_from_the_working_directory() {
        assert_eq!(relative("/w/app/src/a.rs", Some("/w/app")), "src/a.rs");
        assert_eq!(relative("/w/application/a.rs", Some("/w/app")), "/w/application/a.rs");
    }
}
