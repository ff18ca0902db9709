//! Sums over time: what `/api/v1/stats` adds up is what all events add up to, whatever happened meanwhile.

mod naive;

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use naive::{Counted, GROUPS, Names, naive};

use crate::otlp;
use crate::support::{Home, Monitor, eventually};
use crate::transcripts::{Conversation, answer};

/// The sums of everything, by a group.
fn asked(monitor: &Monitor, group: &str) -> Value {
    monitor.get(&format!("/api/v1/stats?from=2020-01-01T00:00:00Z&step=30d&group={group}"))["over_time"].clone()
}

fn read(sum: &Value) -> (Counted, Option<&Value>) {
    let whole = |key: &str| sum[key].as_u64().unwrap_or(0);
    let tokens =
        ["input", "output", "cache_read", "cache_creation"].map(|key| sum["tokens"][key].as_u64().unwrap_or(0));
    let counted = Counted {
        events: whole("events"),
        errors: whole("errors"),
        calls: whole("calls"),
        failed: whole("failed"),
        requests: whole("requests"),
        tokens,
        cost_micros: sum["cost_usd"].as_f64().map(|cost| (cost * 1e6).round() as i64),
        estimated_micros: sum["cost_estimated_usd"].as_f64().map_or(0, |cost| (cost * 1e6).round() as i64),
        took: Vec::new(),
    };
    (counted, sum.get("duration_ms"))
}

/// Compares every group with the naive count of these events.
fn compare(monitor: &Monitor, events: &[Value], when: &str) {
    compare_groups(monitor, events, &GROUPS, when);
}

