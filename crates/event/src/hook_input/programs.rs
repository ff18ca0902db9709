//! Hooks of other agents than Claude Code, put into its words by one table: Codex, Gemini CLI and Cursor.
//!
//! Sources of the formats: Codex' `hooks.json` (Claude Code's own shape, with `turn_id`), the hooks reference of Gemini
//! CLI, and Cursor's `hooks.json`. Their tools get the names of Claude Code's that do the same, so that file bodies are
//! withheld and commands are read alike; what they were called stays in `original`.

use serde_json::{Map, Value, json};

/// An agent that is not Claude Code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Codex,
    Gemini,
    Cursor,
}
use Program::{Codex, Cursor, Gemini};

/// Which hook of which program is which of Claude Code's. What is in no row keeps its name.
#[rustfmt::skip]
const HOOKS: &[(Program, &str, &str)] = &[
    (Gemini, "BeforeAgent",          "UserPromptSubmit"),
    (Gemini, "AfterAgent",           "Stop"),
    (Gemini, "BeforeTool",           "PreToolUse"),
    (Gemini, "AfterTool",            "PostToolUse"),
    (Gemini, "PreCompress",          "PreCompact"),
    (Cursor, "sessionStart",         "SessionStart"),
    (Cursor, "sessionEnd",           "SessionEnd"),
    (Cursor, "beforeSubmitPrompt",   "UserPromptSubmit"),
    (Cursor, "stop",                 "Stop"),
    (Cursor, "preToolUse",           "PreToolUse"),
    (Cursor, "postToolUse",          "PostToolUse"),
    (Cursor, "postToolUseFailure",   "PostToolUseFailure"),
    (Cursor, "beforeShellExecution", "PreToolUse"),
    (Cursor, "afterShellExecution",  "PostToolUse"),
    (Cursor, "beforeMCPExecution",   "PreToolUse"),
    (Cursor, "afterMCPExecution",    "PostToolUse"),
    (Cursor, "beforeReadFile",       "PreToolUse"),
    (Cursor, "afterFileEdit",        "PostToolUse"),
    (Cursor, "beforeTabFileRead",    "PreToolUse"),
    (Cursor, "afterTabFileEdit",     "PostToolUse"),
    (Cursor, "subagentStart",        "SubagentStart"),
    (Cursor, "subagentStop",         "SubagentStop"),
    (Cursor, "preCompact",           "PreCompact"),
    (Cursor, "afterAgentResponse",   "MessageDisplay"),
];

/// Which tool of which program does what one of Claude Code's does.
#[rustfmt::skip]
const TOOLS: &[(Program, &str, &str)] = &[
    (Codex,  "apply_patch",         "Edit"),
    (Codex,  "shell",               "Bash"),
    (Gemini, "run_shell_command",   "Bash"),
    (Gemini, "read_file",           "Read"),
    (Gemini, "read_many_files",     "Read"),
    (Gemini, "write_file",          "Write"),
    (Gemini, "replace",             "Edit"),
    (Gemini, "search_file_content", "Grep"),
    (Gemini, "grep_search",         "Grep"),
    (Gemini, "glob",                "Glob"),
    (Gemini, "web_fetch",           "WebFetch"),
    (Gemini, "google_web_search",   "WebSearch"),
    (Gemini, "write_todos",         "TodoWrite"),
    (Cursor, "Shell",               "Bash"),
    (Cursor, "StrReplace",          "Edit"),
    (Cursor, "search_replace",      "Edit"),
    (Cursor, "edit_file",           "Edit"),
    (Cursor, "read_file",           "Read"),
    (Cursor, "run_terminal_cmd",    "Bash"),
];

/// Fields that are called otherwise, of the payload itself.
#[rustfmt::skip]
const FIELDS: &[(Program, &str, &str)] = &[
    (Codex,  "turn_id",         "prompt_id"),
    (Gemini, "prompt_response", "last_assistant_message"),
    (Cursor, "conversation_id", "session_id"),
    (Cursor, "generation_id",   "prompt_id"),
    (Cursor, "duration",        "duration_ms"),
    (Cursor, "error_message",   "error"),
    (Cursor, "subagent_id",     "agent_id"),
    (Cursor, "subagent_type",   "agent_type"),
    (Cursor, "summary",         "last_assistant_message"),
    (Cursor, "text",            "delta"),
];

/// Fields of a tool's input that are called otherwise, whoever calls them so.
const INPUTS: [(&str, &str); 7] = [
    ("absolute_path", "file_path"),
    ("target_file", "file_path"),
    ("path", "file_path"),
    ("contents", "content"),
    ("code_edit", "content"),
    ("old_str", "old_string"),
    ("new_str", "new_string"),
];

