//! The same call, whether the server is in this process or elsewhere.

use crate::support::{TestServer, event, quick, until, within};
use client::{ClientProxy, Config, Emitter, Error};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// What a program does, not knowing where its events go.
fn report(emitter: &dyn Emitter) {
    emitter.emit_event("/hook", "post_tool", &json!({"tool_name": "Edit", "success": true})).unwrap();
    emitter.emit_event("system", "custom_event", &json!({"message": "Custom event data"})).unwrap();
    assert!(matches!(emitter.emit_event("/hook", "connect", &json!({})), Err(Error::Name { .. })));
}

#[tokio::test]
async fn emitting_through_the_proxy_is_emitting_inside_the_server() {
    let mut server = TestServer::start().await;
    let listening = server.client();
    let (hook, system) = (listening.socket("/hook").unwrap(), listening.socket("/system").unwrap());
    within("the server to let it in", hook.joined()).await.unwrap();
    within("the server to let it in", system.joined()).await.unwrap();
    report(&server.server);
    let inside = (event(&hook).await, event(&system).await);

    let proxy = ClientProxy::connect(&server.url(), quick()).unwrap();
    report(&Arc::new(proxy.clone()));
    let first = server.hears().await;
    let second = server.hears().await;
    for (heard, (name, args), namespace) in [(first, inside.0, "/hook"), (second, inside.1, "/system")] {
        assert_eq!((heard.namespace.as_str(), heard.event.name, heard.event.args), (namespace, name, args));
    }
    assert_eq!(server.server.stats().opened, 2, "one connection for all namespaces of the proxy");
}

#[test]
fn a_program_without_a_runtime_has_a_thread_for_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut server = runtime.block_on(TestServer::start());
    let proxy = ClientProxy::connect_in_thread(&server.url(), quick()).unwrap();
    for n in 0..500 {
        proxy.emit_event("/log", "message", &json!(n)).unwrap();
    }
    proxy.close_and_wait();
    runtime.block_on(async {
        for n in 0..500 {
            assert_eq!(server.hears().await.event.args, [json!(n)]);
        }
    });
    assert_eq!(proxy.emit_event("/log", "message", &json!("late")), Err(Error::Closed));
    assert_eq!(ClientProxy::connect(&server.url(), quick()).unwrap_err(), Error::NoRuntime);
}

#[tokio::test]
async fn what_the_server_sends_back_to_a_proxy_is_not_kept() {
    let server = TestServer::start().await;
    let config = Config { inbox_wait_max: Duration::from_secs(3_600), ..quick() };
    let proxy = ClientProxy::connect(&server.url(), config).unwrap();
    proxy.emit_event("/log", "message", &json!({})).unwrap();
    server.only_socket("/log").await;
    let long = json!("x".repeat(10_000));
    for round in 1..=20 {
        for _ in 0..100 {
            server.server.emit_event("/log", "message", &long).unwrap();
        }
        // Twenty megabytes pass through an inbox of four, with nobody who reads: kept, they would hold it up.
        until("the proxy to take it", || proxy.client().stats().received_packets >= round * 100).await;
    }
}
