//! The namespace `/admin` speaks the protocol of @socket.io/admin-ui, to who has the password.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Follower, Home, Monitor, eventually, node, repository, tool};

/// Of "open sesame", made by bcryptjs, which the reference checks it with.
const HASH: &str = "$2a$05$l60EHAH60PnDLWU03e1h5eheSFF6/2HM4VFfrxoQkrriwOIAEIMfi";

const TOKEN: &str = "a-token-for-clients";

fn configured(home: &Home, more: &str) {
    let folder = home.path().join(".claude-mpm");
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!("monitoring:\n  admin:\n    user: ada\n    password_hash: {HASH}\n{more}");
    std::fs::write(folder.join("configuration.yaml"), text).unwrap();
}

fn monitor(home: &Home, more: &str) -> Monitor {
    configured(home, more);
    home.monitor()
}

/// What its page would be, before it is let in.
fn page(monitor: &Monitor, auth: &Value) -> Option<Follower> {
    let mut client = node("admin.mjs", &["--auth", &auth.to_string()])?;
    client.args(["--url", &monitor.url("")]);
    Some(Follower::start(client))
}

fn admin(monitor: &Monitor) -> Option<Follower> {
    let mut admin = page(monitor, &json!({ "username": "ada", "password": "open sesame" }))?;
    wait(&mut admin, "config", |_| true);
    Some(admin)
}

fn client(monitor: &Monitor, namespaces: &str, transport: &str) -> Follower {
    let mut follower = node("follow.mjs", &["--transport", transport]).unwrap();
    follower.args([
        "--url",
        &monitor.url(""),
        "--namespaces",
        namespaces,
        "--auth",
        &json!({ "token": TOKEN }).to_string(),
    ]);
    Follower::start(follower)
}

/// The arguments of the first event of this name that `wanted` accepts.
fn wait(page: &mut Follower, event: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    page.wait(event, |said| said["event"] == event && wanted(&said["args"]))["args"].clone()
}

fn tell(page: &mut Follower, event: &str, args: Value) {
    page.tell(&json!({ "event": event, "args": args }));
}

/// Where in what was printed an event stands.
fn place(page: &Follower, event: &str, wanted: impl Fn(&Value) -> bool) -> usize {
    let found = page.seen().iter().position(|said| said["event"] == event && wanted(&said["args"]));
    found.unwrap_or_else(|| panic!("no {event} among {:#?}", page.seen()))
}

#[test]
fn the_password_lets_in_and_begins_a_session_that_lets_in_too() {
    let home = Home::new();
    let monitor = monitor(&home, "");
    let Some(mut refused) = page(&monitor, &json!({ "username": "ada", "password": "open barley" })) else { return };
    assert_eq!(wait(&mut refused, "connect_error", |_| true), json!(["invalid credentials"]));
    let mut nameless = page(&monitor, &json!({})).unwrap();
    assert_eq!(wait(&mut nameless, "connect_error", |_| true), json!(["invalid credentials"]));

    let mut let_in = admin(&monitor).unwrap();
    let session = wait(&mut let_in, "session", |_| true)[0].as_str().unwrap().to_owned();
    assert!(session.len() == 16 && session.bytes().all(|digit| digit.is_ascii_hexdigit()), "{session}");
    let features = json!([{ "supportedFeatures": ["EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT",
        "AGGREGATED_EVENTS", "ALL_EVENTS"] }]);
    assert_eq!(wait(&mut let_in, "config", |_| true), features);
    drop(let_in);

    let mut again = page(&monitor, &json!({ "sessionId": session })).unwrap();
    wait(&mut again, "all_sockets", |_| true);
    assert!(!again.seen().iter().any(|said| said["event"] == "session"));
    let port = monitor.port;
    monitor.kill();
    let monitor = home.monitor_on(port);
    let mut stale = page(&monitor, &json!({ "sessionId": session })).unwrap();
    assert_eq!(wait(&mut stale, "connect_error", |_| true), json!(["invalid credentials"]));
}