fn compare_groups(monitor: &Monitor, events: &[Value], groups: &[&'static str], when: &str) {
    let naive = naive(events);
    for group in groups.iter().copied() {
        let asked = asked(monitor, group);
        let mut wanted = naive[group].clone();
        for series in asked["series"].as_array().unwrap() {
            let name = series["name"].as_str().unwrap();
            let mut wanted = wanted.remove(name).unwrap_or_else(|| panic!("{when}: {group} {name} is nowhere"));
            wanted.took.sort_unstable();
            let (mut counted, took) = read(&series["total"]);
            if group == "kind" {
                // Which of the two kinds told of some spending first is not a matter of its sum.
                (counted.tokens, counted.cost_micros, counted.estimated_micros) = ([0; 4], None, 0);
            }
            assert_eq!(counted, Counted { took: Vec::new(), ..wanted.clone() }, "{when}: {group} {name}");
            check_durations(took, &wanted.took, &format!("{when}: {group} {name}"));
            let bins = series["bins"].as_array().unwrap();
            let in_bins: u64 = bins.iter().map(|bin| bin["events"].as_u64().unwrap()).sum();
            assert_eq!(in_bins, counted.events, "{when}: {group} {name}");
        }
        assert_eq!(wanted, Names::new(), "{when}: {group} is not all");
        assert_eq!(asked["total"]["events"].as_u64(), Some(events.len() as u64), "{when}");
        // All sessions together are what is spent in all.
        let sessions = naive["session"].values().filter_map(|counted| counted.cost_micros).sum::<i64>();
        assert_eq!(read(&asked["total"]).0.cost_micros, Some(sessions), "{when}");
    }
}

fn check_durations(told: Option<&Value>, sorted: &[u64], what: &str) {
    let Some(told) = told else {
        assert!(sorted.is_empty(), "{what}: {sorted:?}");
        return;
    };
    assert_eq!(told["count"].as_u64(), Some(sorted.len() as u64), "{what}");
    assert_eq!(told["sum"].as_u64(), Some(sorted.iter().sum()), "{what}");
    for (key, part) in [("p50", 0.5), ("p95", 0.95)] {
        let exact = sorted[((part * sorted.len() as f64) as usize).min(sorted.len() - 1)] as f64;
        let said = told[key].as_f64().unwrap();
        assert!((said - exact).abs() <= exact * 0.1 + 0.5, "{what}: {key} is {exact}, and not {said}");
    }
}

/// A session that reports its spending as sums since its start, again and again.
fn report_sums(monitor: &Monitor, session: &str, tokens: u64, cost: Option<f64>) {
    let point = |value: Value, attributes: Value| {
        json!({ "startTimeUnixNano": "1795177000000000000", "timeUnixNano": (1_795_177_000_000_000_000_u64 + tokens).to_string(),
            "asDouble": value, "attributes": attributes })
    };
    let attribute = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let all = |more: Option<Value>| {
        let mut all = vec![
            attribute("session.id", session),
            attribute("model", "claude-sum"),
            attribute("query_source", "subagent"),
        ];
        all.extend(more);
        json!(all)
    };
    let sum = |name: &str, point: Value| json!({ "name": name, "sum": { "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [point] } });
    let mut metrics = vec![sum("claude_code.token.usage", point(json!(tokens), all(Some(attribute("type", "input")))))];
    metrics.extend(cost.map(|cost| sum("claude_code.cost.usage", point(json!(cost), all(None)))));
    let body = json!({ "resourceMetrics": [{ "resource": { "attributes": [attribute("service.name", "claude-code")] },
        "scopeMetrics": [{ "scope": { "name": "com.anthropic.claude_code" }, "metrics": metrics }] }] });
    let (status, answer) =
        monitor.request("POST", "/v1/metrics", &[("content-type", "application/json")], &body.to_string());
    assert_eq!(status, 200, "{answer}");
}

fn delete_catalog(home: &Home, port: u16) {
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm", "catalog.key"] {
        let _ = std::fs::remove_file(folder(home, port).join(name));
    }
}

fn folder(home: &Home, port: u16) -> std::path::PathBuf {
    home.path().join(".claude-mpm/monitor").join(port.to_string())
}

fn counted_all(monitor: &Monitor) {
    eventually("everything has been counted", || (asked(monitor, "kind")["complete"] == true).then_some(()));
}

#[test]
fn sums_are_what_all_events_add_up_to_also_after_a_crash_and_without_the_catalog() {
    let home = Home::new();
    let monitor = home.monitor();
    let port = monitor.port;
    otlp::play(&monitor, "otlp-json", false);
    for (tokens, cost) in [(100, Some(0.5)), (100, Some(0.5)), (250, Some(0.75))] {
        report_sums(&monitor, "s-sums", tokens, cost);
    }
    report_sums(&monitor, "s-unpriced", 70, None);
    compare(&monitor, &monitor.history(), "at once");
    monitor.kill();

    let monitor = home.monitor_on(port);
    compare(&monitor, &monitor.history(), "after a crash");
    // Telemetry first: its events are told better by the hooks, and were counted already.
    otlp::play(&monitor, "otlp-proto", true);
    report_sums(&monitor, "s-sums", 300, Some(1.0));
    // What telemetry told of a session before its folder was known counts for no project, and is not moved.
    let groups = GROUPS.map(|group| if group == "project" { "kind" } else { group });
    compare_groups(&monitor, &monitor.history(), &groups, "told better");
    monitor.kill();

    let monitor = home.monitor_on(port);
    compare_groups(&monitor, &monitor.history(), &groups, "after another crash");
    let unpriced = asked(&monitor, "session");
    let unpriced = unpriced["series"].as_array().unwrap().iter().find(|series| series["name"] == "s-unpriced").unwrap();
    assert!(unpriced["total"].get("cost_usd").is_none() && unpriced["total"]["unpriced"] == 1, "{unpriced}");
    monitor.stop();

    delete_catalog(&home, port);
    let monitor = home.monitor_on(port);
    counted_all(&monitor);
    compare(&monitor, &monitor.history(), "without the catalog");
    report_sums(&monitor, "s-sums", 350, Some(1.5));
    compare(&monitor, &monitor.history(), "and goes on");
    monitor.kill();
    let monitor = home.monitor_on(port);
    compare(&monitor, &monitor.history(), "and is kept");
}

/// The same events, spread over the days before the first of November 2026, a few a day.
fn in_the_past(events: &[Value]) -> Vec<Value> {
    let day = |at: usize| 5 + at * 20 / events.len().max(1);
    let past = events.iter().enumerate().map(|(at, event)| {
        let time = format!("2026-10-{:02}T1{}:{:02}:00.000Z", day(at), at % 3, at % 60);
        let mut event = event.clone();
        event["time"] = json!(time);
        event["recorded_at"] = json!(format!("2026-10-{:02}T20:00:00.000Z", day(at)));
        event
    });
    past.collect()
}

fn import(home: &Home, port: u16, events: &[Value]) {
    use std::io::Write;
    let mut importing =
        home.program(&["store", "--port", &port.to_string(), "import", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
    importing.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(importing.wait().unwrap().success());
}

fn day_files(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("events-") && name.ends_with(".db")).count()
}

#[test]
fn sums_of_days_that_retention_removed_stay_also_in_a_backup() {
    let source = Home::new();
    let monitor = source.monitor();
    let past = in_the_past(&otlp::play(&monitor, "otlp-json", false));
    let port = monitor.port;
    monitor.stop();
    let home = Home::new();
    import(&home, port, &past);
    let monitor = home.monitor_on(port);
    counted_all(&monitor);
    let before = monitor.history();
    compare(&monitor, &before, "imported");
    let days = day_files(&folder(&home, port));
    assert!(days > 10, "{days}");
    monitor.stop();

    let settings = "monitoring:\n  store:\n    keep_gb: 0.0005\n";
    std::fs::write(home.path().join(".claude-mpm/configuration.yaml"), settings).unwrap();
    let monitor = home.monitor_on(port);
    eventually("old days are removed", || (day_files(&folder(&home, port)) < days).then_some(()));
    let all = |monitor: &Monitor| {
        let history = monitor.history();
        let newer = history.into_iter().filter(|event| !before.contains(event));
        before.iter().cloned().chain(newer).collect::<Vec<_>>()
    };
    compare(&monitor, &all(&monitor), "after retention");
    let copy = home.path().join("copy");
    let backup =
        home.program(&["store", "--port", &port.to_string(), "backup", copy.to_str().unwrap()]).output().unwrap();
    assert!(backup.status.success(), "{}", String::from_utf8_lossy(&backup.stderr));
    monitor.kill();
    let monitor = home.monitor_on(port);
    compare(&monitor, &all(&monitor), "after retention and a crash");
    monitor.stop();

    let moved = home.path().join("moved");
    std::fs::rename(folder(&home, port), &moved).unwrap();
    let restored =
        home.program(&["store", "--port", &port.to_string(), "restore", copy.to_str().unwrap()]).output().unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let monitor = home.monitor_on(port);
    assert_eq!(asked(&monitor, "kind")["complete"], true);
    compare(&monitor, &all(&monitor), "restored");
}

/// An export of one request, by its log record.
fn report_request(monitor: &Monitor, session: &str, request: &str, more: &[(&str, &str)], cost: Option<f64>) {
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    let number = |key: &str, value: u64| json!({ "key": key, "value": { "intValue": value } });
    let mut attributes = vec![
        text("session.id", session),
        text("event.sequence", request),
        text("model", "claude-opus-4-8"),
        text("request_id", request),
        number("input_tokens", 1),
        number("output_tokens", 10),
    ];
    attributes.extend(more.iter().map(|(key, value)| text(key, value)));
    attributes.extend(cost.map(|cost| json!({ "key": "cost_usd", "value": { "doubleValue": cost } })));
    let body = json!({ "resourceLogs": [{ "resource": { "attributes": [text("service.name", "claude-code")] },
        "scopeLogs": [{ "scope": { "name": "com.anthropic.claude_code.events" }, "logRecords": [{
            "timeUnixNano": "1795185011100000000", "body": { "stringValue": "claude_code.api_request" },
            "attributes": attributes }] }] }] });
    let (status, answer) =
        monitor.request("POST", "/v1/logs", &[("content-type", "application/json")], &body.to_string());
    assert_eq!(status, 200, "{answer}");
}

fn outputs(monitor: &Monitor, session: &str, tokens: u64) {
    eventually(&format!("{tokens} tokens of {session}"), || {
        let sessions = monitor.get("/api/v1/sessions");
        let sessions = sessions["sessions"].as_array().unwrap();
        let known = sessions.iter().find(|known| known["session_id"] == session)?;
        (known["usage"]["tokens"]["output"] == tokens).then_some(())
    });
}

/// Waits until so many events of a session are known from its transcript and by telemetry.
fn told_by_both(monitor: &Monitor, session: &str, events: usize) {
    let is_by = |event: &Value, door: &str| event["sources"].as_array().unwrap().contains(&json!(door));
    monitor.history_when(|all| {
        let of_session = all.iter().filter(|event| event["session_id"] == session);
        of_session.filter(|event| is_by(event, "otlp") && is_by(event, "transcript")).count() == events
    });
}

#[test]
fn each_token_and_cent_of_a_transcript_is_counted_once_whoever_else_tells_it() {
    let home = Home::new();
    let monitor = home.monitor();
    let port = monitor.port;
    let check = |monitor: &Monitor, when: &str| compare(monitor, &monitor.history(), when);
    let [mut told, mut first, mut summed, mut said] =
        ["told", "first", "summed", "said"].map(|session| Conversation::new(&home, session));
    for conversation in [&told, &first, &summed, &said] {
        home.hook(port, conversation.prompt().as_bytes());
    }
    // Its transcript alone, a subagent, and a model without a price.
    told.answer();
    let mut other = answer(9, "m9");
    other["message"]["model"] = json!("claude-unheard-of");
    told.write(&other);
    told.subagent("a1", "Explore", &answer(5, "of a1"));
    outputs(&monitor, "told", 30);
    check(&monitor, "of a transcript alone");
    let models = asked(&monitor, "model")["series"].clone();
    let unheard = models.as_array().unwrap().iter().find(|series| series["name"] == "claude-unheard-of").unwrap();
    assert_eq!((unheard["total"].get("cost_usd"), &unheard["total"]["unpriced"]), (None, &json!(1)), "{unheard}");

    // The same by telemetry, which names no agent of the one and another agent of the other.
    report_request(&monitor, "told", "rm1", &[], Some(0.5));
    report_request(&monitor, "told", "rof a1", &[("query_source", "subagent")], Some(0.25));
    check(&monitor, "told again");

    // Telemetry first, and of one it knows no cost.
    report_request(&monitor, "first", "rm1", &[("agent.name", "Plan")], Some(0.125));
    report_request(&monitor, "first", "rm2", &[], None);
    check(&monitor, "before its transcript");
    first.answer();
    first.answer();
    // Telemetry has told as many tokens already.
    told_by_both(&monitor, "first", 2);
    check(&monitor, "its transcript too");

    // An answer whose end comes later than what follows it.
    let mut torn = answer(20, "m20");
    torn["message"]["stop_reason"] = Value::Null;
    torn["message"]["usage"]["output_tokens"] = json!(3);
    told.write(&torn);
    told.write(&answer(21, "m21"));
    outputs(&monitor, "told", 43);
    check(&monitor, "of a torn answer");
    told.write(&answer(20, "m20"));
    told.write(&answer(22, "m22"));
    outputs(&monitor, "told", 60);
    check(&monitor, "of the rest of it");

    // Metrics, which tell nearly all.
    summed.answer();
    outputs(&monitor, "summed", 10);
    report_sums(&monitor, "summed", 100, Some(0.75));
    check(&monitor, "by metrics");

    // The client's own sum, and what comes after it, and a report of that.
    said.answer();
    said.write(
        &json!({ "type": "cost-state", "totalCostUSD": 0.5, "modelUsage": { "claude-opus-4-8": { "costUSD": 0.5 } } }),
    );
    said.answer();
    outputs(&monitor, "said", 20);
    check(&monitor, "by the client's sum");
    report_request(&monitor, "said", "rm2", &[], Some(0.0625));
    check(&monitor, "and a report");
    monitor.kill();

    let monitor = home.monitor_on(port);
    check(&monitor, "after a crash");
    monitor.stop();
    delete_catalog(&home, port);
    let monitor = home.monitor_on(port);
    counted_all(&monitor);
    check(&monitor, "without the catalog");
}

#[test]
fn bins_hold_their_time_and_too_many_of_them_are_refused_with_a_way_out() {
    let home = Home::new();
    let monitor = home.monitor();
    report_sums(&monitor, "s", 5, None);
    let get = |query: &str| {
        let (status, body) = monitor.request("GET", &format!("/api/v1/stats?{query}"), &[], "");
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    // Nothing of the sums is in an answer that was not asked for them.
    assert!(get("minutes=5").1.get("over_time").is_none());
    let reported = monitor.history().into_iter().find(|event| event["kind"] == "metrics.reported").unwrap();
    let hour = &reported["time"].as_str().unwrap()[..13];
    let (status, answer) = get(&format!("from={hour}:00:00Z&to={hour}:59:00Z&step=1m&group=model"));
    assert_eq!(status, 200, "{answer}");
    let over_time = &answer["over_time"];
    let bin = &over_time["series"][0]["bins"][0];
    assert_eq!(bin["time"], format!("{}:00.000Z", &reported["time"].as_str().unwrap()[..16]), "{over_time}");
    assert_eq!((&bin["tokens"]["input"], &over_time["step_s"]), (&json!(5), &json!(60)));
    // Without a step it is one of some hundred bins, and without a range the last day.
    assert_eq!(get("group=kind").1["over_time"]["step_s"], 300);
    for (query, said) in [
        ("from=2026-01-01T00:00:00Z&to=2026-06-01T00:00:00Z&step=1m", "at most 2000"),
        ("group=colour", "group must be one of model, agent"),
        ("from=yesterday", "must be a time such as"),
        ("from=2026-06-01T00:00:00Z&to=2026-01-01T00:00:00Z", "`from` must be before `to`"),
        ("step=5s", "`step` must be"),
    ] {
        let (status, answer) = get(query);
        assert_eq!(status, 400, "{query}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(said), "{query}: {answer}");
    }
    assert!(
        get("from=2026-01-01T00:00:00Z&to=2026-06-01T00:00:00Z&step=1m").1["error"]["suggestion"]
            .as_str()
            .unwrap()
            .contains("a step of 109m or more")
    );
}
