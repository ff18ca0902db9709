//! Who needs a person: stories of hooks, and the state that each step leaves. Seconds first, then what happens.

use event::event::{Fact, Outcome, Source, Time};
use event::session::State::{Ended, Failing, Idle, Need, Stuck, Working};
use event::session::{Session, State};
use event::vocabulary::Kind;
use serde_json::{Value, json};

use crate::monitor::Monitor;

/// One step, as `SECONDS VERB key=value …`, and the state after it.
type Step<'a> = (&'a str, State);

/// Plays a story. `look` tells nothing and only looks at the clock.
fn play(story: &[Step<'_>]) -> Monitor {
    let mut monitor = Monitor::default();
    let mut now = Time::from_ms(0);
    for (step, wanted) in story {
        let mut words = step.split(' ');
        let at = Time::from_ms((words.next().unwrap().parse::<f64>().unwrap() * 1000.0) as i64);
        now = now.max(at);
        let verb = words.next().unwrap();
        let fields: Vec<(&str, &str)> = words.map(|word| word.split_once('=').unwrap()).collect();
        match verb {
            "look" => {}
            "seen" | "escape" => drop(monitor.take(shown(&monitor, verb, at))),
            _ => drop(monitor.tell(&hook(verb, &fields), at, Source::Hook)),
        }
        let (state, since, _) = session(&monitor).state(now);
        assert_eq!(state, *wanted, "after {step:?} of {story:#?}");
        assert!(since <= now, "after {step:?} the state began in the future");
    }
    monitor
}

/// What no hook tells: the server sees that the oldest question was answered; the transcript has an interrupt.
fn shown(monitor: &Monitor, verb: &str, at: Time) -> Fact {
    let (kind, source, data) = match verb {
        "seen" => {
            let asked = session(monitor).needs().first().map(|need| need.seq);
            (Kind::ToolCallDecided, Source::Server, json!({ "decision": "accept", "need_seq": asked }))
        }
        _ => (Kind::TurnInterrupted, Source::Transcript, json!({ "by": "user" })),
    };
    let mut fact = Fact::new(kind, at, source, data);
    fact.session_id = Some("s".to_owned());
    fact
}

fn session(monitor: &Monitor) -> &Session {
    &monitor.sessions["s"]
}

/// The hook of a step: `p` prompt id, `t` call, `cmd` its command, `a` agent.
fn hook(verb: &str, fields: &[(&str, &str)]) -> Value {
    let get = |key: &str| fields.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
    let mut hook = json!({ "session_id": "s", "cwd": "/w/app" });
    let mut set = |key: &str, value: Value| hook[key] = value;
    if let Some(prompt) = get("p") {
        set("prompt_id", json!(prompt));
    }
    if let Some(agent) = get("a") {
        set("agent_id", json!(agent));
        set("agent_type", json!("Explore"));
    }
    let name = match verb {
        "start" => "SessionStart",
        "end" => "SessionEnd",
        "prompt" | "task" => "UserPromptSubmit",
        "pre" | "delegate" => "PreToolUse",
        "post" | "launched" | "answered" => "PostToolUse",
        "fail" => "PostToolUseFailure",
        "batch" => "PostToolBatch",
        "ask" => "PermissionRequest",
        "deny" => "PermissionDenied",
        "stop" => "Stop",
        "error" => "StopFailure",
        "agent" => "SubagentStart",
        "agent_end" => "SubagentStop",
        "notify" => "Notification",
        "compact" => "PreCompact",
        "compacted" => "PostCompact",
        "question" => "Elicitation",
        "answer" => "ElicitationResult",
        other => panic!("no verb {other}"),
    };
    set("hook_event_name", json!(name));
    match verb {
        "prompt" => set("prompt", json!("Go on")),
        "task" => set(
            "prompt",
            json!(format!("<task-notification><task-id>{}</task-id></task-notification>", get("of").unwrap())),
        ),
        "pre" | "post" | "fail" | "ask" | "deny" => {
            let tool = get("tool").unwrap_or("Bash");
            set("tool_name", json!(tool));
            set("tool_input", json!({ "command": get("cmd").unwrap_or("make") }));
        }
        "delegate" | "launched" | "answered" => {
            set("tool_name", json!("Agent"));
            set("tool_input", json!({ "subagent_type": "Explore", "description": "Look", "prompt": "Look around" }));
            let status = if verb == "launched" { "async_launched" } else { "completed" };
            set("tool_response", json!({ "status": status, "agentId": get("of") }));
        }
        "batch" => {
            let calls = get("calls").unwrap_or_default().split(',').filter(|call| !call.is_empty());
            let call = |id: &str| json!({ "tool_name": "Bash", "tool_use_id": id, "tool_input": { "command": "make" }, "tool_response": "no" });
            set("tool_calls", calls.map(call).collect());
        }
        "stop" => {
            let running = get("runs").unwrap_or_default().split(',').filter(|id| !id.is_empty());
            set(
                "background_tasks",
                running.map(|id| json!({ "id": id, "type": "subagent", "status": "running" })).collect(),
            );
        }
        "notify" => set("notification_type", json!(get("type").unwrap())),
        "question" | "answer" => set("mcp_server_name", json!(get("server").unwrap_or("db"))),
        "error" => set("error", json!("rate_limit")),
        _ => {}
    }
    if let Some(call) = get("t") {
        set("tool_use_id", json!(call));
    }
    hook
}

#[test]
fn a_question_ends_with_the_first_sign_of_its_answer() {
    let asked: [Step<'_>; 4] =
        [("0 start", Idle), ("1 prompt p=1", Working), ("2 pre p=1 t=a", Working), ("3 ask p=1", Need)];
    let answers: [&[Step<'_>]; 12] = [
        // Approved, and the command runs on: somebody saw it.
        &[("5 seen", Working), ("64 look", Working), ("65 post p=1 t=a", Working), ("66 stop p=1", Idle)],
        // Asked again at once: what was seen answers the first question alone.
        &[("4 pre p=1 t=b cmd=two", Need), ("5 ask p=1 cmd=two", Need), ("6 seen", Need), ("7 seen", Working)],
        // Escape, as the transcript tells it; a late line is of an earlier question.
        &[
            ("4 escape", Idle),
            ("5 prompt p=2", Working),
            ("6 pre p=2 t=b", Working),
            ("7 ask p=2", Need),
            ("4 escape", Need),
        ],
        &[
            ("3600 look", Need),
            ("3601 post p=1 t=a", Working),
            ("3602 batch p=1 calls=a", Working),
            ("3603 stop p=1", Idle),
        ],
        &[("4 fail p=1 t=a", Working)],
        // Refused by a person or a hook: only the batch tells.
        &[("4 batch p=1 calls=a", Working), ("5 stop p=1", Idle)],
        &[("4 deny p=1 t=a", Working)],
        // Escape: no hook at all until the next prompt.
        &[("600 look", Need), ("601 prompt p=2", Working), ("602 stop p=2", Idle)],
        // A prompt that was queued comes with the running id and answers nothing.
        &[("4 prompt p=1", Need), ("5 post p=1 t=a", Working)],
        &[("4 stop p=1", Idle)],
        &[("4 end", Ended)],
        // Killed and resumed.
        &[("9999 look", Need), ("10000 start", Idle)],
    ];
    for answer in answers {
        play(&[&asked, answer].concat());
    }
}

#[test]
fn parallel_calls_with_one_permission_need_a_person_until_that_one_is_answered() {
    let monitor = play(&[
        ("0 prompt p=1", Working),
        ("1 pre p=1 t=a cmd=one", Working),
        ("1.1 pre p=1 t=b cmd=two", Working),
        ("1.2 ask p=1 cmd=two", Need),
        ("1.3 pre p=1 t=c cmd=three", Need),
        ("2 post p=1 t=a cmd=one", Need),
        ("3 fail p=1 t=c cmd=three", Need),
        ("9 post p=1 t=b cmd=two", Working),
        ("10 batch p=1 calls=a,b,c", Working),
        ("11 stop p=1", Idle),
    ]);
    let asked = monitor.facts().find(|fact| fact.kind == Kind::PermissionRequested).unwrap();
    assert_eq!(asked.tool_use_id.as_deref(), Some("b"));
    let statuses: Vec<_> = monitor
        .facts()
        .filter(|fact| fact.kind == Kind::ClaudeStatusChanged)
        .filter_map(|fact| fact.text("status"))
        .collect();
    assert_eq!(statuses, ["thinking", "running", "waiting", "running", "waiting"]);
}

#[test]
fn the_same_command_twice_at_once_is_asked_about_twice() {
    let monitor = play(&[
        ("0 prompt p=1", Working),
        ("1 pre p=1 t=a", Working),
        ("1.1 pre p=1 t=b", Working),
        ("2 ask p=1", Need),
        ("3 ask p=1", Need),
        ("4 post p=1 t=b", Need),
        ("5 post p=1 t=a", Working),
    ]);
    let asked: Vec<_> = monitor
        .facts()
        .filter(|fact| fact.kind == Kind::PermissionRequested)
        .map(|fact| fact.tool_use_id.clone().unwrap())
        .collect();
    assert_eq!(asked, ["a", "b"]);
}

#[test]
fn a_subagent_asks_while_everybody_else_goes_on() {
    play(&[
        ("0 prompt p=1", Working),
        ("1 delegate p=1 t=d", Working),
        ("1.1 agent p=1 a=x", Working),
        ("1.2 launched p=1 t=d of=x", Working),
        ("1.3 agent p=1 a=y", Working),
        ("2 batch p=1 calls=d", Working),
        ("3 pre p=1 a=x t=a", Working),
        ("4 ask p=1 a=x", Need),
        ("5 pre p=1 t=m", Need),
        ("6 post p=1 t=m", Need),
        ("7 batch p=1 calls=m", Need),
        ("8 pre p=1 a=y t=n", Need),
        ("9 batch p=1 a=y calls=n", Need),
        ("10 agent_end p=1 a=y", Need),
        ("11 stop p=1 runs=x", Need),
        ("12 post p=1 a=x t=a", Working),
        ("13 batch p=1 a=x calls=a", Working),
        ("14 ask p=1 a=x cmd=b", Need),
        ("15 agent_end p=1 a=x", Idle),
        ("16 task p=2 of=x", Working),
        ("17 task p=3 of=z", Working),
        ("18 stop p=3", Idle),
    ]);
}

#[test]
fn agents_in_the_background_keep_the_session_at_work_after_its_turn() {
    let background: [Step<'_>; 5] = [
        ("0 prompt p=1", Working),
        ("1 delegate p=1 t=d", Working),
        // The answer comes before or after the agent's start.
        ("1.1 launched p=1 t=d of=x", Working),
        ("1.2 agent p=1 a=x", Working),
        ("2 stop p=1 runs=x", Working),
    ];
    let goes_on: [&[Step<'_>]; 5] = [
        &[("3 pre p=1 a=x t=a", Working), ("4 post p=1 a=x t=a", Working), ("5 agent_end p=1 a=x", Idle)],
        // No SubagentStop: the notification says it too, or the next end of a turn.
        &[("3 task p=2 of=x", Working), ("4 stop p=2", Idle)],
        &[("3 prompt p=2", Working), ("4 stop p=2 runs=x", Working), ("5 prompt p=3", Working), ("6 stop p=3", Idle)],
        &[("3 pre p=1 a=x t=a", Working), ("602 look", Working), ("1000 look", Stuck), ("1001 end", Ended)],
        // Sent another message, it works again.
        &[("3 agent_end p=1 a=x", Idle), ("4 pre p=2 a=x t=b", Working), ("5 agent_end p=2 a=x", Idle)],
    ];
    for story in goes_on {
        play(&[&background, story].concat());
    }
}

#[test]
fn escape_ends_what_the_main_thread_had_open_and_spares_the_background() {
    // Observed of 2.1.197: an agent in the foreground dies with the call, without a word.
    let monitor = play(&[
        ("0 prompt p=1", Working),
        ("1 delegate p=1 t=d", Working),
        ("2 agent p=1 a=x", Working),
        ("3 pre p=1 a=x t=a", Working),
        ("8 prompt p=2", Working),
        ("9 stop p=2", Idle),
    ]);
    let ends: Vec<_> = monitor
        .facts()
        .filter(|fact| fact.kind == Kind::ToolCallFailed)
        .map(|fact| (fact.tool_use_id.clone().unwrap(), fact.outcome))
        .collect();
    assert_eq!(ends, [("d".to_owned(), Some(Outcome::Interrupted)), ("a".to_owned(), Some(Outcome::Interrupted))]);
    // Observed of 2.1.329: one in the background lives on, and its events take the id of the new prompt.
    let monitor = play(&[
        ("0 prompt p=1", Working),
        ("1 delegate p=1 t=d", Working),
        ("1.1 launched p=1 t=d of=x", Working),
        ("1.2 agent p=1 a=x", Working),
        ("2 stop p=1 runs=x", Working),
        ("3 pre p=1 a=x t=a", Working),
        ("8 prompt p=2", Working),
        ("9 stop p=2 runs=x", Working),
        ("10 post p=2 a=x t=a", Working),
        ("11 agent_end p=2 a=x", Idle),
    ]);
    assert!(monitor.facts().all(|fact| fact.kind != Kind::ToolCallFailed));
}

#[test]
fn a_prompt_that_is_queued_ends_no_call() {
    // Observed of 2.1.329: it comes at once, with the prompt id of the running turn; 2.1.197 tells it only after Stop.
    let monitor = play(&[
        ("0 prompt p=1", Working),
        ("1 pre p=1 t=a", Working),
        ("2 prompt p=1", Working),
        ("7 post p=1 t=a", Working),
        ("8 batch p=1 calls=a", Working),
        ("9 stop p=1", Idle),
        ("10 stop p=2", Idle),
    ]);
    assert!(monitor.facts().all(|fact| fact.kind != Kind::ToolCallFailed));
    assert_eq!(session(&monitor).counts.prompts, 2);
    // Escape at a running tool leaves no sign but the next prompt.
    let monitor =
        play(&[("0 prompt p=1", Working), ("1 pre p=1 t=a", Working), ("5 prompt p=2", Working), ("6 stop p=2", Idle)]);
    let end = monitor.facts().find(|fact| fact.kind == Kind::ToolCallFailed).unwrap();
    assert_eq!((end.outcome, end.duration_ms), (Some(Outcome::Interrupted), Some(4000)));
}

#[test]
fn three_alike_failures_fail_the_session_until_the_thing_succeeds() {
    let failing: [Step<'_>; 7] = [
        ("0 prompt p=1", Working),
        ("1 pre p=1 t=a cmd=test1", Working),
        ("2 fail p=1 t=a cmd=test1", Working),
        ("3 fail p=1 t=b cmd=test2", Working),
        ("4 fail p=1 t=x cmd=other", Working),
        ("5 fail p=1 t=c cmd=test33", Failing),
        ("6 post p=1 t=y cmd=other", Failing),
    ];
    play(&[&failing[..], &[("7 post p=1 t=e cmd=test4", Working), ("8 stop p=1", Idle)]].concat());
    // A failure counts for ten minutes, and until a person steps in.
    play(&[&failing[..], &[("602 look", Failing), ("603 look", Working)]].concat());
    play(&[&failing[..], &[("7 prompt p=1", Failing), ("8 stop p=1", Idle), ("9 prompt p=2", Working)]].concat());
    // Calls that cannot run at all are told by their batches alone.
    play(&[
        ("0 prompt p=1", Working),
        ("1 batch p=1 calls=a", Working),
        ("2 batch p=1 calls=b", Working),
        ("3 batch p=1 calls=c", Failing),
    ]);
}

#[test]
fn a_failed_turn_fails_the_session_until_the_next_prompt() {
    play(&[
        ("0 prompt p=1", Working),
        ("1 error p=1", Failing),
        ("9999 look", Failing),
        ("10000 prompt p=2", Working),
        ("10001 stop p=2", Idle),
    ]);
    play(&[("0 prompt p=1", Working), ("1 error p=1", Failing), ("2 start", Idle)]);
    // A subagent's is not the session's.
    play(&[("0 prompt p=1", Working), ("1 error p=1 a=x", Working)]);
}

#[test]
fn silence_is_stuck_by_what_is_usual() {
    // A killed client: nothing comes any more.
    play(&[
        ("0 prompt p=1", Working),
        ("600 look", Working),
        ("601 look", Stuck),
        ("99999 look", Stuck),
        ("100000 start", Idle),
    ]);
    play(&[
        ("0 prompt p=1", Working),
        ("1 pre p=1 t=a", Working),
        ("601 look", Working),
        ("602 look", Stuck),
        ("603 post p=1 t=a", Working),
    ]);
    // Five calls of a second each: a minute of silence is odd.
    let quick: Vec<String> = (0..10)
        .map(|n| if n % 2 == 0 { format!("{n} pre p=1 t={n}") } else { format!("{n} post p=1 t={}", n - 1) })
        .collect();
    let mut story: Vec<Step<'_>> = vec![("0 prompt p=1", Working)];
    story.extend(quick.iter().map(|step| (step.as_str(), Working)));
    story.extend([("10 pre p=1 t=z", Working), ("70 look", Working), ("71 look", Stuck), ("72 post p=1 t=z", Working)]);
    play(&story);
    // Nothing tells that it works: half a minute later it does not.
    play(&[("0 notify type=auth_success", Working), ("30 look", Working), ("31 look", Idle)]);
}

#[test]
fn a_session_that_ended_goes_on_only_when_its_client_does() {
    let ended: [Step<'_>; 4] =
        [("0 start", Idle), ("1 prompt p=1", Working), ("2 pre p=1 t=a", Working), ("3 end", Ended)];
    play(&[&ended[..], &[("4 notify type=idle_prompt", Ended), ("5 start", Idle), ("6 prompt p=2", Working)]].concat());
    play(&[&ended[..], &[("4 prompt p=2", Working)]].concat());
    // Hooks that arrive late, by their own time.
    let late = play(
        &[&ended[..], &[("3 post p=1 t=a", Ended), ("2.5 pre p=1 t=b", Ended), ("2.6 agent a=x", Ended)]].concat(),
    );
    assert_eq!((session(&late).calls.open().len(), session(&late).agents.working().count()), (0, 0));
}

#[test]
fn questions_of_servers_and_late_notifications_need_a_person_too() {
    play(&[
        ("0 prompt p=1", Working),
        ("1 question p=1", Need),
        ("2 answer p=1 server=other", Need),
        ("3 answer p=1", Working),
    ]);
    // Without PermissionRequest hooks only the notification tells, of no tool; the end of any call answers it.
    play(&[
        ("0 prompt p=1", Working),
        ("1 pre p=1 t=a", Working),
        ("7 notify p=1 type=permission_prompt", Need),
        ("9 post p=1 t=a", Working),
    ]);
    let asks = |tool: &str| {
        let ask = format!("1 ask p=1 tool={tool}");
        let monitor = play(&[("0 prompt p=1", Working), (&ask, Need)]);
        session(&monitor).state(Time::from_ms(2000)).2.unwrap().kind
    };
    assert_eq!([asks("AskUserQuestion"), asks("ExitPlanMode"), asks("Write")], ["question", "plan", "permission"]);
}

#[test]
fn a_compaction_on_request_is_work() {
    let idle: [Step<'_>; 3] = [("0 prompt p=1", Working), ("1 stop p=1", Idle), ("2 compact p=2", Working)];
    play(&[&idle[..], &[("60 agent_end p=2 t=hidden", Working), ("61 compacted p=2", Idle)]].concat());
    // Too few messages: nothing follows.
    play(&[&idle[..], &[("302 look", Working), ("303 look", Idle), ("304 prompt p=3", Working)]].concat());
    // While a turn runs, it is part of it.
    play(&[
        ("0 prompt p=1", Working),
        ("1 compact p=1", Working),
        ("30 compacted p=1", Working),
        ("31 stop p=1", Idle),
    ]);
}