#[test]
fn without_configuration_programs_of_this_user_see_figures_and_with_a_token_nobody_does() {
    let home = Home::new();
    let open = home.monitor();
    let Some(mut looks) = page(&open, &json!({})) else { return };
    assert_eq!(wait(&mut looks, "config", |_| true), json!([{ "supportedFeatures": ["AGGREGATED_EVENTS"] }]));
    wait(&mut looks, "server_stats", |_| true);
    let mut witness = client(&open, "/log", "websocket");
    witness.event("/log", "connect");
    tell(&mut looks, "_disconnect", json!(["/log", true]));
    let line = r#"{"namespace":"/log","event":"message","data":{"level":"INFO","message":"still here"}}"#;
    assert_eq!(open.post("/emit", line).0, 200);
    assert_eq!(witness.event("/log", "message")["data"]["message"], "still here");
    assert!(!looks.seen().iter().any(|said| said["event"] == "all_sockets"));

    let home = Home::new();
    let mut command = home.program(&["monitor", "start", "--foreground", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", TOKEN);
    let guarded = Monitor::start(command);
    let mut refused = page(&guarded, &json!({ "username": "ada", "password": "open sesame" })).unwrap();
    assert_eq!(wait(&mut refused, "connect_error", |_| true), json!(["Invalid namespace"]));
}

#[test]
fn an_admin_sees_who_is_there_who_comes_and_goes_and_what_is_said() {
    let home = Home::new();
    let monitor = monitor(&home, "");
    let Some(probe) = node("follow.mjs", &[]) else { return };
    drop(probe);
    let mut there = client(&monitor, "/hook,/system", "websocket");
    there.event("/hook", "connect");
    let before = there.event("/system", "connect")["data"]["id"].clone();

    let mut admin = admin(&monitor).unwrap();
    let listed = wait(&mut admin, "all_sockets", |_| true)[0].as_array().unwrap().clone();
    let socket = listed.iter().find(|socket| socket["id"] == before).unwrap();
    assert_eq!(
        (&socket["nsp"], &socket["transport"], &socket["rooms"], &socket["data"]),
        (&json!("/system"), &json!("websocket"), &json!([before]), &json!({}))
    );
    let handshake = &socket["handshake"];
    assert_eq!((&handshake["query"]["transport"], &handshake["address"]), (&json!("websocket"), &json!("127.0.0.1")));
    assert!(handshake["issued"].as_u64().is_some_and(|ms| ms > 1_700_000_000_000), "{handshake}");
    assert!(handshake["headers"]["host"].is_string() && !socket.to_string().contains(TOKEN), "{socket}");
    let same_client: Vec<_> = listed.iter().filter(|other| other["clientId"] == socket["clientId"]).collect();
    assert_eq!(same_client.len(), 2, "two namespaces on one connection");
    assert!(listed.iter().any(|socket| socket["nsp"] == "/admin"));

    let mut comes = client(&monitor, "/hook", "websocket");
    let id = comes.event("/hook", "connect")["data"]["id"].clone();
    let connected = wait(&mut admin, "socket_connected", |args| args[0]["id"] == id);
    assert_eq!(connected[0]["transport"], "websocket");
    assert!(connected[1].as_str().unwrap().ends_with('Z'));
    let own_room = |args: &Value| args[0] == "/hook" && args[1] == id && args[2] == id;
    assert!(place(&admin, "room_joined", own_room) < place(&admin, "socket_connected", |args| args[0]["id"] == id));

    comes.tell(&json!({ "namespace": "/hook", "event": "join", "data": "a room" }));
    wait(&mut admin, "event_received", |args| {
        args[0] == "/hook" && args[1] == id && args[2] == json!(["join", "a room"])
    });
    wait(&mut admin, "room_joined", |args| args[1] == "a room" && args[2] == id);
    assert_eq!(
        monitor.post("/emit", &json!({ "namespace": "/hook", "event": "made", "data": { "at": 1 } }).to_string()).0,
        200
    );
    wait(&mut admin, "event_sent", |args| args[0] == "/hook" && args[1] == id && args[2][0] == "made");
    drop(comes);
    wait(&mut admin, "room_left", |args| args[1] == "a room" && args[2] == id);
    wait(&mut admin, "socket_disconnected", |args| args[0] == "/hook" && args[1] == id && args[2].is_string());
    // What it hears itself is not told to it.
    assert!(!admin.seen().iter().any(|said| said["event"] == "event_sent" && said["args"][0] == "/admin"));
}

#[test]
fn a_client_that_goes_over_to_websocket_is_seen_to() {
    let home = Home::new();
    let monitor = monitor(&home, "");
    let Some(mut admin) = admin(&monitor) else { return };
    let mut follower = node("follow.mjs", &[]).unwrap();
    follower.args(["--url", &monitor.url(""), "--namespaces", "/hook"]);
    let mut follower = Follower::start(follower);
    let id = follower.event("/hook", "connect")["data"]["id"].clone();

    let updated = wait(&mut admin, "socket_updated", |args| args[0]["id"] == id);
    assert_eq!(updated[0], json!({ "id": id, "nsp": "/hook", "transport": "websocket" }));
}

#[test]
fn figures_come_every_two_seconds_and_add_up() {
    let home = Home::new();
    let monitor = monitor(&home, "    mode: production\n");
    let Some(mut admin) = admin(&monitor) else { return };
    assert_eq!(
        wait(&mut admin, "config", |_| true),
        json!([{ "supportedFeatures": ["EMIT", "JOIN", "LEAVE", "DISCONNECT",
        "MJOIN", "MLEAVE", "MDISCONNECT", "AGGREGATED_EVENTS"] }])
    );
    let mut first = client(&monitor, "/hook", "websocket");
    first.event("/hook", "connect");
    let mut second = client(&monitor, "/hook", "polling");
    second.event("/hook", "connect");

    let figures = wait(&mut admin, "server_stats", |args| args[0]["clientsCount"] == 3)[0].clone();
    assert_eq!(figures["pid"], monitor.pid());
    let hook = figures["namespaces"].as_array().unwrap().iter().find(|one| one["name"] == "/hook").unwrap();
    assert_eq!((&hook["socketsCount"], &figures["pollingClientsCount"]), (&json!(2), &json!(1)));
    assert!(
        figures["uptime"].as_f64().unwrap() > 0.0 && figures["serverId"].is_string() && figures["hostname"].is_string()
    );
    drop(first);
    drop(second);
    wait(&mut admin, "server_stats", |args| args[0]["clientsCount"] == 1);
    wait(&mut admin, "server_stats", |args| args[0]["aggregatedEvents"].to_string().contains("rawDisconnection"));

    let counted = |kind: &str| -> u64 {
        let all = admin.seen().iter().filter(|said| said["event"] == "server_stats");
        let all = all.flat_map(|said| said["args"][0]["aggregatedEvents"].as_array().unwrap().clone());
        let of_kind = all.filter(|entry| entry["type"] == kind && entry["timestamp"].as_u64().unwrap() % 1000 == 0);
        of_kind.map(|entry| entry["count"].as_u64().unwrap()).sum()
    };
    assert_eq!(counted("rawConnection"), 2);
    assert!(counted("packetsIn") >= 2 && counted("packetsOut") >= 2 && counted("bytesOut") > counted("packetsOut"));
    // In production nobody is shown.
    let shown =
        ["all_sockets", "socket_connected", "room_joined", "event_sent", "event_received", "socket_disconnected"];
    assert!(!admin.seen().iter().any(|said| shown.contains(&said["event"].as_str().unwrap())), "{:#?}", admin.seen());
}

#[test]
fn an_admin_emits_to_rooms_and_sockets_moves_them_and_sends_them_away() {
    let home = Home::new();
    let monitor = monitor(&home, "");
    let Some(mut admin) = admin(&monitor) else { return };
    let mut one = client(&monitor, "/hook,/system", "websocket");
    let mut other = client(&monitor, "/hook", "websocket");
    let id = one.event("/hook", "connect")["data"]["id"].clone();
    let other_id = other.event("/hook", "connect")["data"]["id"].clone();

    tell(&mut admin, "join", json!(["/hook", "moved", id]));
    wait(&mut admin, "room_joined", |args| args[1] == "moved" && args[2] == id);
    tell(&mut admin, "emit", json!(["/hook", "moved", "hello", { "a": 1 }, 2]));
    assert_eq!(one.event("/hook", "hello")["data"], json!([{ "a": 1 }, 2]));
    tell(&mut admin, "leave", json!(["/hook", "moved", id]));
    wait(&mut admin, "room_left", |args| args[1] == "moved" && args[2] == id);
    tell(&mut admin, "emit", json!(["/hook", "moved", "nobody hears this"]));
    tell(&mut admin, "emit", json!(["/hook", null, "all hear this", null]));
    for client in [&mut one, &mut other] {
        client.event("/hook", "all hear this");
        assert!(!client.seen().iter().any(|said| said["event"] == "nobody hears this"));
    }
    // What cannot be meant so is done to nobody.
    for (event, args) in [
        ("_disconnect", json!(["/hook", true, { "id": id }])),
        ("_disconnect", json!(["/nowhere", true])),
        ("_disconnect", json!([])),
        ("emit", json!(["/hook", null, "disconnect"])),
        ("emit", json!(["/hook", null])),
        ("join", json!(["/hook", "", id])),
        ("join", json!(["/hook", "x".repeat(300), id])),
        ("leave", json!(["/hook", 7])),
        ("format", json!(["disk"])),
    ] {
        tell(&mut admin, event, args);
    }

    tell(&mut admin, "_disconnect", json!(["/hook", false, id]));
    assert_eq!(one.event("/hook", "disconnect")["data"], "io server disconnect");
    wait(&mut admin, "socket_disconnected", |args| args[1] == id && args[2] == "server namespace disconnect");
    let figures = || monitor.request("GET", "/metrics", &[], "").1;
    assert!(figures().contains("claude_mpm_sockets{namespace=\"/system\"} 1\n"));
    assert!(!admin.seen().iter().any(|said| said["event"] == "socket_disconnected" && said["args"][1] == other_id));
    // With `close` the whole connection goes.
    tell(&mut admin, "_disconnect", json!(["/system", true]));
    one.event("/system", "disconnect");
    tell(&mut admin, "_disconnect", json!(["/hook", false, null]));
    other.event("/hook", "disconnect");
    eventually("nobody is left", || figures().contains("claude_mpm_sockets{namespace=\"/hook\"} 0\n").then_some(()));
}

#[test]
fn a_read_only_admin_sees_everything_and_does_nothing() {
    let home = Home::new();
    let monitor = monitor(&home, "    read_only: true\n");
    let Some(mut admin) = admin(&monitor) else { return };
    assert_eq!(
        wait(&mut admin, "config", |_| true),
        json!([{ "supportedFeatures": ["AGGREGATED_EVENTS", "ALL_EVENTS"] }])
    );
    let mut client = client(&monitor, "/hook", "websocket");
    let id = client.event("/hook", "connect")["data"]["id"].clone();
    wait(&mut admin, "socket_connected", |args| args[0]["id"] == id);

    tell(&mut admin, "emit", json!(["/hook", null, "hello"]));
    tell(&mut admin, "_disconnect", json!(["/hook", true]));
    tell(&mut admin, "join", json!(["/hook", "moved"]));
    // By the second message of figures from now on they have been read.
    let seen = admin.seen().iter().filter(|said| said["event"] == "server_stats");
    let uptime = seen.filter_map(|said| said["args"][0]["uptime"].as_f64()).fold(0.0, f64::max);
    wait(&mut admin, "server_stats", |args| args[0]["uptime"].as_f64().is_some_and(|now| now > uptime + 2.5));
    client.tell(&json!({ "namespace": "/hook", "event": "join", "data": "a room" }));
    wait(&mut admin, "room_joined", |args| args[1] == "a room");
    assert_eq!(monitor.post("/emit", &json!({ "namespace": "/hook", "event": "made" }).to_string()).0, 200);
    client.event("/hook", "made");
    let names: Vec<_> = client.seen().iter().map(|said| said["event"].clone()).collect();
    assert!(!names.contains(&json!("hello")) && !names.contains(&json!("disconnect")), "{names:?}");
    assert!(!admin.seen().iter().any(|said| said["event"] == "room_joined" && said["args"][1] == "moved"));
}

#[test]
fn a_password_takes_the_place_of_the_token_in_this_namespace_alone() {
    let home = Home::new();
    configured(&home, "");
    let mut command = home.program(&["monitor", "start", "--foreground", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", TOKEN);
    let monitor = Monitor::start(command);
    let Some(mut admin) = admin(&monitor) else { return };
    wait(&mut admin, "all_sockets", |_| true);
    let mut without = page(&monitor, &json!({ "token": TOKEN })).unwrap();
    assert_eq!(wait(&mut without, "connect_error", |_| true), json!(["invalid credentials"]));
    let mut follower = node("follow.mjs", &["--auth", r#"{"username":"ada","password":"open sesame"}"#]).unwrap();
    follower.args(["--url", &monitor.url(""), "--namespaces", "/hook"]);
    let mut follower = Follower::start(follower);
    assert_eq!(follower.event("/hook", "connect_error")["data"]["message"], "Invalid authentication token");
}

#[test]
fn a_password_that_could_never_be_right_stops_the_start_with_the_way_out() {
    let home = Home::new();
    configured(&home, "");
    let file = home.path().join(".claude-mpm/configuration.yaml");
    let text = std::fs::read_to_string(&file).unwrap().replace(HASH, "open sesame");
    std::fs::write(&file, text).unwrap();

    let output = home.program(&["monitor", "start", "--foreground", "--port", "0"]).output().unwrap();

    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for line in [
        "Error: ",
        "Reason: monitoring.admin.password_hash",
        "Suggestion: Make one with: claude-mpm monitor hash-password",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert!(!said.contains("open sesame"), "{said}");
}

#[test]
fn the_stock_page_shows_who_is_there_and_what_is_said_and_sends_a_client_away() {
    let home = Home::new();
    let monitor = monitor(&home, "");
    let Some(chromium) = tool("CLAUDE_MPM_TEST_CHROMIUM") else { return };
    let mut client = client(&monitor, "/hook", "websocket");
    let id = client.event("/hook", "connect")["data"]["id"].as_str().unwrap().to_owned();

    let mut page = std::process::Command::new("node");
    page.arg(repository().join("dashboard/e2e/admin.mjs")).arg("made_up_event");
    page.env("CHROMIUM", chromium).env("MONITOR_URL", monitor.url(""));
    page.env("ADMIN_USER", "ada").env("ADMIN_PASSWORD", "open sesame");
    let mut page = Follower::start(page);
    let sockets = page.wait("the sockets", |said| said["sockets"].is_array());
    let rows = sockets["sockets"].as_array().unwrap();
    assert!(rows.len() == 1 && rows[0].as_str().unwrap().contains(&id), "{rows:?}");
    page.wait("the events", |said| said["watching"] == true);
    let event = json!({ "namespace": "/hook", "event": "made_up_event", "data": { "at": 1 } });
    assert_eq!(monitor.post("/emit", &event.to_string()).0, 200);
    let events = page.wait("what was emitted", |said| said["events"].is_array());
    assert!(events.to_string().contains(&id), "{events}");

    let ended = page.wait("the client was sent away", |said| said["sent_away"] == true);
    assert_eq!(client.event("/hook", "disconnect")["data"], "io server disconnect");
    // The content policy holds all of it, and nothing was asked of another host.
    assert_eq!(ended["problems"], json!([]));
}

#[test]
fn the_page_is_there_for_all_where_an_admin_is_named_and_nowhere_else() {
    let home = Home::new();
    configured(&home, "");
    let mut command = home.program(&["monitor", "start", "--foreground", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", TOKEN);
    let named = Monitor::start(command);
    assert_eq!(named.request("GET", "/admin", &[], "").0, 308);
    let (status, html) = named.request("GET", "/admin/", &[], "");
    assert_eq!(status, 200);
    for file in html.split(['"', '\'']).filter(|part| part.ends_with(".js") || part.ends_with(".css")) {
        assert_eq!(named.request("GET", &format!("/admin/{file}"), &[], "").0, 200, "{file}");
    }
    assert!(!html.contains("https:") && html.contains("js/address.js"), "{html}");
    assert_eq!(named.request("GET", "/admin/LICENSE.txt", &[], "").0, 200);
    assert_eq!(named.request("GET", "/admin/../Cargo.toml", &[], "").0, 404);

    let nobody = Home::new();
    let mut command = nobody.program(&["monitor", "start", "--foreground", "--port", "0"]);
    command.env("CLAUDE_MPM_SOCKETIO_TOKEN", TOKEN);
    let monitor = Monitor::start(command);
    let (status, body) = monitor.request("GET", "/admin/", &[("authorization", &format!("Bearer {TOKEN}"))], "");
    assert_eq!(status, 404);
    assert!(body.contains("monitoring.admin"), "{body}");
}

#[test]
fn a_password_that_is_hashed_with_the_command_lets_in() {
    let home = Home::new();
    let hash = |password: &str| {
        let mut command = home.program(&["monitor", "hash-password"]);
        let mut hashing = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        hashing.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        hashing.wait_with_output().unwrap()
    };
    for refused in [String::new(), "\n".to_owned(), "x".repeat(73)] {
        let output = hash(&refused);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{refused}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("Suggestion: "));
    }
    let output = hash("crème brûlée\n");
    let made = String::from_utf8(output.stdout).unwrap();
    assert!(made.starts_with("$2b$10$") && made.trim_end().len() == 60, "{made}");

    configured(&home, "");
    let file = home.path().join(".claude-mpm/configuration.yaml");
    let text = std::fs::read_to_string(&file).unwrap().replace(HASH, made.trim_end());
    std::fs::write(&file, text).unwrap();
    let monitor = home.monitor();
    let Some(mut page) = page(&monitor, &json!({ "username": "ada", "password": "crème brûlée" })) else { return };
    wait(&mut page, "session", |_| true);
}
