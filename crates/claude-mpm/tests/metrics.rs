//! `GET /metrics`: Prometheus understands it, and its numbers are those of the other answers.

use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::{Follower, Home, Monitor, eventually, node, python, repository};

/// The samples of a metric in Prometheus' own format, each with its labels as they are written.
fn samples(monitor: &Monitor, name: &str) -> Vec<(String, f64)> {
    let (status, text) = monitor.request("GET", "/metrics", &[], "");
    assert_eq!(status, 200, "{text}");
    let of_it = text.lines().filter_map(|line| line.strip_prefix(name));
    let split = of_it.filter(|rest| rest.starts_with(['{', ' '])).map(|rest| rest.rsplit_once(' ').unwrap());
    split.map(|(labels, value)| (labels.to_owned(), value.parse().unwrap())).collect()
}

/// The one sample with these labels.
fn sample(monitor: &Monitor, name: &str, labels: &str) -> f64 {
    let all = samples(monitor, name);
    all.iter().find(|(has, _)| has == labels).unwrap_or_else(|| panic!("no {name}{labels} among {all:?}")).1
}

/// A session with telemetry.
fn tell(monitor: &Monitor) {
    let folder = repository().join("fixtures/claude/otlp-json/otlp");
    for (path, file) in
        [("/v1/logs", "0001-logs.json"), ("/v1/logs", "0003-logs.json"), ("/v1/metrics", "0002-metrics.json")]
    {
        let body = std::fs::read_to_string(folder.join(file)).unwrap();
        let (status, answer) = monitor.request("POST", path, &[("content-type", "application/json")], &body);
        assert_eq!(status, 200, "{answer}");
    }
}

