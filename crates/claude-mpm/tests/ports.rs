//! The documents' default ports, in a network of their own: which one a monitor gets, what is printed, who is left alone.

use crate::support::{Home, namespace};

const TAKEN: &str = "Error: Port 8765 is already in use by another process\n\
                     Suggestion: Use --port to specify a different port or --force to reclaim\n";

fn started(port: u16, dashboard: u16, pid: &serde_json::Value) -> String {
    format!(
        "\n✓ Server started successfully\n  - Server URL: http://localhost:{port}\n  - Dashboard URL: http://localhost:{dashboard}\n  - Process ID: {pid}\n  - Mode: background\n\n\
         Monitoring server is ready for connections.\nOpen http://localhost:{dashboard} in your browser to view the dashboard.\n"
    )
}

#[test]
fn start_status_and_stop_print_what_document_1_prints() {
    let home = Home::new();
    let script = r#"
        step start "$MPM" monitor start
        step again "$MPM" monitor start
        step hooks "$MPM" hooks install
        step fed "$MPM" monitor start
        step json "$MPM" monitor status --json
        step ports "$MPM" monitor status --show-ports
        step detailed "$MPM" monitor status --verbose
        step page curl -sf http://localhost:8766/
        step health curl -sf http://localhost:8766/health
        step hello curl -sf http://localhost:8765/health
        step stop "$MPM" monitor stop --port 8765
        step gone "$MPM" monitor stop --port 8765
        step none "$MPM" monitor status
        step free python3 -c 'import socket; [socket.create_server(("127.0.0.1", port)) for port in (8765, 8766)]'
    "#;
    let Some(steps) = namespace::run(&home, script) else { return };
    let server = steps.json("json")["servers"][0].clone();
    let pid = &server["pid"];
    let start = steps.get("start");
    assert_eq!(start.out, format!("Starting Socket.IO monitoring server...\n{}", started(8765, 8766, pid)));
    let unfed = "Note: no installed hook feeds this monitor; 'claude-mpm hooks install --port 8765' lets Claude Code tell it.\n";
    assert_eq!((start.code, start.err.as_str()), (0, unfed));
    assert_eq!(steps.get("fed").err, "", "with hooks there is nothing to say");
    let again = steps.get("again");
    assert_eq!(again.code, 0);
    assert_eq!(
        again.out.replace("is already running", "started successfully"),
        start.out,
        "the running one is reused, and named"
    );

    let mut ports = String::from(
        "Monitoring Server Status\n========================\n\nActive Servers: 1\nAvailable Ports: 19\n\nPort Status (8765-8785):\n",
    );
    ports.push_str(&format!("  8765: ✓ RUNNING (PID {pid}, 0 clients)\n  8766: • IN USE (Dashboard for 8765)\n"));
    ports.extend((8767..=8785).map(|port| format!("  {port}: ○ AVAILABLE\n")));
    ports.push_str(
        "\nLegend:\n  ✓ RUNNING - Monitor server active\n  • IN USE - Used by another process\n  ○ AVAILABLE - Ready for use\n\n\
         Dashboard accessible at: http://localhost:8766\n",
    );
    assert_eq!(steps.get("ports").out, ports);

    let detailed = steps.get("detailed").out;
    let changing = ["Started: ", "Uptime: ", "Average Event Rate: "];
    let lines: Vec<String> = detailed
        .lines()
        .map(|line| match changing.iter().find(|name| line.contains(*name)) {
            Some(name) => format!("  - {name}…"),
            None => line.to_owned(),
        })
        .collect();
    let expected = format!(
        "Monitoring Server Status (Detailed)\n====================================\n\nActive Servers: 1\n\nServer 1:\n  - Port: 8765\n  - Host: localhost\n  - Dashboard: http://localhost:8766\n  - Dashboard Port: 8766\n  - Process ID: {pid}\n  - Started: …\n  - Uptime: …\n  - Connected Clients: 0\n  - Events Processed: 0\n  - Average Event Rate: …\n  - Status: Running (Healthy)\n\nDashboard accessible at: http://localhost:8766"
    );
    assert_eq!(lines.join("\n"), expected);

    assert!(steps.get("page").out.contains("<!doctype html>"), "the dashboard port serves the page");
    assert_eq!(steps.json("health")["port"], 8765, "and names the server's port");
    assert_eq!(steps.json("hello")["pid"], *pid);

    let stopped = format!(
        "Stopping monitoring server...\n\n✓ Server on port 8765 stopped successfully\n  - Disconnected 0 clients gracefully\n  - Process {pid} terminated\n\nMonitoring server stopped.\n"
    );
    assert_eq!((steps.get("stop").out, steps.get("stop").code), (stopped, 0));
    assert_eq!(
        (steps.get("gone").err.as_str(), steps.get("gone").code),
        ("Error: Server on port 8765 is not running\nSuggestion: Use '/mpm-monitor start' to start the server\n", 3)
    );
    assert_eq!(steps.get("none").code, 3);
    assert_eq!(steps.get("free").code, 0, "both ports are free again: {}", steps.get("free").err);
}

