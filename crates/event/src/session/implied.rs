//! What one fact implies: a delegation, a file operation, a commit, a test run, a memory written, a call that failed.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use crate::agent::Delegation;
use crate::event::{Fact, Identity, Outcome};
use crate::summary;
use crate::todo::{Change, Todos};
use crate::tool_call::OpenCall;
use crate::vocabulary::Kind;

/// `git` and what it was asked to do, behind any `cd … &&`, options such as `-C path`, or variables.
static GIT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?:^|[;&|(]\s*|\s)git(?:\s+-[cC]\s+\S+|\s+--?[\w-]+(?:=\S+)?)*\s+(add|am|apply|branch|checkout|cherry-pick|clone|commit|fetch|init|merge|mv|pull|push|rebase|reset|restore|revert|rm|stash|switch|tag|worktree)\b").ok()
});

/// Commands that run tests.
static TEST: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?:^|[;&|(]\s*|\s)(cargo\s+(?:nextest\s+run|nextest|test)|go\s+test|(?:python3?\s+-m\s+)?pytest|(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?test\S*|(?:npx\s+)?(?:vitest|jest|mocha|playwright\s+test)|mvn\s+(?:\S+\s+)*test|gradle\s+test|\./gradlew\s+test|make\s+(?:check|test)|ctest|rspec|phpunit|dotnet\s+test)\b").ok()
});

/// A word that every command in [`TEST`] has, to spare most commands the expression.
const TEST_WORDS: [&str; 7] = ["test", "jest", "mocha", "check", "rspec", "phpunit", "playwright"];

/// An Agent (older: Task) call hands work to a subagent.
pub(super) fn is_delegation(call: &Fact) -> bool {
    matches!(call.tool_name.as_deref(), Some("Agent" | "Task"))
}

/// What such a call asks for, and the fact that says so.
pub(super) fn delegation(call: &Fact) -> Option<(Delegation, Fact)> {
    if !is_delegation(call) {
        return None;
    }
    let input = call.data.get("tool_input")?;
    let text = |key: &str| input.get(key).and_then(Value::as_str);
    let agent = text("subagent_type").unwrap_or("general-purpose");
    let task = text("description").or(text("prompt")).unwrap_or_default();
    let data = json!({ "agent": agent, "task": task, "status": "started", "prompt": text("prompt"), "tool_use_id": call.tool_use_id });
    let mut fact = call.implies(Kind::AgentDelegated, data);
    fact.tool_use_id = call.tool_use_id.clone();
    fact.summary = summary::line(&format!("→ {agent} · {task}"));
    let delegation =
        Delegation { tool_use_id: call.tool_use_id.clone(), agent_type: agent.to_owned(), task: summary::line(task) };
    Some((delegation, fact))
}

/// A call that its batch names and nothing else told the end of: refused, or failed before it ran.
pub(super) fn failed_in_batch(
    batch: &Fact,
    call: &Value,
    tool_use_id: &str,
    tool_name: &str,
    begun: Option<&OpenCall>,
) -> Fact {
    let error = match call.get("tool_response") {
        Some(Value::String(text)) => text.clone(),
        // What a file tool said is withheld but for its first line.
        Some(said) => said.get("first_line").and_then(Value::as_str).map_or_else(|| said.to_string(), str::to_owned),
        None => String::new(),
    };
    // Seen to begin and never run: something refused it. Never seen to begin: it could not run at all.
    let outcome = if begun.is_some() { Outcome::Denied } else { Outcome::Error };
    let data = json!({
        "tool_input": call.get("tool_input"),
        "error": error,
        "ran": false,
        "concluded_from": "tool_batch.finished",
    });
    let mut fact = batch.implies(Kind::ToolCallFailed, data);
    fact.tool_name = Some(tool_name.to_owned());
    fact.tool_use_id = Some(tool_use_id.to_owned());
    fact.outcome = Some(outcome);
    fact.duration_ms = begun.map(|begun| batch.time.since(begun.started_at));
    fact.identity = once(&fact);
    let about = summary::call(&fact);
    let word = if outcome == Outcome::Denied { "Refused" } else { "Could not run" };
    fact.summary = summary::line(&format!("{word}: {about}"));
    fact
}

/// A call whose end nothing will tell any more.
pub(super) fn closed(by: &Fact, call: &OpenCall, outcome: Outcome, because: &str) -> Fact {
    let data = json!({ "concluded_from": by.kind, "reason": because });
    let mut fact = by.implies(Kind::ToolCallFailed, data);
    fact.agent_id = call.agent_id.clone();
    if call.agent_id != by.agent_id {
        fact.agent_type = None;
    }
    fact.tool_name = Some(call.tool_name.clone());
    fact.tool_use_id = Some(call.tool_use_id.clone());
    fact.outcome = Some(outcome);
    fact.duration_ms = Some(by.time.since(call.started_at));
    fact.identity = Identity::Unique;
    fact.summary = summary::line(&format!("No end was told ({because}): {}", call.summary));
    fact
}

