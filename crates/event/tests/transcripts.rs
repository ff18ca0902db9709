//! What transcripts of a real client tell, by the counting rules: each answer once, with its last numbers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use event::event::{Fact, Source, Time};
use event::prices::Prices;
use event::session::State;
use event::session::spending::Costed;
use event::session::usage::Tokens;
use event::transcript::Transcript;
use event::vocabulary::Kind;
use serde_json::{Value, json};

use crate::monitor::Monitor;

const SESSION: &str = "s";

fn read(lines: &[Value]) -> Vec<Fact> {
    let prices = Prices::default();
    let mut transcript = Transcript::new(SESSION, None);
    let mut facts: Vec<Fact> =
        lines.iter().flat_map(|line| transcript.take(line.to_string().as_bytes(), 0, &prices)).collect();
    facts.extend(transcript.settle(&prices));
    facts
}

/// A line of an answer at a second of 1970, with as many tokens in as `input` and out as `output`.
fn answer(second: u32, message: &str, model: &str, input: u64, output: u64) -> Value {
    json!({ "type": "assistant", "uuid": format!("u-{message}-{output}"), "requestId": format!("r-{message}"),
        "timestamp": format!("2026-11-20T10:00:{second:02}.000Z"), "gitBranch": "main",
        "message": { "id": message, "model": model, "stop_reason": "end_turn", "content": [],
            "usage": { "input_tokens": input, "output_tokens": output, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0 } } })
}

fn told(lines: &[Value]) -> Monitor {
    let mut monitor = Monitor::default();
    let prompt = json!({ "session_id": SESSION, "hook_event_name": "UserPromptSubmit", "prompt": "Go", "prompt_id": "p", "cwd": "/w/app" });
    monitor.tell(&prompt, Time::parse("2026-11-20T10:00:00.000Z").unwrap(), Source::Hook);
    for fact in read(lines) {
        monitor.take(fact);
    }
    monitor
}

#[test]
fn an_answer_of_several_lines_is_told_once_with_its_last_numbers() {
    let facts = read(&[
        answer(1, "m1", "claude-opus-4-8", 100, 1),
        answer(2, "m1", "claude-opus-4-8", 100, 40),
        answer(3, "m1", "claude-opus-4-8", 100, 7),
        answer(4, "m2", "claude-opus-4-8", 5, 6),
    ]);
    let tokens: Vec<Tokens> = facts.iter().map(|fact| Tokens::of(&fact.data)).collect();
    assert_eq!(
        tokens,
        [Tokens { input: 100, output: 40, ..Tokens::default() }, Tokens { input: 5, output: 6, ..Tokens::default() }]
    );
}

#[test]
fn the_words_of_a_conversation_are_nowhere_in_what_is_told_of_it() {
    let mut secret = answer(1, "m1", "claude-opus-4-8", 1, 1);
    secret["message"]["content"] =
        json!([{ "type": "text", "text": "a secret answer" }, { "type": "thinking", "thinking": "a secret thought" }]);
    let prompt = json!({ "type": "user", "timestamp": "2026-11-20T10:00:00.000Z", "message": { "role": "user", "content": "a secret prompt" } });
    let facts = read(&[prompt, secret]);
    assert_eq!(facts.len(), 1);
    assert!(!format!("{facts:?}").contains("secret"));
}

#[test]
fn errors_written_as_answers_and_lines_that_are_none_count_nothing() {
    let facts = read(&[
        answer(1, "m1", "<synthetic>", 100, 1),
        json!({ "type": "assistant", "message": "text" }),
        json!({ "type": "assistant", "message": { "id": "m", "model": "x" } }),
        json!(["no object"]),
        json!({ "type": 7 }),
    ]);
    assert_eq!(facts, []);
    assert_eq!(Transcript::new(SESSION, None).take(b"{\"type\":\"assistant\",", 0, &Prices::default()), []);
}