#[test]
fn the_parsers_of_prometheus_read_both_formats_and_find_the_same_in_them() {
    let home = Home::new();
    let monitor = home.monitor();
    tell(&monitor);
    let (status, _) = monitor.post(
        "/emit",
        &json!({ "namespace": "/agent", "event": "task_delegated",
        "data": { "agent": "a \"quoted\"\\ name\nin two lines" } })
        .to_string(),
    );
    assert_eq!(status, 200);

    let mut read = Vec::new();
    for form in ["openmetrics", "prometheus"] {
        let Some(mut client) = python("scrape.py", &[&monitor.url(""), form]) else { return };
        let output = client.output().unwrap();
        assert!(output.status.success(), "{form}: {}", String::from_utf8_lossy(&output.stderr));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        let wanted = if form == "openmetrics" {
            "application/openmetrics-text; version=1.0.0"
        } else {
            "text/plain; version=0.0.4"
        };
        assert!(said["content_type"].as_str().unwrap().starts_with(wanted), "{}", said["content_type"]);
        read.push(said["families"].clone());
    }

    let (open, plain) = (&read[0], &read[1]);
    let names = |families: &Value| families.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(open), names(plain));
    for (name, family) in open.as_object().unwrap() {
        assert_eq!((&family["type"], &family["help"]), (&plain[name]["type"], &plain[name]["help"]), "{name}");
        assert!(family["help"].as_str().unwrap().ends_with('.'), "{name}: {family}");
        assert_ne!(family["type"], "unknown", "{name}");
        // What counts the scraping itself differs.
        if !matches!(name.as_str(), "claude_mpm_requests" | "process_resident_memory_bytes") {
            assert_eq!(family["samples"], plain[name]["samples"], "{name}");
        }
    }
    let agents = open["claude_mpm_agent_invocations"]["samples"].to_string();
    assert!(agents.contains(r#"a \"quoted\"\\ name\nin two lines"#), "{agents}");
}

#[test]
fn its_numbers_are_those_of_the_statistics_and_survive_kill_9() {
    let home = Home::new();
    let monitor = home.monitor();
    tell(&monitor);
    let check = |monitor: &Monitor| {
        let stats = monitor.get("/api/v1/stats");
        for (kind, count) in stats["by_kind"].as_object().unwrap() {
            let told = sample(monitor, "claude_mpm_events_total", &format!("{{kind=\"{kind}\"}}"));
            assert_eq!(told, count.as_f64().unwrap(), "{kind}");
        }
        assert_eq!(sample(monitor, "claude_mpm_tool_calls_total", ""), stats["tool_calls"].as_f64().unwrap());
        assert_eq!(sample(monitor, "claude_mpm_errors_total", ""), stats["errors"].as_f64().unwrap());
        let usage = &monitor.get("/api/v1/sessions")["sessions"][0]["usage"];
        let (model, spent) = usage["models"].as_object().unwrap().iter().next().unwrap();
        for (name, count) in spent["tokens"].as_object().unwrap() {
            if name != "total" {
                let labels = format!("{{model=\"{model}\",type=\"{name}\"}}");
                assert_eq!(sample(monitor, "claude_mpm_tokens_total", &labels), count.as_f64().unwrap(), "{labels}");
            }
        }
        let cost = sample(monitor, "claude_mpm_cost_usd_total", &format!("{{model=\"{model}\"}}"));
        assert_eq!(cost, spent["cost_usd"].as_f64().unwrap());
        assert!(cost > 0.0);
        [
            sample(monitor, "claude_mpm_cost_usd_total", &format!("{{model=\"{model}\"}}")),
            samples(monitor, "claude_mpm_tokens_total").iter().map(|(_, value)| value).sum(),
        ]
    };
    let before = check(&monitor);
    let seq = sample(&monitor, "claude_mpm_store_last_seq", "");
    let port = monitor.port;
    monitor.kill();

    let monitor = home.monitor_on(port);
    assert_eq!(check(&monitor), before);
    assert_eq!(sample(&monitor, "claude_mpm_store_last_seq", ""), seq + 1.0);
}

#[test]
fn clients_are_counted_by_the_way_they_are_connected() {
    let home = Home::new();
    let monitor = home.monitor();
    let clients = |transport: &str| sample(&monitor, "claude_mpm_clients", &format!("{{transport=\"{transport}\"}}"));
    for transport in ["socketio_websocket", "socketio_polling", "websocket", "sse"] {
        assert_eq!(clients(transport), 0.0, "{transport}");
    }
    let mut stream = TcpStream::connect(("127.0.0.1", monitor.port)).unwrap();
    write!(stream, "GET /api/v1/stream HTTP/1.1\r\nhost: localhost:{}\r\n\r\n", monitor.port).unwrap();
    eventually("the stream is counted", || (clients("sse") == 1.0).then_some(()));

    for transport in ["websocket", "polling"] {
        let Some(mut follower) = node("follow.mjs", &["--transport", transport]) else { return };
        follower.args(["--url", &monitor.url(""), "--namespaces", "/hook,/system"]);
        let mut follower = Follower::start(follower);
        follower.event("/hook", "connect");
        follower.event("/system", "connect");
        assert_eq!(clients(&format!("socketio_{transport}")), 1.0);
        assert_eq!(sample(&monitor, "claude_mpm_sockets", "{namespace=\"/hook\"}"), 1.0);
        drop(follower);
        eventually("it is gone", || {
            (sample(&monitor, "claude_mpm_sockets", "{namespace=\"/hook\"}") == 0.0).then_some(())
        });
    }
    assert!(sample(&monitor, "claude_mpm_socketio_opened_total", "") >= 2.0);
}

#[test]
fn it_is_guarded_by_the_token_as_status_is() {
    let home = Home::new();
    let mut command = home.program(&["monitor", "start", "--foreground", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", "a-token-for-metrics");
    let monitor = Monitor::start(command);
    assert_eq!(monitor.request("GET", "/metrics", &[], "").0, 401);
    assert_eq!(monitor.request("GET", "/metrics", &[("authorization", "Bearer a-token-for-metrics")], "").0, 200);
}
