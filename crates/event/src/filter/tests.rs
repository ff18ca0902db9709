//! What queries want, and what they say when they mean nothing.

use serde_json::json;

use super::*;

fn wants(query: &str) -> bool {
    let event = json!({"seq": 1, "time": "2026-11-20T14:31:07.950Z", "recorded_at": "2026-11-20T14:31:07.953Z", "kind": "tool_call.failed",
        "namespace": "/hook", "event": "post_tool", "session_id": "c01bd4e7-22aa", "agent_type": "Explore", "agent_id": "a4", "tool_name": "Bash",
        "cwd": "/w/web-shop", "outcome": "error", "duration_ms": 6110, "summary": "exit 1 · pnpm test checkout", "sources": ["hook"],
        "data": {"tool_input": {"command": "pnpm test checkout"}, "error": "at handleRequest (src/server/hub.rs:41)\nsnake_case \"Ünïcode\""}});
    Filter::parse(query, Time::parse("2026-11-20T14:40:00Z").unwrap()).unwrap().wants_json(event.to_string().as_bytes())
}

#[test]
fn words_are_found_at_the_start_of_tokens() {
    for query in [
        "checkout",
        "CHECK",
        "hub.rs",
        "src/server/hub.rs",
        "handleRequest",
        "request",
        "case",
        "ünï",
        "check*",
        "pnpm -absent",
    ] {
        assert!(wants(query), "{query}");
    }
    for query in ["heckout", "absent", "-checkout", "pnpm absent"] {
        assert!(!wants(query), "{query}");
    }
}

#[test]
fn fields_phrases_times_and_expressions_narrow() {
    for query in [
        "tool:Bash,Edit is:error",
        "ns:hook kind:tool_call",
        "type:post_tool",
        "session:c01b",
        "project:web-shop",
        "agent:explore",
        "took:>5s",
        "last:15m",
        "\"test checkout\"",
        "/exit \\d/",
        "-tool:Read",
        "from:2026-11-20T14:00:00Z to:2026-11-20T15:00:00Z",
        "raw:1",
    ] {
        assert!(wants(query), "{query}");
    }
    for query in [
        "tool:Read",
        "-is:error",
        "ns:log",
        "took:<5s",
        "last:5m",
        "\"checkout test\"",
        "/exit \\d\\d/",
        "project:shop",
    ] {
        assert!(!wants(query), "{query}");
    }
}

#[test]
fn a_level_is_a_log_lines_and_all_above_it() {
    let line = |level: &str| {
        let event = json!({"time": "2026-11-20T14:31:07.950Z", "kind": "log.message", "namespace": "/log", "event": "message",
            "data": {"level": level, "message": "m"}});
        event.to_string()
    };
    let filter = Filter::parse("level:warning", Time::from_ms(0)).unwrap();
    for (level, wanted) in
        [("DEBUG", false), ("INFO", false), ("WARNING", true), ("warn", true), ("CRITICAL", true), ("odd", false)]
    {
        assert_eq!(filter.wants_json(line(level).as_bytes()), wanted, "{level}");
    }
    assert!(!wants("level:debug"), "no log line");
    assert!(Filter::parse("level:loud", Time::from_ms(0)).unwrap_err().0.contains("level:debug"));
}

#[test]
fn a_query_that_means_nothing_says_what_to_write() {
    let error = |query| Filter::parse(query, Time::from_ms(0)).unwrap_err().0;
    assert!(error("is:nonsense").contains("is:error"));
    assert!(error("took:>x").contains("took:>5s"));
    assert!(error("path:*.ts").contains("path:.ts") && error("path:*").contains("at the end"));
    assert!(error("/(/").contains("regular expression"));
}

#[test]
fn what_is_withheld_is_searched_on_request_alone_and_is_in_no_index() {
    let event = json!({"time": "2026-11-20T14:31:07.950Z", "kind": "tool_call.finished", "namespace": "/hook", "event": "post_tool",
        "tool_name": "Write", "data": {"tool_input": {"content": {"withheld": 90}}}});
    let whole = json!({"tool_input": {"content": "fn secretBody() {}"}});
    let wants = |query: &str| {
        let filter = Filter::parse(query, Time::from_ms(0)).unwrap();
        filter.wants_whole(event.to_string().as_bytes(), Some(whole.to_string().as_bytes()))
    };
    assert!(wants("secretBody in:content") && wants("body in:content tool:write") && wants("in:content /secret/"));
    assert!(!wants("secretBody") && !wants("absent in:content") && !wants("-secretBody in:content"));
    let filter = Filter::parse("secretBody tool:write in:content", Time::from_ms(0)).unwrap();
    assert!(filter.asks_for_content());
    assert_eq!(filter.needles().len(), 1, "the tool alone");
    assert!(Filter::parse("in:nothing", Time::from_ms(0)).unwrap_err().0.contains("in:content"));
}

#[test]
fn the_times_of_a_query_are_the_narrowest_it_names() {
    let now = Time::parse("2026-11-20T14:40:00Z").unwrap();
    let times = |query: &str| Filter::parse(query, now).unwrap().times();
    assert_eq!(times("word -from:2026-11-20T14:00:00Z"), (None, None));
    let (from, to) = times("last:2h from:2026-11-20T14:00:00Z to:2026-11-21T00:00:00Z to:2026-11-20T15:00:00Z");
    assert_eq!((from, to), (Time::parse("2026-11-20T14:00:00Z"), Time::parse("2026-11-20T15:00:00Z")));
}