#[test]
fn a_stranger_keeps_its_port_whoever_asks_and_however() {
    let home = Home::new();
    let script = r#"
        occupy 8765
        step exact "$MPM" monitor start --port 8765
        step force "$MPM" monitor start --port 8765 --force
        step port "$MPM" monitor port 8765
        step launcher "$LAUNCHER" --no-browser
        step launcher_exact "$LAUNCHER" --no-browser --port 8765
        step start "$MPM" monitor start
        step json "$MPM" monitor status --json
        kill -0 $STRANGER
        echo $STRANGER > "$HOME/out/stranger"
    "#;
    let Some(steps) = namespace::run(&home, script) else { return };
    for name in ["exact", "port"] {
        let step = steps.get(name);
        assert_eq!((step.err.as_str(), step.code), (TAKEN, 1), "{name}");
    }
    let stranger = std::fs::read_to_string(home.path().join("out/stranger")).unwrap();
    assert_eq!(
        steps.get("force").err,
        format!(
            "Error: Port 8765 is already in use by another process\nReason: it is python3 stranger.py (PID {}), which is not for this program to end\nSuggestion: Use --port to specify a different port\n",
            stranger.trim()
        )
    );
    assert_eq!(
        steps.get("launcher").err,
        "Error: Default port 8765 is already in use by another service.\nPlease stop the existing service with 'claude-mpm monitor stop'\nor specify a different port with --port.\n"
    );
    assert_eq!(
        steps.get("launcher_exact").err,
        "Error: Port 8765 is already in use by another service.\nPlease stop the existing service or choose a different port.\n"
    );
    let start = steps.get("start");
    let note =
        format!("\n• Port 8765 is in use by python3 stranger.py (PID {}); using port 8766 instead\n", stranger.trim());
    let pid = &steps.json("json")["servers"][0]["pid"];
    assert_eq!(start.out, format!("Starting Socket.IO monitoring server...\n{note}{}", started(8766, 8767, pid)));
}

#[test]
fn debug_scripts_are_ended_for_a_port_unless_that_is_forbidden() {
    let home = Home::new();
    let script = r#"
        cp "$HOME/stranger.py" "$HOME/launch_socketio_dashboard.py"
        occupy 8765 "$HOME/launch_socketio_dashboard.py"
        step forbidden "$MPM" monitor start --port 8765 --no-reclaim
        kill -0 $STRANGER
        step start "$MPM" monitor start --port 8765
        wait $STRANGER || echo $? > "$HOME/out/ended"
    "#;
    let Some(steps) = namespace::run(&home, script) else { return };
    assert_eq!((steps.get("forbidden").err.as_str(), steps.get("forbidden").code), (TAKEN, 1));
    let start = steps.get("start");
    assert_eq!(start.code, 0, "{start:?}");
    assert!(start.out.contains("• Ended python3 launch_socketio_dashboard.py (PID "), "{start:?}");
    let ended = std::fs::read_to_string(home.path().join("out/ended")).unwrap();
    assert_eq!(ended.trim(), "143", "it was asked to end, and not killed");
}

