//! `claude-mpm hooks print`: hooks for agents whose settings are theirs to keep: Codex, Gemini CLI, Cursor.

use serde_json::{Map, Value, json};

use super::settings::Handler;
use super::{Report, program};
use crate::cli::Program;
use crate::paths::Home;
use crate::report::Failure;

/// Seconds that a hook may take; it takes a millisecond.
const TIMEOUT_S: u64 = 5;

/// The hooks that tell most, of those that each program documents. Gemini's `BeforeModel`, `AfterModel` and
/// `BeforeToolSelection` are left out: they would run for each piece of an answer.
const CODEX: &[&str] = &[
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PermissionRequest",
    "PostToolUse",
    "PreCompact",
    "PostCompact",
    "SubagentStop",
    "Stop",
];
const GEMINI: &[&str] = &[
    "SessionStart",
    "BeforeAgent",
    "BeforeTool",
    "AfterTool",
    "AfterAgent",
    "Notification",
    "PreCompress",
    "SessionEnd",
];
const CURSOR: &[&str] = &[
    "sessionStart",
    "beforeSubmitPrompt",
    "preToolUse",
    "postToolUse",
    "postToolUseFailure",
    "subagentStart",
    "subagentStop",
    "preCompact",
    "stop",
    "sessionEnd",
];

/// Writes the hook program, and says what to put where.
pub(super) fn run(home: &Home, handler: &Handler, whose: Program) -> Result<Report, Failure> {
    program::write(home.path())?;
    let command = command(handler);
    let (file, after) = match whose {
        Program::Codex => ("~/.codex/hooks.json", "Codex runs them once you trust them in /hooks."),
        Program::Gemini => ("~/.gemini/settings.json", "Gemini CLI runs them at its next start."),
        Program::Cursor => ("~/.cursor/hooks.json", "Cursor runs them at once."),
    };
    let mut report = Report::default();
    report.add(format_args!("{:#}", hooks(whose, &command)));
    crate::report::aside(&format!("Put this into {file}, beside what is there. {after}\n"));
    Ok(report)
}

fn hooks(whose: Program, command: &str) -> Value {
    let each = |events: &[&str], entry: Value| -> Map<String, Value> {
        events.iter().map(|event| ((*event).to_owned(), json!([entry]))).collect()
    };
    match whose {
        Program::Codex => {
            let entry = json!({ "hooks": [{ "type": "command", "command": command, "timeout": TIMEOUT_S }] });
            json!({ "hooks": each(CODEX, entry) })
        }
        // Gemini counts milliseconds.
        Program::Gemini => {
            let handler =
                json!({ "name": "claude-mpm", "type": "command", "command": command, "timeout": TIMEOUT_S * 1000 });
            json!({ "hooks": each(GEMINI, json!({ "hooks": [handler] })) })
        }
        Program::Cursor => json!({ "version": 1, "hooks": each(CURSOR, json!({ "command": command })) }),
    }
}

/// The command for a shell.
fn command(handler: &Handler) -> String {
    let mut words = vec![handler.program.display().to_string()];
    words.extend(handler.arguments());
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-=:".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_the_command_stays_one_word_in_a_shell() {
        assert_eq!(quoted("/home/ada/.claude-mpm/bin/claude-mpm-hook"), "/home/ada/.claude-mpm/bin/claude-mpm-hook");
        assert_eq!(quoted("/home/my files/it's"), r"'/home/my files/it'\''s'");
    }
}