#[test]
fn tokens_are_the_transcripts_and_a_request_that_otlp_tells_too_is_one_event_with_its_reported_cost() {
    let monitor = told(&[answer(1, "m1", "claude-opus-4-8", 1_000, 100), answer(2, "m2", "claude-new-9", 10, 10)]);
    let spent = monitor.sessions[SESSION].spending().unwrap();
    assert_eq!(spent.usage.tokens, Tokens { input: 1_010, output: 110, ..Tokens::default() });
    assert_eq!((spent.source, spent.costed, spent.cost_source), (Source::Transcript, Costed::Estimated, None));
    assert_eq!(spent.usage.cost_micros, Some(1_000 * 5 + 100 * 25), "a model without a price adds nothing");
    assert_eq!(spent.unpriced.iter().collect::<Vec<_>>(), ["claude-new-9"]);

    let mut session = monitor.sessions[SESSION].clone();
    let mut reported = Fact::new(
        Kind::ApiRequestFinished,
        Time::parse("2026-11-20T10:00:01.100Z").unwrap(),
        Source::Otlp,
        json!({ "model": "claude-opus-4-8", "request_id": "r-m1", "input_tokens": 1_000, "output_tokens": 100, "cost_usd": 0.5 }),
    );
    reported.session_id = Some(SESSION.to_owned());
    let known = session.knows(&reported).expect("the same request is no second event");
    let event = monitor.events.iter().find(|event| event.seq == Some(known)).unwrap();
    assert_eq!(event.fact.text("message_id"), Some("m1"));
    assert!(session.take_again(&event.fact, &reported));
    let spent = session.spending().unwrap();
    assert_eq!(spent.usage.tokens, Tokens { input: 1_010, output: 110, ..Tokens::default() }, "nothing is doubled");
    assert_eq!(spent.usage.cost_micros, Some(500_000), "the reported cost stands in for the estimate");
    assert_eq!(
        (spent.costed, spent.cost_source),
        (Costed::Estimated, Some(Source::Otlp)),
        "the other has no price yet"
    );
}

#[test]
fn a_model_is_one_model_whatever_window_it_is_told_with() {
    let mut monitor = told(&[answer(1, "m1", "claude-opus-4-8", 1_000, 100)]);
    let point = |name: &str, value: f64, kind: &str| {
        json!({ "name": name, "value": value, "temporality": "delta",
        "attributes": { "model": "claude-opus-4-8[1m]", "type": kind } })
    };
    let points = [
        point("claude_code.token.usage", 1_000.0, "input"),
        point("claude_code.token.usage", 100.0, "output"),
        point("claude_code.cost.usage", 0.5, ""),
    ];
    let at = Time::parse("2026-11-20T10:00:20.000Z").unwrap();
    let mut metrics = Fact::new(Kind::MetricsReported, at, Source::Otlp, json!({ "points": points }));
    metrics.session_id = Some(SESSION.to_owned());
    monitor.take(metrics);
    let spent = monitor.sessions[SESSION].spending().unwrap();
    assert_eq!(spent.usage.tokens, Tokens { input: 1_000, output: 100, ..Tokens::default() }, "nothing is doubled");
    assert_eq!(spent.usage.models.keys().collect::<Vec<_>>(), ["claude-opus-4-8"]);
    assert_eq!(spent.usage.models["claude-opus-4-8"].cost_micros, Some(500_000));
    assert_eq!((spent.usage.cost_micros, spent.costed), (Some(500_000), Costed::Reported));
}

#[test]
fn a_request_that_is_reported_without_its_cost_keeps_its_estimate() {
    let fact = read(&[answer(1, "m1", "claude-opus-4-8", 1_000, 100)]).remove(0);
    let mut both = fact.clone();
    both.data["otlp"] = json!({ "input_tokens": 1_000, "output_tokens": 100 });
    both.sources.push(Source::Otlp);
    let mut monitor = told(&[]);
    monitor.take(both);
    assert_eq!(monitor.sessions[SESSION].spending().unwrap().usage.cost_micros, Some(1_000 * 5 + 100 * 25));
}

#[test]
fn nothing_is_unpriced_that_is_in_the_clients_own_sum() {
    let said = json!({ "type": "cost-state", "totalCostUSD": 0.25, "modelUsage": { "claude-new-9[1m]": { "costUSD": 0.25 } } });
    let lines = [answer(1, "m1", "claude-new-9", 10, 10), said, answer(9, "m2", "claude-opus-4-8", 100, 0)];
    let spent = told(&lines).sessions[SESSION].spending().unwrap();
    assert!(spent.unpriced.is_empty(), "{:?}", spent.unpriced);
    assert_eq!(spent.usage.models["claude-new-9"].cost_micros, Some(250_000));
    assert_eq!((spent.usage.cost_micros, spent.costed), (Some(250_500), Costed::Estimated));
    let [first, said, second] = lines;
    let after = told(&[first, said, second, answer(10, "m3", "claude-new-9", 10, 10)]);
    assert_eq!(after.sessions[SESSION].spending().unwrap().unpriced.into_iter().collect::<Vec<_>>(), ["claude-new-9"]);
}