/// Fields that a person's address or a whole conversation is in, or a file: never kept.
const DROPPED: [&str; 4] = ["user_email", "llm_request", "llm_response", "attachments"];

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Codex => "codex",
            Gemini => "gemini",
            Cursor => "cursor",
        }
    }

    /// Whose hook this is, by what only that program writes; `None` for Claude Code's.
    fn of(payload: &Map<String, Value>) -> Option<Program> {
        let has = |key: &str| payload.get(key).is_some_and(Value::is_string);
        let text = |key: &str| payload.get(key).and_then(Value::as_str).unwrap_or_default();
        if has("conversation_id") || has("cursor_version") {
            return Some(Cursor);
        }
        let transcript = text("transcript_path");
        // Claude Code has turns, too, and always a transcript.
        let is_rollout = transcript.rsplit('/').next().is_some_and(|name| name.starts_with("rollout-"));
        if is_rollout || transcript.contains("/.codex/") || (has("turn_id") && !has("transcript_path")) {
            return Some(Codex);
        }
        let name = text("hook_event_name");
        let is_own = name.starts_with("Before") || name.starts_with("After") || name == "PreCompress";
        (is_own && has("timestamp") || transcript.contains("/.gemini/")).then_some(Gemini)
    }
}

/// Puts a hook of another program into Claude Code's words; Claude Code's own is left as it is.
pub(super) fn translate(payload: &mut Map<String, Value>) {
    let Some(program) = Program::of(payload) else { return };
    let text = |payload: &Map<String, Value>, key: &str| payload.get(key).and_then(Value::as_str).map(str::to_owned);
    let named = text(payload, "hook_event_name").unwrap_or_default();
    let mut original = json!({ "hook_event_name": named });
    keep_little(payload);
    for (_, theirs, ours) in FIELDS.iter().filter(|(of, ..)| *of == program) {
        rename(payload, theirs, ours);
    }
    if program == Cursor {
        of_cursor(payload, &named);
    }
    let hook =
        HOOKS.iter().find(|(of, theirs, _)| *of == program && *theirs == named).map_or(&*named, |(.., ours)| ours);
    payload.insert("hook_event_name".to_owned(), json!(hook));
    // Only Claude Code's transcripts are read.
    rename(payload, "transcript_path", "transcript_file");
    if let Some(tool) = text(payload, "tool_name") {
        original["tool_name"] = json!(tool);
        let ours = TOOLS.iter().find(|(of, theirs, _)| *of == program && *theirs == tool).map(|(.., ours)| *ours);
        let ours = ours.map_or_else(|| mcp_name(&tool), str::to_owned);
        if let Some(input) = payload.get_mut("tool_input") {
            translate_input(&ours, input);
        }
        payload.insert("tool_name".to_owned(), json!(ours));
        answered(payload, &ours);
    }
    payload.insert("original".to_owned(), original);
    payload.insert("agent_program".to_owned(), json!(program.name()));
    if payload.get("notification_type").is_some_and(|kind| kind == "ToolPermission") {
        payload.insert("notification_type".to_owned(), json!("permission_prompt"));
    }
}

/// Of what was asked of a model, which and how much; not the conversation.
fn keep_little(payload: &mut Map<String, Value>) {
    let model = payload.get("llm_request").and_then(|request| request.get("model")).cloned();
    let usage = payload.get("llm_response").and_then(|response| response.get("usageMetadata")).cloned();
    for field in DROPPED {
        payload.shift_remove(field);
    }
    for (key, value) in [("model", model), ("usage", usage)] {
        if let Some(value) = value {
            payload.insert(key.to_owned(), value);
        }
    }
}