fn once(fact: &Fact) -> Identity {
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    Identity::Once(Identity::key_of(&[
        part(&fact.session_id).as_bytes(),
        b"PostToolBatch",
        part(&fact.tool_use_id).as_bytes(),
    ]))
}

/// What a call that ended tells of files, memories, git and tests.
pub(super) fn by_call(call: &Fact) -> Vec<Fact> {
    let ended = matches!(call.kind, Kind::ToolCallFinished | Kind::ToolCallFailed);
    if !ended || call.data.get("concluded_from").is_some() {
        return Vec::new();
    }
    let mut implied: Vec<Fact> = match call.tool_name.as_deref() {
        Some("Bash") => [git(call), tests(call)].into_iter().flatten().collect(),
        Some(tool @ ("Read" | "Write" | "Edit" | "MultiEdit" | "NotebookEdit"))
            if call.kind == Kind::ToolCallFinished =>
        {
            file(call, tool).into_iter().collect()
        }
        _ => Vec::new(),
    };
    for fact in &mut implied {
        fact.tool_name = call.tool_name.clone();
        fact.tool_use_id = call.tool_use_id.clone();
    }
    implied
}

fn file(call: &Fact, tool: &str) -> Vec<Fact> {
    let input = |key: &str| call.data.get("tool_input").and_then(|input| input.get(key));
    let Some(path) = input("file_path").or(input("notebook_path")).and_then(Value::as_str) else { return Vec::new() };
    let change = call.data.get("change");
    let lines = |key: &str| change.and_then(|change| change.get(key)).cloned();
    let created = lines("created") == Some(Value::Bool(true));
    let operation = match tool {
        "Read" => "read",
        "Write" if created => "create",
        "Write" => "write",
        _ => "edit",
    };
    let bytes = |pointer: &str| call.data.pointer(pointer).and_then(|body| body.get("bytes")).cloned();
    let size = bytes("/tool_input/content")
        .or_else(|| bytes("/tool_response/file/content"))
        .or_else(|| edited(call).map(Value::from));
    let mut data = json!({ "file": path, "operation": operation, "size": size });
    if let (Value::Object(fields), Some(added), Some(removed)) = (&mut data, lines("added"), lines("removed")) {
        fields.insert("added".to_owned(), added);
        fields.insert("removed".to_owned(), removed);
    }
    let mut fact = call.implies(Kind::FileOperated, data);
    fact.summary = summary::line(&format!("{operation} {}", summary::relative(path, call.cwd.as_deref())));
    let memory = (tool != "Read" && is_memory(path)).then(|| memory(call, path, created));
    std::iter::once(fact).chain(memory).collect()
}

/// How large a file is after one replacement in it.
fn edited(call: &Fact) -> Option<u64> {
    let response = call.data.get("tool_response")?;
    let bytes = |body: &str| response.get(body)?.get("bytes")?.as_u64();
    let once = response.get("replaceAll").and_then(Value::as_bool) == Some(false);
    let before = bytes("originalFile").filter(|_| once)?;
    before.checked_add(bytes("newString")?)?.checked_sub(bytes("oldString")?)
}

/// Files that agents keep their memory in.
fn is_memory(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    matches!(name, "CLAUDE.md" | "CLAUDE.local.md" | "AGENTS.md" | "MEMORY.md")
        || path.contains("/.claude-mpm/memories/")
        || (path.contains("/.claude/")
            && (path.contains("/memory/") || path.contains("/memories/") || path.contains("/agent-memory/")))
}

fn memory(call: &Fact, path: &str, created: bool) -> Fact {
    let agent = call.agent_type.clone().unwrap_or_else(|| "main".to_owned());
    let content = format!("{} {}", if created { "Created" } else { "Changed" }, call.summary);
    let data = json!({
        "agent_id": agent,
        "learning_type": "file_edit",
        "content": summary::line(&content),
        "section": Value::Null,
        "file_path": path,
    });
    let kind = if created { Kind::MemoryCreated } else { Kind::MemoryUpdated };
    let mut fact = call.implies(kind, data);
    fact.summary = call.summary.clone();
    fact
}

fn command(call: &Fact) -> Option<&str> {
    call.data.get("tool_input")?.get("command")?.as_str()
}

fn git(call: &Fact) -> Option<Fact> {
    let command = command(call).filter(|command| command.contains("git"))?;
    let operation = GIT.as_ref()?.captures(command)?.get(1)?.as_str();
    let success = call.kind == Kind::ToolCallFinished;
    let data = json!({ "operation": operation, "command": summary::line(command), "success": success });
    let mut fact = call.implies(Kind::GitOperated, data);
    fact.outcome = call.outcome;
    fact.duration_ms = call.duration_ms;
    fact.summary = summary::line(command);
    Some(fact)
}

