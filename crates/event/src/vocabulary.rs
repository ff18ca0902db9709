//! THE ONE TABLE: every kind of event, its names on every wire, the hook it comes from, and whether it is kept.
//!
//! Sources of the names: the Socket.IO guide (namespaces and events), the WebSocket API (channels), the monitoring
//! dashboard's document (`agent_activity`, `file_operation`, `session_update`) and Claude Code's hooks.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::Fact;

/// What kind of thing happened. Named in the past tense in [`Row::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each variant is explained by its row in ROWS")]
pub enum Kind {
    SessionStarted,
    SessionEnded,
    SessionContinued,
    SessionSetUp,
    CwdChanged,
    DirectoryAdded,
    WorktreeCreated,
    WorktreeRemoved,
    CompactionStarted,
    CompactionFinished,
    CompactionSummarized,
    MetricsReported,
    PromptSubmitted,
    PromptExpanded,
    BackgroundTaskFinished,
    ToolCallStarted,
    ToolCallFinished,
    ToolCallFailed,
    ToolBatchFinished,
    PermissionRequested,
    PermissionDenied,
    ToolCallDecided,
    NotificationSent,
    ElicitationRequested,
    ElicitationAnswered,
    TurnFinished,
    TurnFailed,
    TurnInterrupted,
    FileChanged,
    FileOperated,
    GitOperated,
    TestFinished,
    HookReceived,
    HookUnreadable,
    AgentDelegated,
    AgentStarted,
    AgentFinished,
    TeammateIdle,
    ClaudeStatusChanged,
    ClaudeOutput,
    AgentCommanded,
    ModelSwitchRequested,
    ModelSwitched,
    ApiRequestFinished,
    ApiRequestFailed,
    TodoUpdated,
    MemoryLoaded,
    MemoryCreated,
    MemoryUpdated,
    MemoryInjected,
    SessionUpdated,
    SessionDeleted,
    LogMessage,
    ConfigChanged,
    SystemStarted,
    SystemStopped,
    SystemError,
    SpoolGivenUp,
    TelemetryReceived,
    SystemStatus,
    SystemHeartbeat,
    SystemServerInfo,
    ClientConnected,
    ClientDisconnected,
    ClientRefused,
    Custom,
}

/// Whether an event is stored and numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It has a number, is on disk, and can be found again.
    Stored,
    /// It is gone once it was sent: heartbeats, periodic status, comings and goings of clients.
    Volatile,
}

/// When a narrower event goes out besides the general one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Every time.
    Always,
    /// When the payload's `status` has this value.
    Status(&'static str),
    /// When the payload's `level` is one of these.
    Level(&'static [&'static str]),
    /// When the payload has this list, and something is in it.
    Filled(&'static str),
}

impl When {
    fn holds(self, fact: &Fact) -> bool {
        match self {
            When::Always => true,
            When::Status(status) => fact.text("status") == Some(status),
            When::Level(levels) => fact.text("level").is_some_and(|level| levels.contains(&level)),
            When::Filled(list) => {
                fact.data.get(list).and_then(serde_json::Value::as_array).is_some_and(|list| !list.is_empty())
            }
        }
    }
}

/// One kind of event and its names.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The kind.
    pub kind: Kind,
    /// Its name in `kind`, in the query language and in the store.
    pub name: &'static str,
    /// Its Socket.IO namespace.
    pub namespace: &'static str,
    /// Its Socket.IO event name there.
    pub event: &'static str,
    /// Narrower events that go out besides, in the same namespace with the same number.
    pub narrower: &'static [(&'static str, When)],
    /// Its channel in the raw WebSocket API.
    pub channel: &'static str,
    /// Its name among the default namespace's three events.
    pub broadcast: Option<&'static str>,
    /// Where it comes from: Claude Code hooks by name, else what concludes or sends it.
    pub from: &'static str,
    /// Whether it is stored.
    pub kept: Kept,
}

const fn row(
    kind: Kind,
    name: &'static str,
    address: (&'static str, &'static str),
    channel: &'static str,
    from: &'static str,
) -> Row {
    let (namespace, event) = address;
    Row { kind, name, namespace, event, narrower: &[], channel, broadcast: None, from, kept: Kept::Stored }
}

