//! Where the time went: each moment of a session belongs to one thing.

use std::collections::BTreeMap;

use crate::event::Time;
use crate::wire::spans::{Prompt, Span, SpanKind, Status, Tool, Totals, Wait};

/// What a moment can belong to. Of several at once the first counts: a person who is waited for, then what a tool does,
/// then the agent that an agent waits for, then the model.
const WAITING: usize = 0;
const SHELL: usize = 1;
const EDIT: usize = 2;
const READ: usize = 3;
const WEB: usize = 4;
const OTHER: usize = 5;
const MODEL: usize = 6;
const AGENT: usize = 7;
/// A turn runs, and nothing of the above is known: the model, most of the time.
const TURN: usize = 8;
const CLASSES: usize = 9;

fn class_of(tool: &str) -> usize {
    match tool {
        "Bash" | "BashOutput" | "KillShell" => SHELL,
        "Write" | "Edit" | "MultiEdit" | "NotebookEdit" => EDIT,
        "Read" | "Glob" | "Grep" | "LS" | "NotebookRead" => READ,
        "WebFetch" | "WebSearch" => WEB,
        "Agent" | "Task" => AGENT,
        _ => OTHER,
    }
}

/// The sums between two moments.
pub(super) fn totals(spans: &[Span], waits: &[Wait], prompts: &[Prompt], (from, to): (Time, Time)) -> Totals {
    let mut edges: Vec<(Time, bool, usize)> = Vec::with_capacity(2 * (spans.len() + waits.len() + prompts.len()));
    let mut add = |began: Time, ended: Option<Time>, class: usize| {
        let (began, ended) = (began.max(from), ended.unwrap_or(to).min(to));
        if began < ended {
            edges.push((began, true, class));
            edges.push((ended, false, class));
        }
    };
    let mut tools: BTreeMap<String, Tool> = BTreeMap::new();
    for span in spans {
        add(span.began, span.ended, if span.kind == SpanKind::Model { MODEL } else { class_of(&span.tool) });
        let is_within = span.began <= to && span.ended.is_none_or(|ended| ended >= from);
        if span.kind == SpanKind::Tool && is_within {
            let tool = tools.entry(span.tool.clone()).or_default();
            tool.calls += 1;
            tool.failed += u64::from(span.status == Status::Failed);
            tool.denied += u64::from(span.status == Status::Denied);
            tool.ms += span.ended.unwrap_or(to).min(to).since(span.began.max(from));
        }
    }
    for wait in waits {
        add(wait.began, wait.ended, WAITING);
    }
    for prompt in prompts {
        add(prompt.began, prompt.ended, TURN);
    }
    edges.sort_unstable_by_key(|(at, begins, _)| (*at, *begins));
    let mut open = [0_u32; CLASSES];
    let mut spent = [0_u64; CLASSES];
    let mut last = from;
    for (at, begins, class) in edges {
        if let Some(counts) = open.iter().position(|open| *open > 0) {
            spent[counts] += at.since(last);
        }
        last = at;
        open[class] = if begins { open[class] + 1 } else { open[class].saturating_sub(1) };
    }
    let active_ms: u64 = spent.iter().sum();
    let wall_ms = to.since(from);
    Totals {
        wall_ms,
        active_ms,
        idle_ms: wall_ms.saturating_sub(active_ms),
        waiting_ms: spent[WAITING],
        model_ms: spent[MODEL] + spent[TURN],
        shell_ms: spent[SHELL],
        edit_ms: spent[EDIT],
        read_ms: spent[READ],
        web_ms: spent[WEB],
        agent_ms: spent[AGENT],
        other_ms: spent[OTHER],
        tools,
    }
}
