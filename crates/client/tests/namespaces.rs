//! Several namespaces on one connection: each with its own id, its own events, its own fate.

use crate::support::{NAMESPACES, TestServer, event, next, quick, until, within};
use client::{AckError, Client, Config, Error, Incoming, Membership};
use serde_json::json;
use socketio::engine::CloseReason;
use socketio::{Encoded, Json};
use std::collections::HashSet;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn eight_namespaces_share_one_connection_and_each_has_its_own_id_and_events() {
    let mut server = TestServer::start().await;
    *server.kept.token.lock().unwrap() = Some("secret".to_owned());
    let config = Config { auth: json!({"token": "secret"}), ..quick() };
    let client = Client::connect(&server.url(), config).unwrap();
    let sockets: Vec<_> = NAMESPACES.iter().map(|namespace| client.socket(namespace).unwrap()).collect();
    let mut ids = HashSet::new();
    for socket in &sockets {
        let joined = within("the server to let it in", socket.joined()).await.unwrap();
        assert!(!joined.recovered);
        ids.insert(joined.id);
    }
    assert_eq!((ids.len(), server.server.stats().opened), (8, 1));
    for socket in &sockets {
        socket.emit("told", &[json!(socket.namespace())]).unwrap();
    }
    for namespace in NAMESPACES {
        let heard = server.hears().await;
        assert_eq!((heard.namespace.as_str(), &heard.event.args[0]), (namespace, &json!(namespace)));
    }
    for namespace in NAMESPACES.iter().rev() {
        server.server.to(namespace).emit(&Encoded::event(namespace, "news", &[Json::Value(&json!(namespace))]));
    }
    for socket in &sockets {
        assert_eq!(event(socket).await, ("news".to_owned(), vec![json!(socket.namespace())]));
    }
}

#[tokio::test]
async fn what_a_client_says_about_itself_may_differ_and_the_slash_may_be_missing() {
    let server = TestServer::start().await;
    let client = Client::connect(&server.url(), Config { auth: json!({"name": "everywhere"}), ..quick() }).unwrap();
    let system = client.socket("system").unwrap();
    let hook = client.socket_with("/hook", json!({"name": "here"})).unwrap();
    assert_eq!(system.namespace(), "/system");
    for (socket, name) in [(&system, "everywhere"), (&hook, "here")] {
        let answer = socket.emit_with_ack("who am I", &[], SOON).await.unwrap();
        assert_eq!(answer.args, [json!({"name": name})]);
    }
    let same = client.socket("/system").unwrap();
    assert_eq!(same.joined().await, system.joined().await);
}

#[tokio::test]
async fn a_refusal_is_told_in_the_servers_words_and_the_other_namespaces_go_on() {
    let server = TestServer::start().await;
    *server.kept.token.lock().unwrap() = Some("secret".to_owned());
    let client = Client::connect(&server.url(), Config { auth: json!({"token": "secret"}), ..quick() }).unwrap();
    let hook = client.socket("/hook").unwrap();
    let wrong = client.socket_with("/log", json!({"token": "guessed"})).unwrap();
    let unknown = client.socket("/nowhere").unwrap();
    wrong.emit("lost", &[]).unwrap();
    let asked = wrong.emit_with_ack("lost, too", &[], SOON);
    let Err(AckError::NotSent(Error::Refused(refusal))) = asked.await else { panic!("not refused") };
    assert_eq!(refusal.message, "Invalid authentication token");
    assert_eq!(refusal.data, Some(json!({"hint": "set a token"})));
    assert_eq!(wrong.joined().await, Err(Error::Refused(refusal.clone())));
    assert_eq!(wrong.emit("late", &[]), Err(Error::Refused(refusal)));
    let Err(Error::Refused(refusal)) = within("an answer", unknown.joined()).await else { panic!("not refused") };
    assert_eq!(refusal.to_string(), "the server refuses the namespace /nowhere: Invalid namespace");
    hook.emit_with_ack("heard", &[], SOON).await.unwrap();
    assert_eq!(client.stats().dropped_packets, 2);

    wrong.join(Some(json!({"token": "secret"})));
    within("the right token to do", wrong.joined()).await.unwrap();
    assert_eq!(client.stats().connections, 1);
}

#[tokio::test]
async fn a_client_that_no_namespace_lets_in_asks_again_until_one_does() {
    let server = TestServer::start().await;
    *server.kept.token.lock().unwrap() = Some("not yet".to_owned());
    let client = server.client();
    let hook = client.socket("/hook").unwrap();
    for _ in 0..3 {
        assert!(matches!(next(&hook).await, Incoming::Refused(_)));
    }
    *server.kept.token.lock().unwrap() = None;
    until("the server to let it in", || matches!(*hook.membership().borrow(), Membership::Joined(_))).await;
    hook.emit_with_ack("heard", &[], SOON).await.unwrap();
}

#[tokio::test]
async fn who_is_sent_away_stays_away_until_it_asks() {
    let server = TestServer::start().await;
    let client = server.client();
    let (hook, log) = (client.socket("/hook").unwrap(), client.socket("/log").unwrap());
    within("the server to let it in", log.joined()).await.unwrap();
    hook.emit("send me away", &[]).unwrap();
    assert!(matches!(next(&hook).await, Incoming::Joined(_)));
    assert!(matches!(next(&hook).await, Incoming::Disconnected { .. }));
    assert_eq!(hook.emit("late", &[]), Err(Error::NotJoined { namespace: "/hook".to_owned() }));
    log.emit_with_ack("heard", &[], SOON).await.unwrap();
    hook.join(None);
    hook.emit_with_ack("heard", &[], SOON).await.unwrap();
    assert_eq!(client.stats().connections, 1);
}

#[tokio::test]
async fn a_namespace_can_be_left_and_joined_again() {
    let mut server = TestServer::start().await;
    let client = server.client();
    let hook = client.socket("/hook").unwrap();
    let first = within("the server to let it in", hook.joined()).await.unwrap();
    hook.leave();
    assert_eq!(hook.joined().await, Err(Error::NotJoined { namespace: "/hook".to_owned() }));
    assert_eq!(server.loses().await, CloseReason::ClientDisconnect);
    hook.join(None);
    let second = within("the server to let it in", hook.joined()).await.unwrap();
    assert_ne!(first.id, second.id);
    for _ in 0..100 {
        hook.leave();
        hook.join(None);
    }
    hook.emit_with_ack("heard", &[], SOON).await.unwrap();
    assert_eq!(client.stats().connections, 1);
}

#[tokio::test]
async fn names_that_cannot_be_are_refused_at_once() {
    let server = TestServer::start().await;
    let client = server.client();
    assert!(matches!(client.socket("/a,b"), Err(Error::Name { .. })));
    assert!(matches!(client.socket_with("/hook", json!("token")), Err(Error::Config { .. })));
    let hook = client.socket("/hook").unwrap();
    assert!(matches!(hook.emit("disconnect", &[]), Err(Error::Name { .. })));
}