#[test]
fn what_the_client_says_that_a_session_cost_is_its_cost() {
    let said =
        json!({ "type": "cost-state", "totalCostUSD": 0.25, "modelUsage": { "claude-opus-4-8": { "costUSD": 0.25 } } });
    let monitor = told(&[answer(1, "m1", "claude-opus-4-8", 1_000, 100), said.clone()]);
    let spent = monitor.sessions[SESSION].spending().unwrap();
    assert_eq!((spent.usage.cost_micros, spent.costed), (Some(250_000), Costed::Reported));
    // Resumed, it goes on from there.
    let monitor =
        told(&[answer(1, "m1", "claude-opus-4-8", 1_000, 100), said, answer(9, "m2", "claude-opus-4-8", 100, 0)]);
    let spent = monitor.sessions[SESSION].spending().unwrap();
    assert_eq!((spent.usage.cost_micros, spent.costed), (Some(250_500), Costed::Estimated));
}

#[test]
fn the_context_is_what_the_last_answer_was_given_and_its_window_grows_with_what_is_seen_in_it() {
    let context = |lines: &[Value]| {
        told(lines).sessions[SESSION].context().map(|context| (context.tokens, context.window, context.status()))
    };
    assert_eq!(context(&[]), None);
    assert_eq!(context(&[answer(1, "a", "claude-opus-4-8", 159_999, 9)]), Some((159_999, 200_000, "ok")));
    assert_eq!(context(&[answer(1, "a", "claude-opus-4-8", 160_000, 9)]), Some((160_000, 200_000, "high")));
    assert_eq!(context(&[answer(1, "a", "claude-opus-4-8", 190_000, 9)]), Some((190_000, 200_000, "full")));
    assert_eq!(context(&[answer(1, "a", "claude-opus-4-8", 200_001, 9)]), Some((200_001, 1_000_000, "ok")));
    assert_eq!(context(&[answer(1, "a", "claude-sonnet-5", 10, 9)]), Some((10, 1_000_000, "ok")));
    assert_eq!(context(&[answer(1, "a", "x", 9, 9), answer(2, "b", "x", 7, 9)]), Some((7, 200_000, "ok")));

    let mut monitor = told(&[answer(1, "a", "claude-opus-4-8", 190_000, 9)]);
    let compacted = json!({ "session_id": SESSION, "hook_event_name": "PostCompact", "trigger": "auto", "compact_summary": "", "prompt_id": "p" });
    monitor.tell(&compacted, Time::parse("2026-11-20T10:00:05.000Z").unwrap(), Source::Hook);
    assert_eq!(monitor.sessions[SESSION].context(), None, "after a compaction nothing tells");
    for fact in read(&[answer(4, "late", "claude-opus-4-8", 190_001, 9)]) {
        monitor.take(fact);
    }
    assert_eq!(monitor.sessions[SESSION].context(), None, "what was answered before it does not either");
    for fact in read(&[answer(6, "next", "claude-opus-4-8", 20_000, 9)]) {
        monitor.take(fact);
    }
    assert_eq!(monitor.sessions[SESSION].context().unwrap().tokens, 20_000);
}