#[test]
fn a_dashboard_port_that_nobody_named_is_given_up_for_who_names_it() {
    let home = Home::new();
    let script = r#"
        step first "$MPM" monitor start
        step second "$MPM" monitor start --port 8766
        step list "$MPM" monitor list --json
        step named "$MPM" monitor start --port 8770 --dashboard --dashboard-port 8771
        step refused "$MPM" monitor start --port 8771
        step same "$MPM" monitor start --port 8775 --dashboard-port 8771
        step without "$MPM" monitor start --port 8776 --no-dashboard --json
        step all "$MPM" monitor list --json
    "#;
    let Some(steps) = namespace::run(&home, script) else { return };
    let second = steps.get("second");
    assert!(second.out.contains("• The monitor on port 8765 gave its dashboard port 8766 up\n"), "{second:?}");
    let ports = |name: &str| -> Vec<(u64, Option<u64>)> {
        let list = steps.json(name);
        let servers = list["servers"].as_array().unwrap().clone();
        servers.iter().map(|server| (server["port"].as_u64().unwrap(), server["dashboard_port"].as_u64())).collect()
    };
    assert_eq!(ports("list"), [(8765, None), (8766, Some(8767))]);
    assert!(steps.get("refused").err.starts_with("Error: Port 8771 is already in use by another process\n"));
    assert_eq!(steps.get("same").code, 1);
    assert_eq!(
        steps.get("same").err,
        "Error: Port 8771 is already in use by another process\nReason: it was asked for with --dashboard-port\nSuggestion: Use --dashboard-port to specify a different port, or --no-dashboard\n"
    );
    assert_eq!(steps.json("without")["dashboard"], "http://localhost:8776");
    assert_eq!(ports("all"), [(8765, None), (8766, Some(8767)), (8770, Some(8771)), (8776, None)]);
}

#[test]
fn names_own_a_port_and_keep_it() {
    let home = Home::new();
    let script = r#"
        step first "$MPM" monitor start --name project1 --json
        step other "$MPM" monitor start --name project2 --json
        step again "$LAUNCHER" --no-browser --name project1
        step status "$MPM" monitor status --name project2 --json
        step stop "$MPM" monitor stop --name project1
        step restart "$MPM" monitor restart --name project2 --json
        step default "$MPM" monitor start --json
        step back "$MPM" monitor start --name project1 --json
        step unknown "$MPM" monitor stop --name project3
        step digits "$MPM" monitor start --name 8765
        step folder test -d "$HOME/.claude-mpm/monitor/project1"
    "#;
    let Some(steps) = namespace::run(&home, script) else { return };
    assert_eq!(steps.json("first")["port"], 8765);
    assert_eq!(steps.json("other")["port"], 8767, "8766 is the first one's dashboard");
    assert_eq!(steps.get("again").out, "Monitor already running at http://localhost:8765\n");
    assert_eq!(steps.json("status")["servers"].as_array().unwrap().len(), 1);
    assert_eq!(steps.get("stop").code, 0);
    let restarted = &steps.json("restart")["restarted"][0];
    assert_eq!((&restarted["port"], &restarted["name"]), (&8767.into(), &"project2".into()));
    assert_eq!(steps.json("default")["port"], 8765, "while project1 does not run, its port is free");
    let back = steps.get("back");
    assert_eq!(back.code, 1, "its own port is taken, and it takes no other: {back:?}");
    assert_eq!(
        (steps.get("unknown").code, steps.get("unknown").err.as_str()),
        (
            3,
            "Error: Server project3 is not running\nReason: no monitor of yours has that name\nSuggestion: Use 'claude-mpm monitor start --name project3' to start it\n"
        )
    );
    assert_eq!(steps.get("digits").code, 2);
    assert_eq!(steps.get("folder").code, 0);
}

#[test]
fn a_name_that_runs_on_one_port_is_not_started_on_another() {
    let home = Home::new();
    let script = r#"
        step first "$MPM" monitor start --name project1 --json
        step elsewhere "$MPM" monitor start --name project1 --port 8790
        step same "$MPM" monitor start --name project1 --port 8765 --json
        step free python3 -c 'import socket; socket.create_server(("127.0.0.1", 8790))'
    "#;
    let Some(steps) = namespace::run(&home, script) else { return };
    let elsewhere = steps.get("elsewhere");
    assert_eq!(
        (elsewhere.code, elsewhere.err),
        (
            1,
            format!(
                "Error: project1 was not started on port 8790\nReason: it runs on port 8765 already (PID {}), and a name has one port\n\
                 Suggestion: Stop it first: claude-mpm monitor stop --name project1; or use another name, or leave --port 8790 out\n",
                steps.json("first")["pid"]
            )
        )
    );
    assert_eq!(steps.json("same")["reused"], true);
    assert_eq!(steps.get("free").code, 0);
}

#[test]
fn a_second_start_names_the_one_that_went_elsewhere_because_of_a_stranger() {
    let home = Home::new();
    let script = r#"
        occupy 8765
        step first "$MPM" monitor start --json
        step second "$MPM" monitor start --json
        step list "$MPM" monitor status --json
    "#;
    let Some(steps) = namespace::run(&home, script) else { return };
    let (first, second) = (steps.json("first"), steps.json("second"));
    assert_eq!((&first["port"], &first["reused"]), (&8766.into(), &false.into()));
    assert_eq!((&second["pid"], &second["reused"]), (&first["pid"], &true.into()));
    assert_eq!(steps.json("list")["servers"].as_array().unwrap().len(), 1);
}

