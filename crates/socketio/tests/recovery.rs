//! Connection state recovery: who comes back gets what it missed, once and in order, before anything newer.

use crate::peers::{self, Client, until, within};
use crate::programs;
use serde_json::{Value, json};
use socketio::engine::CloseReason;
use socketio::packet::Packet;
use socketio::{
    CatchUp, Config, ConnectRefusal, Encoded, Handler, Json, RecoveryId, Restored, Server, Socket, SocketId,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// What outlives a server: the events, and who may come back.
#[derive(Default)]
struct Kept {
    events: Mutex<Vec<Encoded>>,
    gone: Mutex<HashMap<String, (SocketId, Vec<String>)>>,
    /// Replays wait for a permit each time they have read all there is, if a test wants to see them wait.
    pause: Mutex<Option<Arc<tokio::sync::Semaphore>>>,
    /// Replays fail.
    broken: Mutex<bool>,
}

impl Kept {
    /// Stored, then shown.
    fn publish(&self, server: &Server) -> u64 {
        let seq = self.events.lock().unwrap().len() as u64 + 1;
        let text = format!(r#"{{"seq":{seq},"text":"{}"}}"#, "x".repeat(600));
        let packet = Encoded::event("/hook", "news", &[Json::Raw(&text)]).tagged(seq).offset(format!("{seq}.0"));
        self.events.lock().unwrap().push(packet.clone());
        server.to("/hook").emit(&packet);
        seq
    }

    async fn replay(self: Arc<Self>, mut catch_up: CatchUp, mut after: u64) -> Option<()> {
        loop {
            loop {
                let events: Vec<_> =
                    self.events.lock().unwrap().iter().skip(after as usize).take(100).cloned().collect();
                if events.is_empty() {
                    break;
                }
                for packet in events {
                    catch_up.send(&packet).await.ok()?;
                    after = packet.tag();
                }
            }
            let pause = self.pause.lock().unwrap().clone();
            if let Some(pause) = pause {
                pause.acquire().await.ok()?.forget();
            }
            if *self.broken.lock().unwrap() {
                return None;
            }
            match catch_up.finish(after) {
                Ok(()) => return Some(()),
                Err(behind) => {
                    assert!(behind.to > after);
                    catch_up = behind.catch_up;
                }
            }
        }
    }
}

struct Keeper(Arc<Kept>);

impl Handler for Keeper {
    fn connect(&self, socket: &Socket, auth: &Value) -> Result<(), ConnectRefusal> {
        if auth["refused"] == true {
            let _never = tokio::spawn(Arc::clone(&self.0).replay(socket.catch_up().unwrap(), 0));
            return Err(ConnectRefusal::new("no"));
        }
        if let Some(since) = auth["since"].as_u64() {
            tokio::spawn(Arc::clone(&self.0).replay(socket.catch_up().unwrap(), since));
        }
        if auth["recovery"] != true {
            return Ok(());
        }
        let pid = auth["pid"].as_str().unwrap_or_default();
        let offset = auth["offset"].as_str().and_then(|offset| offset.split_once('.')?.0.parse().ok());
        if let Some(offset) = offset
            && let Some((id, rooms)) = self.0.gone.lock().unwrap().remove(pid)
        {
            let restored = Restored { id, pid: RecoveryId::known(pid), rooms };
            let catch_up = socket.restore(restored).unwrap();
            assert!(socket.catch_up().is_none() && socket.offer_recovery().unwrap().is_none());
            tokio::spawn(Arc::clone(&self.0).replay(catch_up, offset));
            return Ok(());
        }
        socket.offer_recovery().unwrap().unwrap();
        socket.join("red");
        Ok(())
    }

    fn disconnected(&self, socket: &Socket, _: CloseReason) {
        if let Some(pid) = socket.recovery_id() {
            let kept = (socket.id(), socket.rooms());
            self.0.gone.lock().unwrap().insert(pid.secret().to_owned(), kept);
        }
    }
}

struct Recovering {
    server: Server,
    port: u16,
    kept: Arc<Kept>,
    listening: tokio::task::AbortHandle,
}

impl Recovering {
    fn start(config: Config, kept: Arc<Kept>, port: u16) -> Self {
        let server = Server::new(config, Keeper(Arc::clone(&kept)));
        server.declare_namespace("/hook");
        let (port, listening) = peers::serve(&server, port);
        Self { server, port, kept, listening }
    }

    /// Everything small, so that little has to be missed for all bounds to be felt.
    fn small() -> Self {
        Self::start(Config { queue_bytes_max: 32 * 1024, ..Config::default() }, Arc::default(), 0)
    }

    /// A client's CONNECT answer.
    async fn join(&self, auth: Value) -> (Client, Value) {
        let mut client = peers::engine(self.port).await;
        client.send_packet(&Packet::Connect { namespace: "/hook".to_owned(), data: Some(auth) }).await;
        let Packet::Connect { data: Some(answer), .. } = client.packet().await else { panic!("not let in") };
        (client, answer)
    }

    /// Publishes many events from a thread of its own, as a busy program does.
    fn publish(&self, count: u64) -> std::thread::JoinHandle<()> {
        let (server, kept) = (self.server.clone(), Arc::clone(&self.kept));
        std::thread::spawn(move || {
            for _ in 0..count {
                kept.publish(&server);
            }
        })
    }

    async fn left(&self) {
        until("the socket is gone", || self.server.sockets("/hook").is_empty()).await;
    }
}

/// Expects exactly these events, each with its offset if it should have one.
async fn gets(client: &mut Client, events: std::ops::RangeInclusive<u64>, offsets: bool) {
    for seq in events {
        let (name, args) = client.event().await;
        assert_eq!((name.as_str(), &args[0]["seq"]), ("news", &json!(seq)));
        assert_eq!(args.get(1), offsets.then(|| json!(format!("{seq}.0"))).as_ref());
    }
}

#[tokio::test]
async fn who_comes_back_is_who_it_was_and_gets_exactly_what_it_missed() {
    let recovering = Recovering::small();
    let (mut client, first) = recovering.join(json!({"recovery": true})).await;
    assert!(first["pid"].as_str().unwrap().len() >= 22 && first["pid"] != first["sid"]);
    let (mut plain, answer) = recovering.join(json!({})).await;
    assert_eq!(answer.get("pid"), None);
    recovering.publish(3).join().unwrap();
    gets(&mut client, 1..=3, true).await;
    gets(&mut plain, 1..=3, false).await;
    drop((client, plain));
    recovering.left().await;
    recovering.publish(40).join().unwrap();
    let back = json!({"recovery": true, "pid": first["pid"], "offset": "3.0"});
    let (mut client, second) = recovering.join(back.clone()).await;
    assert_eq!(second, first);
    gets(&mut client, 4..=43, true).await;
    recovering.publish(2).join().unwrap();
    gets(&mut client, 44..=45, true).await;
    let socket = &recovering.server.to("/hook").room("red").sockets()[0];
    assert_eq!(socket.rooms(), [second["sid"].as_str().unwrap(), "red"]);

    let (_thief, third) = recovering.join(back).await;
    assert!(third["pid"] != first["pid"] && third["sid"] != first["sid"], "a private id works once");
    let wrong = json!({"recovery": true, "pid": "guessed", "offset": "3.0"});
    let (mut stranger, fourth) = recovering.join(wrong).await;
    assert!(fourth["pid"] != "guessed");
    recovering.publish(1).join().unwrap();
    gets(&mut stranger, 46..=46, true).await;
    gets(&mut client, 46..=46, true).await;
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_much_is_missed_and_more_comes_meanwhile() {
    let recovering = Recovering::small();
    recovering.publish(3_000).join().unwrap();
    for _ in 0..3 {
        let busy = recovering.publish(3_000);
        let last = recovering.kept.events.lock().unwrap().len() as u64;
        let (mut client, _) = recovering.join(json!({"since": 100})).await;
        let socket = recovering.server.sockets("/hook").pop().unwrap();
        for seq in 101..=last {
            gets(&mut client, seq..=seq, false).await;
            assert!(socket.queue().bytes <= 32 * 1024 + 300 * 1024);
        }
        busy.join().unwrap();
        drop(client);
        recovering.left().await;
    }
}

#[tokio::test]
async fn live_events_wait_behind_missed_ones_in_bounded_memory() {
    let recovering = Recovering::small();
    recovering.publish(5).join().unwrap();
    let pause = Arc::new(tokio::sync::Semaphore::new(0));
    *recovering.kept.pause.lock().unwrap() = Some(Arc::clone(&pause));
    let (mut client, _) = recovering.join(json!({"since": 0})).await;
    gets(&mut client, 1..=5, false).await;
    // Fewer than can wait, then more than can: the second time the first are read from what is kept.
    recovering.publish(5).join().unwrap();
    pause.add_permits(1);
    gets(&mut client, 6..=10, false).await;
    recovering.publish(1).join().unwrap();
    gets(&mut client, 11..=11, false).await;
    drop(client);
    recovering.left().await;

    let (mut client, _) = recovering.join(json!({"since": 8})).await;
    gets(&mut client, 9..=11, false).await;
    recovering.publish(500).join().unwrap();
    pause.add_permits(1);
    gets(&mut client, 12..=511, false).await;
    pause.add_permits(1);
    recovering.publish(1).join().unwrap();
    gets(&mut client, 512..=512, false).await;
    assert_eq!(recovering.server.stats().dropped_packets, 0);
}

#[tokio::test]
async fn a_replay_that_fails_ends_the_connection_so_that_the_client_can_try_again() {
    let recovering = Recovering::small();
    *recovering.kept.broken.lock().unwrap() = true;
    let (mut client, _) = recovering.join(json!({"since": 0})).await;
    assert_eq!(client.closed().await, Some(1000));
    recovering.left().await;
    let mut refused = peers::engine(recovering.port).await;
    refused.send(r#"40/hook,{"refused":true}"#).await;
    assert_eq!(refused.text().await, r#"44/hook,{"message":"no"}"#);
}

#[tokio::test]
async fn an_older_socket_gives_way_to_the_restored_one() {
    let recovering = Recovering::small();
    let (mut old, answer) = recovering.join(json!({"recovery": true})).await;
    let id = SocketId::parse(answer["sid"].as_str().unwrap()).unwrap();
    let pid = answer["pid"].as_str().unwrap();
    recovering.kept.gone.lock().unwrap().insert(pid.to_owned(), (id, vec![]));
    let (_new, again) = recovering.join(json!({"recovery": true, "pid": pid, "offset": "0.0"})).await;
    assert_eq!(again, answer);
    assert_eq!(old.packet().await, Packet::Disconnect { namespace: "/hook".to_owned() });
    assert_eq!(recovering.server.sockets("/hook").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_client_is_recovered_also_by_another_server() {
    let recovering = Recovering::small();
    let url = format!("http://127.0.0.1:{}", recovering.port);
    let arguments =
        ["--url", &url, "--namespaces", "/hook", "--transport", "websocket", "--auth", r#"{"recovery":true}"#];
    let Some(mut client) = programs::node("follow.mjs", &arguments) else { return };
    assert_eq!(client.data("connect").await["recovered"], false);
    let mut next = 1;
    let mut gets = async |client: &mut programs::Program, to: u64| {
        while next <= to {
            let args = client.data("news").await;
            assert_eq!((&args[0]["seq"], &args[1]), (&json!(next), &json!(format!("{next}.0"))));
            next += 1;
        }
    };
    recovering.publish(3).join().unwrap();
    gets(&mut client, 3).await;
    recovering.server.sockets("/hook")[0].session().close(CloseReason::ServerClose);
    recovering.left().await;
    recovering.publish(200).join().unwrap();
    assert_eq!(client.data("connect").await["recovered"], true);
    gets(&mut client, 203).await;

    recovering.listening.abort();
    within("the end of the first server", recovering.server.shutdown()).await;
    let kept = Arc::clone(&recovering.kept);
    kept.publish(&recovering.server);
    let second = Recovering::start(Config::default(), kept, recovering.port);
    assert_eq!(client.data("connect").await["recovered"], true);
    second.publish(10).join().unwrap();
    gets(&mut client, 214).await;

    second.kept.gone.lock().unwrap().clear();
    second.server.sockets("/hook")[0].session().close(CloseReason::ServerClose);
    second.left().await;
    second.kept.gone.lock().unwrap().clear();
    assert_eq!(client.data("connect").await["recovered"], false);
}