/// Cursor's hooks of one kind of tool say what a call is in fields of their own.
fn of_cursor(payload: &mut Map<String, Value>, hook: &str) {
    // A file that is about to be read is nobody's business before it is, whatever the hook is called.
    payload.shift_remove("content");
    if !payload.contains_key("cwd")
        && let Some(root) = payload.get("workspace_roots").and_then(|roots| roots.get(0)).cloned()
    {
        payload.insert("cwd".to_owned(), root);
    }
    let (tool, fields): (_, &[&str]) = match hook {
        "beforeShellExecution" | "afterShellExecution" => ("Shell", &["command"]),
        "beforeReadFile" | "beforeTabFileRead" => ("Read", &["file_path"]),
        "afterFileEdit" | "afterTabFileEdit" => ("Edit", &["file_path", "edits"]),
        "beforeMCPExecution" | "afterMCPExecution" => {
            if let Some(tool) = payload.get("tool_name").and_then(Value::as_str) {
                let tool = format!("MCP:{tool}");
                payload.insert("tool_name".to_owned(), json!(tool));
            }
            unpack(payload, "tool_input");
            rename(payload, "result_json", "tool_response");
            unpack(payload, "tool_response");
            return;
        }
        _ => {
            rename(payload, "tool_output", "tool_response");
            unpack(payload, "tool_response");
            return;
        }
    };
    let input: Map<String, Value> =
        fields.iter().filter_map(|field| Some(((*field).to_owned(), payload.shift_remove(*field)?))).collect();
    payload.insert("tool_name".to_owned(), json!(tool));
    payload.insert("tool_input".to_owned(), Value::Object(input));
    if let Some(output) = payload.shift_remove("output") {
        payload.insert("tool_response".to_owned(), json!({ "stdout": output }));
    } else if tool == "Edit" {
        payload.insert("tool_response".to_owned(), json!({}));
    }
}

fn translate_input(tool: &str, input: &mut Value) {
    let Value::Object(fields) = input else { return };
    if matches!(tool, "Read" | "Write" | "Edit" | "MultiEdit") {
        for (theirs, ours) in INPUTS {
            rename(fields, theirs, ours);
        }
    }
    if tool == "TodoWrite" {
        for item in fields.get_mut("todos").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Value::Object(item) = item {
                rename(item, "description", "content");
            }
        }
    }
    if tool == "Bash" {
        // The same command in another hook of the call has no folder.
        fields.shift_remove("working_directory");
        fields.shift_remove("workdir");
        if let Some(Value::Array(words)) = fields.get("command") {
            let line = words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
            fields.insert("command".to_owned(), json!(line));
        }
    }
    if tool == "Edit"
        && let Some(patch) = fields.get("command").or(fields.get("input")).and_then(Value::as_str).map(str::to_owned)
    {
        // A patch of several files, as one text: its body goes where bodies are withheld.
        let marks = ["*** Update File: ", "*** Add File: ", "*** Delete File: "];
        let first =
            patch.lines().find_map(|line| marks.iter().find_map(|mark| line.strip_prefix(mark))).unwrap_or_default();
        *input = json!({ "file_path": first, "content": patch });
    }
}

/// What came of a call, where Claude Code's tools would say it.
fn answered(payload: &mut Map<String, Value>, tool: &str) {
    let Some(response) = payload.shift_remove("tool_response") else { return };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let code = ["exitCode", "exit_code"].iter().find_map(|key| response.get(*key)?.as_i64());
    let error = response.get("error").filter(|error| !error.is_null()).map(text);
    if let Some(error) = error.or_else(|| {
        let code = code.filter(|code| *code != 0)?;
        let said = ["stdout", "stderr", "output"].iter().filter_map(|key| response.get(*key)?.as_str());
        Some(format!("Exit code {code}\n{}", said.collect::<Vec<_>>().join("\n")))
    }) {
        payload.insert("hook_event_name".to_owned(), json!("PostToolUseFailure"));
        payload.insert("error".to_owned(), json!(error));
        return;
    }
    let response = match tool {
        "Bash" => {
            let said = ["stdout", "output", "llmContent"].iter().find_map(|key| response.get(*key));
            let stdout = said.map_or_else(|| text(&response), text);
            json!({ "stdout": stdout, "stderr": response.get("stderr").map(text).unwrap_or_default() })
        }
        // As a text it is withheld whole.
        "Read" | "Write" | "Edit" | "MultiEdit" | "Grep" => json!(text(&response)),
        _ => response,
    };
    payload.insert("tool_response".to_owned(), response);
}

/// `MCP:search` in the form that says which are of MCP.
fn mcp_name(tool: &str) -> String {
    match tool.strip_prefix("MCP:") {
        Some(tool) => format!("mcp__cursor__{}", tool.trim()),
        None => tool.to_owned(),
    }
}

/// A JSON value that came in a string.
fn unpack(payload: &mut Map<String, Value>, key: &str) {
    if let Some(Value::String(text)) = payload.get(key)
        && let Ok(unpacked) = serde_json::from_str(text)
    {
        payload.insert(key.to_owned(), unpacked);
    }
}

/// Moves a field, unless there is one of that name already.
fn rename(fields: &mut Map<String, Value>, from: &str, to: &str) {
    if fields.get(to).is_none_or(Value::is_null)
        && let Some(value) = fields.shift_remove(from)
    {
        fields.insert(to.to_owned(), value);
    }
}