impl Row {
    const fn narrower(mut self, narrower: &'static [(&'static str, When)]) -> Row {
        self.narrower = narrower;
        self
    }

    const fn broadcast(mut self, name: &'static str) -> Row {
        self.broadcast = Some(name);
        self
    }

    const fn volatile(mut self) -> Row {
        self.kept = Kept::Volatile;
        self
    }
}

/// The table, in the order of [`Kind`].
#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    row(Kind::SessionStarted, "session.started", ("/session", "start"), "session.start", "SessionStart (startup, resume, clear, fork)").broadcast("session_update"),
    row(Kind::SessionEnded, "session.ended", ("/session", "end"), "session.end", "SessionEnd").broadcast("session_update"),
    row(Kind::SessionContinued, "session.continued", ("/session", "status_changed"), "session.status", "SessionStart (compact)").broadcast("session_update"),
    row(Kind::SessionSetUp, "session.setup", ("/session", "setup"), "session.setup", "Setup"),
    row(Kind::CwdChanged, "cwd.changed", ("/session", "cwd_changed"), "session.cwd", "CwdChanged"),
    row(Kind::DirectoryAdded, "directory.added", ("/session", "directory_added"), "session.directory", "DirectoryAdded"),
    row(Kind::WorktreeCreated, "worktree.created", ("/session", "worktree_created"), "session.worktree", "WorktreeCreate (never registered by our installer)"),
    row(Kind::WorktreeRemoved, "worktree.removed", ("/session", "worktree_removed"), "session.worktree", "WorktreeRemove"),
    row(Kind::CompactionStarted, "compaction.started", ("/session", "compaction_started"), "session.compaction", "PreCompact"),
    row(Kind::CompactionFinished, "compaction.finished", ("/session", "compaction_finished"), "session.compaction", "PostCompact"),
    row(Kind::CompactionSummarized, "compaction.summarized", ("/hook", "subagent_stop"), "hook.subagent_stop", "SubagentStop without an agent type"),
    row(Kind::MetricsReported, "metrics.reported", ("/session", "metrics"), "session.metrics", "OTLP metrics: one for each session and export; a transcript's cost-state"),
    row(Kind::PromptSubmitted, "prompt.submitted", ("/hook", "user_prompt"), "hook.user_prompt", "UserPromptSubmit"),
    row(Kind::PromptExpanded, "prompt.expanded", ("/hook", "prompt_expanded"), "hook.prompt_expanded", "UserPromptExpansion"),
    row(Kind::BackgroundTaskFinished, "background_task.finished", ("/hook", "background_task_finished"), "hook.background_task_finished", "UserPromptSubmit whose prompt is a <task-notification>"),
    row(Kind::ToolCallStarted, "tool_call.started", ("/hook", "pre_tool"), "hook.pre_tool", "PreToolUse"),
    row(Kind::ToolCallFinished, "tool_call.finished", ("/hook", "post_tool"), "hook.post_tool", "PostToolUse"),
    row(Kind::ToolCallFailed, "tool_call.failed", ("/hook", "post_tool"), "hook.post_tool", "PostToolUseFailure; concluded from PostToolBatch, Stop, SessionEnd"),
    row(Kind::ToolBatchFinished, "tool_batch.finished", ("/hook", "post_tool_batch"), "hook.post_tool_batch", "PostToolBatch"),
    row(Kind::PermissionRequested, "permission.requested", ("/hook", "permission_request"), "hook.permission_request", "PermissionRequest"),
    row(Kind::PermissionDenied, "permission.denied", ("/hook", "permission_denied"), "hook.permission_denied", "PermissionDenied"),
    row(Kind::ToolCallDecided, "tool_call.decided", ("/hook", "tool_decision"), "hook.tool_decision", "OTLP tool_decision; this server, when it sees that a question was answered"),
    row(Kind::NotificationSent, "notification.sent", ("/hook", "notification"), "hook.notification", "Notification"),
    row(Kind::ElicitationRequested, "elicitation.requested", ("/hook", "elicitation"), "hook.elicitation", "Elicitation"),
    row(Kind::ElicitationAnswered, "elicitation.answered", ("/hook", "elicitation_result"), "hook.elicitation_result", "ElicitationResult"),
    row(Kind::TurnFinished, "turn.finished", ("/hook", "stop"), "hook.stop", "Stop"),
    row(Kind::TurnFailed, "turn.failed", ("/hook", "stop_failure"), "hook.stop_failure", "StopFailure"),
    row(Kind::TurnInterrupted, "turn.interrupted", ("/hook", "interrupt"), "hook.interrupt", "a transcript's interrupt line"),
    row(Kind::FileChanged, "file.changed", ("/hook", "file_changed"), "hook.file_changed", "FileChanged"),
    row(Kind::FileOperated, "file.operated", ("/hook", "file_operation"), "hook.file_operation", "concluded from finished Read, Write, Edit, MultiEdit and NotebookEdit calls").broadcast("file_operation"),
    row(Kind::GitOperated, "git.operated", ("/hook", "git_operation"), "hook.git_operation", "concluded from finished Bash calls"),
    row(Kind::TestFinished, "test.finished", ("/hook", "test_result"), "hook.test_result", "concluded from finished Bash calls"),
    row(Kind::HookReceived, "hook.received", ("/hook", "hook"), "hook.received", "a hook event this version does not know"),
    row(Kind::HookUnreadable, "hook.unreadable", ("/hook", "hook_error"), "hook.hook_error", "hook input that is no JSON object"),
    row(Kind::AgentDelegated, "agent.delegated", ("/agent", "task_delegated"), "agent.delegation", "PreToolUse of Agent or Task").broadcast("agent_activity"),
    row(Kind::AgentStarted, "agent.started", ("/agent", "subagent_start"), "agent.status", "SubagentStart").narrower(&[("agent_switched", When::Always)]).broadcast("agent_activity"),
    row(Kind::AgentFinished, "agent.finished", ("/agent", "task_completed"), "agent.status", "SubagentStop").broadcast("agent_activity"),
    row(Kind::TeammateIdle, "teammate.idle", ("/agent", "teammate_idle"), "agent.status", "TeammateIdle").broadcast("agent_activity"),
    row(Kind::ClaudeStatusChanged, "claude.status_changed", ("/claude", "status_changed"), "claude.status", "concluded from hooks; the launcher").narrower(&[("thinking", When::Status("thinking"))]),
    row(Kind::ClaudeOutput, "claude.output", ("/claude", "output"), "claude.output", "MessageDisplay; the launcher"),
    row(Kind::AgentCommanded, "agent.commanded", ("/claude", "command"), "claude.command", "this server: what an authorised client told a launched agent"),
    row(Kind::ModelSwitchRequested, "model.switch_requested", ("/claude", "model_switch_requested"), "claude.model", "PreModelSwitch"),
    row(Kind::ModelSwitched, "model.switched", ("/claude", "model_switched"), "claude.model", "PostModelSwitch"),
    row(Kind::ApiRequestFinished, "api_request.finished", ("/claude", "api_request"), "claude.api_request", "transcripts; OTLP api_request"),
    row(Kind::ApiRequestFailed, "api_request.failed", ("/claude", "api_error"), "claude.api_error", "OTLP api_error"),
    row(Kind::TodoUpdated, "todo.updated", ("/todo", "updated"), "todo.update", "TodoWrite, TaskCreate, TaskUpdate calls; TaskCreated, TaskCompleted").narrower(&[("task_added", When::Filled("added")), ("task_completed", When::Filled("completed"))]),
    row(Kind::MemoryLoaded, "memory.loaded", ("/memory", "loaded"), "memory.loaded", "InstructionsLoaded (session_start, compact)"),
    row(Kind::MemoryCreated, "memory.created", ("/memory", "created"), "memory.created", "concluded from Write of a memory file"),
    row(Kind::MemoryUpdated, "memory.updated", ("/memory", "updated"), "memory.updated", "concluded from Write and Edit of a memory file"),
    row(Kind::MemoryInjected, "memory.injected", ("/memory", "injected"), "memory.injected", "InstructionsLoaded (nested_traversal, path_glob_match, include)"),
    row(Kind::SessionUpdated, "session.updated", ("/session", "update"), "session.update", "emitted by clients; a transcript's title").broadcast("session_update"),
    row(Kind::SessionDeleted, "session.deleted", ("/session", "deleted"), "session.deleted", "this server, when a session is deleted").volatile(),
    row(Kind::LogMessage, "log.message", ("/log", "message"), "log.message", "emitted by clients").narrower(&[("error", When::Level(&["ERROR", "CRITICAL"])), ("warning", When::Level(&["WARNING", "WARN"]))]),
    row(Kind::ConfigChanged, "config.changed", ("/system", "config_changed"), "system.config", "ConfigChange"),
    row(Kind::SystemStarted, "system.started", ("/system", "started"), "system.status", "this server"),
    row(Kind::SystemStopped, "system.stopped", ("/system", "stopped"), "system.status", "this server"),
    row(Kind::SystemError, "system.error", ("/system", "error"), "system.error", "this server; StopFailure"),
    row(Kind::SpoolGivenUp, "spool.given_up", ("/system", "spool_given_up"), "system.error", "hooks that found the spool full"),
    row(Kind::TelemetryReceived, "telemetry.received", ("/system", "telemetry"), "system.telemetry", "OTLP spans, and log events that no other row knows"),
    row(Kind::SystemStatus, "system.status", ("/system", "status"), "system.status", "this server: on request, on change, every metrics interval").volatile(),
    row(Kind::SystemHeartbeat, "system.heartbeat", ("/system", "heartbeat"), "system.status", "this server, every metrics interval").volatile(),
    row(Kind::SystemServerInfo, "system.server_info", ("/system", "server_info"), "system.status", "this server, to each client of /system once").volatile(),
    row(Kind::ClientConnected, "client.connected", ("/system", "client_connected"), "system.client", "this server").volatile(),
    row(Kind::ClientDisconnected, "client.disconnected", ("/system", "client_disconnected"), "system.client", "this server").volatile(),
    row(Kind::ClientRefused, "client.refused", ("/system", "client_refused"), "system.client", "this server").volatile(),
    row(Kind::Custom, "custom", ("/system", "custom"), "custom", "any event that no row knows, emitted by clients"),
];