#[test]
fn escape_ends_what_the_main_thread_had_open_and_its_question() {
    let mut monitor = told(&[]);
    let at = |second: u32| Time::parse(&format!("2026-11-20T10:00:{second:02}.000Z")).unwrap();
    let call = json!({ "session_id": SESSION, "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_use_id": "t", "prompt_id": "p",
        "tool_input": { "command": "make" } });
    monitor.tell(&call, at(1), Source::Hook);
    let mut ask = call.clone();
    ask["hook_event_name"] = json!("PermissionRequest");
    ask.as_object_mut().unwrap().remove("tool_use_id");
    monitor.tell(&ask, at(2), Source::Hook);
    assert_eq!(monitor.sessions[SESSION].state(at(3)).0, State::Need);
    let line = json!({ "type": "user", "uuid": "i", "timestamp": "2026-11-20T10:00:04.000Z",
        "message": { "role": "user", "content": [{ "type": "text", "text": "[Request interrupted by user for tool use]" }] } });
    for fact in read(&[line]) {
        monitor.take(fact);
    }
    let session = &monitor.sessions[SESSION];
    let (state, since, reason) = session.state(at(5));
    assert_eq!((state, since, reason.unwrap().kind.as_str()), (State::Idle, at(4), "turn.interrupted"));
    assert!(session.calls.open().is_empty());
    assert_eq!(session.claude_status, "waiting");
    let closed = monitor.facts().find(|fact| fact.kind == Kind::ToolCallFailed).unwrap();
    assert_eq!(closed.outcome, Some(event::event::Outcome::Interrupted));
}

#[test]
fn a_person_who_types_the_words_of_an_interrupt_interrupts_nothing() {
    let typed = json!({ "type": "user", "uuid": "i", "timestamp": "2026-11-20T10:00:04.000Z", "promptSource": "typed",
        "message": { "role": "user", "content": "[Request interrupted by user] is what I saw" } });
    assert_eq!(read(&[typed]), []);
}

#[test]
fn late_lines_of_a_transcript_keep_no_turn_and_no_agent_at_work() {
    let mut monitor = told(&[]);
    let stop = json!({ "session_id": SESSION, "hook_event_name": "Stop", "prompt_id": "p", "background_tasks": [] });
    let at = Time::parse("2026-11-20T10:00:03.000Z").unwrap();
    monitor.tell(&stop, at, Source::Hook);
    let prices = Prices::default();
    let mut of_agent = Transcript::new(SESSION, Some(("a1", Some("Explore"))));
    let mut facts = of_agent.take(answer(4, "of_agent", "x", 1, 1).to_string().as_bytes(), 0, &prices);
    facts.extend(of_agent.settle(&prices));
    facts.extend(read(&[answer(5, "late", "x", 1, 1)]));
    for fact in facts {
        monitor.take(fact);
    }
    let session = &monitor.sessions[SESSION];
    assert_eq!(session.state(Time::parse("2026-11-20T10:00:06.000Z").unwrap()).0, State::Idle);
    assert_eq!(session.agents.known(), []);
    assert_eq!(session.spending().unwrap().usage.requests, 2);
}

/// The last numbers of each answer of a file, found another way than the program does.
fn answers_of(path: &Path) -> BTreeMap<String, (u64, u64)> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let answers = lines.filter(|line| line["type"] == "assistant" && line["message"]["model"] != "<synthetic>");
    let mut of = BTreeMap::new();
    for line in answers {
        let usage = &line["message"]["usage"];
        let tokens = (usage["input_tokens"].as_u64().unwrap(), usage["output_tokens"].as_u64().unwrap());
        of.insert(line["message"]["id"].as_str().unwrap().to_owned(), tokens);
    }
    of
}

#[test]
fn recorded_transcripts_tell_as_many_answers_and_tokens_as_are_in_them() {
    let mut read_answers = 0;
    for path in recorded() {
        let prices = Prices::default();
        let mut transcript = Transcript::new(SESSION, None);
        let text = std::fs::read(&path).unwrap();
        let mut facts: Vec<Fact> =
            text.split(|byte| *byte == b'\n').flat_map(|line| transcript.take(line, 0, &prices)).collect();
        facts.extend(transcript.settle(&prices));
        let told: BTreeMap<String, (u64, u64)> = facts
            .iter()
            .filter(|fact| fact.kind == Kind::ApiRequestFinished)
            .map(|fact| {
                let tokens = Tokens::of(&fact.data);
                (fact.text("message_id").unwrap().to_owned(), (tokens.input, tokens.output))
            })
            .collect();
        assert_eq!(told, answers_of(&path), "{}", path.display());
        read_answers += told.len();
    }
    assert!(read_answers > 50, "{read_answers}");
}

fn recorded() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/claude")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains("/transcripts/")
                && path.extension().is_some_and(|it| it == "jsonl")
            {
                found.push(path);
            }
        }
    }
    found
}
