//! The OpenAPI document says what the monitor does: other people's tools compare the two.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::{Home, Monitor, repository, tool};

const TOKEN: &str = "a-token-for-strangers";

/// A monitor with a token, some sessions and telemetry; and its document.
fn monitor(home: &Home) -> (Monitor, Value) {
    let mut command = home.program(&["monitor", "start", "--foreground", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", TOKEN);
    let monitor = Monitor::start(command);
    let ask = |method: &str, path: &str, body: &str| {
        let headers = [("authorization", &*format!("Bearer {TOKEN}")), ("content-type", "application/json")];
        let (status, answer) = monitor.request(method, path, &headers, body);
        assert!(matches!(status, 200 | 204), "{path}: {answer}");
        answer
    };
    for scenario in ["otlp-json", "parallel", "errors-429"] {
        let hooks = repository().join("fixtures/claude").join(scenario).join("hooks.jsonl");
        for line in std::fs::read_to_string(hooks).unwrap_or_default().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            ask("POST", "/api/events", &line["payload"].to_string());
        }
    }
    for file in ["0001-logs.json", "0003-logs.json"] {
        let body = std::fs::read_to_string(repository().join("fixtures/claude/otlp-json/otlp").join(file)).unwrap();
        ask("POST", "/v1/logs", &body);
    }
    let document = serde_json::from_str(&ask("GET", "/api/v1/openapi.json", "")).unwrap();
    (monitor, document)
}

/// Sends what the document allows, and what it does not, and compares the answers with it.
fn schemathesis(home: &Home, monitor: &Monitor, document: &Value, more: &[&str]) -> Option<Output> {
    let python = tool("CLAUDE_MPM_TEST_PYTHON")?;
    let mut command = Command::new(python);
    command
        .args(["-m", "schemathesis.cli", "run"])
        .arg(written(home, document))
        .args(["--url", &monitor.url(""), "--header", &format!("Authorization: Bearer {TOKEN}")])
        // The same requests each time.
        .args(["--generation-deterministic"])
        // A stream has no end, and a launcher's question is answered when there is something to do. Doors take more than they document: fields that they do not know, texts of any length.
        .args(["--exclude-path", "/api/v1/stream", "--exclude-path", "/api/v1/runs/{id}/attend"])
        .args(["--exclude-checks", "negative_data_rejection,positive_data_acceptance", "--no-color"])
        .args(more)
        .current_dir(home.path());
    Some(command.output().unwrap())
}

fn written(home: &Home, document: &Value) -> PathBuf {
    let path = home.path().join("openapi.json");
    std::fs::write(&path, document.to_string()).unwrap();
    path
}

#[test]
fn schemathesis_finds_no_answer_that_the_document_does_not_describe() {
    let home = Home::new();
    let (monitor, document) = monitor(&home);

    // Of a document that leaves out one field of a session it says so. First, since later it deletes the sessions.
    let mut other = document.clone();
    other["components"]["schemas"]["Session"]["properties"].as_object_mut().unwrap().remove("cwd");
    let few = ["--max-examples", "1", "--include-path", "/api/v1/sessions"];
    let Some(output) = schemathesis(&home, &monitor, &other, &few) else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("cwd"), "{said}");

    let output = schemathesis(&home, &monitor, &document, &["--max-examples", "20"]).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("Tested: 32"), "{said}");
}

#[test]
fn the_golden_files_are_what_the_document_says_and_a_field_more_is_not() {
    let home = Home::new();
    let (_monitor, document) = monitor(&home);
    let Some(mut command) = crate::support::python("openapi.py", &[]) else { return };

    let output = command.arg(written(&home, &document)).arg(repository().join("contract")).output().unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(said["files"].as_u64().unwrap() >= 30, "{said}");
}

#[test]
fn the_document_knows_this_version_and_every_kind_and_is_guarded_where_its_page_is_not() {
    let home = Home::new();
    let (monitor, document) = monitor(&home);

    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let vocabulary = std::fs::read_to_string(repository().join("contract/vocabulary.json")).unwrap();
    let kinds = document["components"]["schemas"]["Kind"]["enum"].as_array().unwrap();
    assert!(kinds.contains(&json!("tool_call.finished")));
    assert!(kinds.iter().all(|kind| vocabulary.contains(kind.as_str().unwrap())));
    assert_eq!(monitor.request("GET", "/api/v1/openapi.json", &[], "").0, 401);
    let (status, page) = monitor.request("GET", "/api", &[], "");
    assert_eq!(status, 200);
    assert!(page.starts_with("<!doctype html>") && page.contains("/api/v1/events/{seq}/content"));
    assert!(!page.contains("<script"));
}