/// The namespaces of the Socket.IO guide. Besides these there are `/` and the page's own `/monitor`.
pub const NAMESPACES: [&str; 8] = ["/system", "/session", "/claude", "/agent", "/hook", "/todo", "/memory", "/log"];

impl Kind {
    /// Its row in the table.
    pub fn row(self) -> &'static Row {
        &ROWS[self as usize]
    }

    /// Its name, `tool_call.finished` for example.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Kind> {
        ROWS.iter().find(|row| row.name == name).map(|row| row.kind)
    }

    /// The kind that goes out on this namespace under this name; for a name that two kinds share, the first.
    pub fn addressed(namespace: &str, event: &str) -> Option<Kind> {
        ROWS.iter()
            .find(|row| row.kind != Kind::Custom && row.namespace == namespace && row.event == event)
            .map(|row| row.kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        let name = String::deserialize(deserializer)?;
        Kind::named(&name).ok_or_else(|| serde::de::Error::custom(format!("no event kind is called {name:?}")))
    }
}

impl Fact {
    /// The narrower events that go out besides the general one, by the table.
    pub fn narrower_events(&self) -> impl Iterator<Item = &str> {
        self.kind.row().narrower.iter().filter(|(_, when)| when.holds(self)).map(|(event, _)| *event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row_in_its_place() {
        for (place, row) in ROWS.iter().enumerate() {
            assert_eq!(row.kind as usize, place, "{} stands in the wrong place", row.name);
            assert_eq!(Kind::named(row.name), Some(row.kind), "{} is named twice", row.name);
        }
    }

    #[test]
    fn every_event_of_the_guide_has_a_row() {
        let printed = [
            ("/system", "status heartbeat server_info"),
            ("/session", "start end status_changed"),
            ("/claude", "status_changed output thinking"),
            ("/agent", "task_delegated task_completed agent_switched"),
            ("/hook", "user_prompt pre_tool post_tool hook_error"),
            ("/todo", "updated task_added task_completed"),
            ("/memory", "loaded created updated injected"),
            ("/log", "message error warning"),
        ];
        for (namespace, events) in printed {
            for event in events.split(' ') {
                let known = ROWS.iter().any(|row| {
                    row.namespace == namespace
                        && (row.event == event || row.narrower.iter().any(|(narrower, _)| *narrower == event))
                });
                assert!(known, "{namespace} {event}");
            }
        }
    }
}