fn tests(call: &Fact) -> Option<Fact> {
    let command = command(call).filter(|command| TEST_WORDS.iter().any(|word| command.contains(word)))?;
    let runner = TEST.as_ref()?.captures(command)?.get(1)?.as_str();
    let output =
        call.data.pointer("/tool_response/stdout").and_then(Value::as_str).or(call.text("error")).unwrap_or_default();
    let success = call.kind == Kind::ToolCallFinished;
    let (passed, failed) = (tally(output, " passed"), tally(output, " failed"));
    let data = json!({ "command": summary::line(command), "runner": runner, "success": success, "passed": passed, "failed": failed });
    let mut fact = call.implies(Kind::TestFinished, data);
    fact.outcome = call.outcome;
    fact.duration_ms = call.duration_ms;
    let counts: Vec<String> = [(passed, "passed"), (failed, "failed")]
        .into_iter()
        .filter_map(|(count, word)| Some(format!("{} {word}", count?)))
        .collect();
    let result = if counts.is_empty() {
        if success { "passed".to_owned() } else { "failed".to_owned() }
    } else {
        counts.join(", ")
    };
    fact.summary = summary::line(&format!("{runner}: {result}"));
    Some(fact)
}

/// `12 passed`, `3 failed`: the words that most test runners close with, added up.
fn tally(output: &str, word: &str) -> Option<u64> {
    let counts = output.match_indices(word).filter_map(|(at, _)| {
        let ends = output[at + word.len()..].chars().next().is_none_or(|next| !next.is_alphanumeric());
        let digits = output[..at].len() - output[..at].trim_end_matches(|digit: char| digit.is_ascii_digit()).len();
        output[at - digits..at].parse::<u64>().ok().filter(|_| ends)
    });
    counts.reduce(u64::saturating_add)
}

/// What a finished call of a to-do tool changes on the list; `None` for any other tool.
pub(super) fn todo_change(todos: &mut Todos, call: &Fact) -> Option<Change> {
    let input = call.data.get("tool_input");
    let text = |keys: &[&str]| -> Option<String> {
        let value = keys.iter().find_map(|key| input?.get(*key))?;
        value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|id| id.to_string()))
    };
    match call.tool_name.as_deref()? {
        "TodoWrite" => Some(todos.replace(input?.get("todos")?.as_array()?)),
        "TaskCreate" => {
            let id = call.data.pointer("/tool_response/task/id")?;
            let id = id.as_str().map(str::to_owned).or_else(|| id.as_u64().map(|id| id.to_string()))?;
            Some(todos.add(&id, &text(&["subject"])?))
        }
        "TaskUpdate" => {
            let id = text(&["taskId", "task_id", "id"])?;
            Some(todos.update(&id, text(&["status"]).as_deref(), text(&["subject"]).as_deref()))
        }
        _ => None,
    }
}

/// `3 of 7 done · now: Push the branch`.
pub(super) fn todo_summary(todos: &Todos) -> String {
    let stats = todos.stats();
    let now = todos.items().iter().find(|todo| todo.status == crate::todo::Status::InProgress);
    let told = match now {
        Some(now) => format!("{} of {} done · now: {}", stats.completed, stats.total, now.content),
        None => format!("{} of {} done", stats.completed, stats.total),
    };
    summary::line(&told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &LazyLock<Option<Regex>>, command: &str) -> Option<String> {
        Some(pattern.as_ref()?.captures(command)?.get(1)?.as_str().to_owned())
    }

    #[test]
    fn git_and_test_commands_are_recognised_where_people_write_them() {
        assert_eq!(found(&GIT, "cd app && git -C x commit -m 'a'").as_deref(), Some("commit"));
        assert_eq!(found(&GIT, "git push origin main").as_deref(), Some("push"));
        assert_eq!(found(&GIT, "git status"), None);
        assert_eq!(found(&GIT, "echo legit commit"), None);
        assert_eq!(found(&TEST, "cd app; cargo test --workspace").as_deref(), Some("cargo test"));
        assert_eq!(found(&TEST, "pnpm test checkout").as_deref(), Some("pnpm test"));
        assert_eq!(found(&TEST, "cat latest.log"), None);
        assert_eq!(
            tally("12 passed, 3 failed\nTests: 1 failed | 4 passed, x passed, 9 passedover", " passed"),
            Some(16)
        );
        assert_eq!(tally("nothing", " failed"), None);
    }

    #[test]
    fn memory_files_are_told_from_others() {
        assert!(is_memory("/w/app/CLAUDE.md"));
        assert!(is_memory("/home/u/.claude-mpm/memories/engineer.md"));
        assert!(is_memory("/home/u/.claude/projects/-w-app/memory/notes.md"));
        assert!(!is_memory("/w/app/memory/notes.md"));
    }
}