#[test]
fn a_monitor_that_hangs_is_named_alike_by_every_command_and_the_fix_that_they_name_works() {
    let home = Home::new();
    let script = r#"
        step start "$MPM" monitor start --json
        kill -STOP $("$MPM" monitor status --json | grep -o '"pid":[0-9]*' | cut -d: -f2)
        step status "$MPM" monitor status --verbose
        step list "$MPM" monitor list
        step overview "$MPM" status
        step doctor "$MPM" doctor
        step json "$MPM" monitor status --json
        step restart "$MPM" monitor restart --port 8765 --json
        step after "$MPM" monitor status --json
    "#;
    let Some(steps) = namespace::run(&home, script) else { return };
    let pid = &steps.json("start")["pid"];
    for name in ["status", "list", "overview", "doctor"] {
        let said = steps.get(name).out;
        assert!(
            said.contains(&format!("✗ Monitor: the one on port 8765 (PID {pid}) does not answer")),
            "{name}: {said}"
        );
        assert!(
            said.contains(
                "Fix: claude-mpm monitor restart --port 8765, or claude-mpm monitor stop --port 8765 --force"
            ),
            "{name}: {said}"
        );
        assert!(!said.contains("none is running"), "{name}: {said}");
    }
    assert_eq!(steps.json("json")["not_answering"][0]["pid"], *pid);
    assert_eq!(steps.json("restart")["restarted"][0]["pid_before"], *pid);
    assert_ne!(steps.json("after")["servers"][0]["pid"], *pid);
}

#[test]
fn the_eight_points_of_document_3() {
    let home = Home::new();
    let script = r#"
        step first "$LAUNCHER" --no-browser --background
        step second "$LAUNCHER" --no-browser
        step health curl -sf http://localhost:8765/health
        step bind python3 -c 'import socket; socket.create_server(("127.0.0.1", 8765))'
        step stop "$MPM" monitor stop
        step released python3 -c 'import socket; socket.create_server(("127.0.0.1", 8765))'
        step explicit "$LAUNCHER" --no-browser --background --port 9000
        step default_free python3 -c 'import socket; socket.create_server(("127.0.0.1", 8765))'
        occupy 9001
        step busy "$LAUNCHER" --no-browser --port 9001
    "#;
    let Some(steps) = namespace::run(&home, script) else { return };
    assert_eq!(
        (steps.get("first").out.as_str(), steps.get("first").code),
        ("Starting Claude MPM monitor on localhost:8765\nMonitor running on port 8765\n", 0)
    );
    assert_eq!(
        (steps.get("second").out.as_str(), steps.get("second").code),
        ("Monitor already running at http://localhost:8765\n", 0)
    );
    assert_eq!(steps.json("health")["service"], "claude-mpm-monitor");
    assert_ne!(steps.get("bind").code, 0, "the port is occupied");
    assert_eq!((steps.get("stop").code, steps.get("released").code), (0, 0));
    assert_eq!(
        steps.get("explicit").out,
        "Starting Claude MPM monitor on localhost:9000\nMonitor running on port 9000\n"
    );
    assert_eq!(steps.get("default_free").code, 0);
    assert_eq!(
        (steps.get("busy").err.as_str(), steps.get("busy").code),
        (
            "Error: Port 9001 is already in use by another service.\nPlease stop the existing service or choose a different port.\n",
            1
        )
    );
}

#[test]
fn two_starts_at_once_end_with_one_monitor_and_both_name_it() {
    let home = Home::new();
    let script = r#"
        step one "$MPM" monitor start --json &
        ONE=$!
        step two "$MPM" monitor start --json &
        TWO=$!
        step three "$LAUNCHER" --no-browser --background &
        wait $ONE $TWO $!
        step list "$MPM" monitor list --json
    "#;
    let Some(steps) = namespace::run(&home, script) else { return };
    let list = steps.json("list");
    let servers = list["servers"].as_array().unwrap();
    assert_eq!(servers.len(), 1, "{list}");
    for name in ["one", "two"] {
        assert_eq!(steps.json(name)["pid"], servers[0]["pid"], "{name}");
    }
    let three = steps.get("three");
    assert_eq!(three.code, 0);
    assert!(
        three.out.contains("http://localhost:8765") || three.out.contains("Monitor running on port 8765"),
        "{three:?}"
    );
}

#[test]
fn a_start_that_fails_says_why() {
    let home = Home::new();
    let script = r#"
        step denied setpriv --bounding-set=-all "$MPM" monitor start --port 80
        step large "$MPM" monitor start --port 70000
        step exposed "$MPM" monitor start --host 0.0.0.0
        step nowhere "$MPM" monitor start --host nowhere.invalid
        step any "$MPM" monitor start --port 0 --json
        step v6 "$MPM" monitor start --host ::1 --port 9100 --json
        step v6_status "$MPM" monitor status --json
        step insecure "$MPM" monitor start --host 0.0.0.0 --insecure --port 9200
    "#;
    let Some(steps) = namespace::run(&home, script) else { return };
    let denied = steps.get("denied");
    assert_eq!(
        (denied.err.as_str(), denied.code),
        (
            "Error: Failed to start monitoring server\nReason: Permission denied on port 80\nSuggestion: Try a port > 1024 or run with appropriate permissions\n",
            1
        )
    );
    assert_eq!(steps.get("large").code, 2);
    let exposed = steps.get("exposed");
    assert!(exposed.err.contains("needs a token") && exposed.code == 1, "{exposed:?}");
    let nowhere = steps.get("nowhere");
    assert!(nowhere.err.contains("nowhere.invalid") && nowhere.err.lines().count() == 3, "{nowhere:?}");
    assert!(steps.json("any")["port"].as_u64().unwrap() > 0);
    assert_eq!(steps.json("v6")["url"], "http://[::1]:9100");
    assert_eq!(steps.json("v6_status")["servers"].as_array().unwrap().len(), 2);
    assert!(steps.get("insecure").out.contains("http://localhost:9200"), "{:?}", steps.get("insecure"));
}

#[test]
fn localhost_is_whichever_of_the_two_families_the_machine_has() {
    for (family, without) in
        [("IPv6 alone", "ip addr del 127.0.0.1/8 dev lo"), ("IPv4 alone", "ip addr del ::1/128 dev lo")]
    {
        let home = Home::new();
        let script = format!(
            r#"
            {without}
            step start "$MPM" monitor start --json
            step again "$LAUNCHER" --no-browser
            step status "$MPM" monitor status --json
            step restart "$MPM" monitor restart --json
            step test "$MPM" monitor test-connection
            step stop "$MPM" monitor stop
            "#
        );
        let Some(steps) = namespace::run(&home, &script) else { return };
        assert_eq!(steps.json("start")["port"], 8765, "{family}");
        assert_eq!(steps.get("again").out, "Monitor already running at http://localhost:8765\n", "{family}");
        assert_eq!(steps.json("status")["servers"].as_array().unwrap().len(), 1, "{family}");
        assert_eq!(steps.json("restart")["restarted"][0]["port"], 8765, "{family}");
        for name in ["test", "stop"] {
            assert_eq!(steps.get(name).code, 0, "{family}: {:?}", steps.get(name));
        }
    }
}

#[test]
fn hooks_of_a_port_that_a_stranger_has_are_read_where_the_monitor_went_and_by_its_own_monitor_later() {
    let home = Home::new();
    let script = r#"
        hook() { echo '{"session_id":"'$1'","hook_event_name":"UserPromptSubmit","prompt":"'$1'"}' | "$MPM" hook --port 8765; }
        # told PORT WORD: waits until the history there has the word.
        told() { until "$MPM" monitor tail --json --port $1 -n 5000 kind:prompt.submitted | grep -q $2; do sleep 0.02; done; }
        occupy 8765
        hook before
        step start "$MPM" monitor start --json
        hook during
        told 8766 before
        told 8766 during
        step third "$MPM" monitor start --name third --json
        kill $STRANGER
        wait $STRANGER || true
        step own "$MPM" monitor start --json
        hook after
        told 8765 after
        step beside "$MPM" monitor tail --json --port 8766 -n 5000 kind:prompt.submitted
        step log "$MPM" monitor logs --port 8766 -n 500
    "#;
    let Some(steps) = namespace::run(&home, script) else { return };
    assert_eq!(steps.json("start")["port"], 8766);
    assert_eq!(steps.json("own")["port"], 8765);
    let beside = steps.get("beside").out;
    let sessions: Vec<String> = beside
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["session_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        sessions,
        ["before", "during"],
        "each once, and what came later is the other's: {}",
        steps.get("log").out
    );
}
