//! HTTP long-polling: the two directions, and what breaks a session.

use crate::peers::TestServer;
use serde_json::json;
use socketio::engine::{CloseReason, Transport};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A polling session in the main namespace, with its answer read.
async fn join(server: &TestServer) -> String {
    let sid = server.polling().await;
    assert_eq!(server.post(&sid, "40").await, (200, "ok".to_owned()));
    let (_, answer) = server.poll(&sid).await;
    assert!(answer.starts_with("40{\"sid\":"), "{answer}");
    assert!(answer.ends_with("\u{1e}42[\"welcome\",\"/\"]"), "{answer}");
    sid
}

#[tokio::test]
async fn packets_go_both_ways_with_binary_as_base64() {
    let mut server = TestServer::start().await;
    let sid = join(&server).await;
    assert_eq!(server.socket().await.transport(), Transport::Polling);
    let body = "42[\"echo\",\"é\u{1F600}\"]\u{1e}451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQIDBA==";
    server.post(&sid, body).await;
    let answer = "42[\"echoed\",\"é\u{1F600}\"]\u{1e}451-[\"echoed\",{\"_placeholder\":true,\"num\":0}]\u{1e}bAQIDBA==";
    assert_eq!(server.poll(&sid).await, (200, answer.to_owned()));
}

#[tokio::test]
async fn a_waiting_poll_is_answered_by_the_next_packet() {
    let mut server = TestServer::start().await;
    let sid = join(&server).await;
    let socket = server.socket().await;
    let emit = async {
        // By the time that a request has been answered, the poll before it waits, most likely.
        server.post(&sid, "42[\"nothing\"]").await;
        socket.emit("late", &[json!(1)]).unwrap();
    };
    let (answer, ()) = tokio::join!(server.poll(&sid), emit);
    assert_eq!(answer, (200, "42[\"late\",1]".to_owned()));
}

#[tokio::test]
async fn an_answer_has_at_most_sixteen_packets_because_python_refuses_more() {
    let mut server = TestServer::start().await;
    let sid = join(&server).await;
    let socket = server.socket().await;
    (0..40).for_each(|n| socket.emit("n", &[json!(n)]).unwrap());
    let mut counts = Vec::new();
    for _ in 0..3 {
        counts.push(server.poll(&sid).await.1.split('\u{1e}').count());
    }
    assert_eq!(counts, [16, 16, 8]);
}

#[tokio::test]
async fn a_second_poll_at_a_time_ends_the_session() {
    let mut server = TestServer::start().await;
    let sid = join(&server).await;
    let (first, second) = tokio::join!(server.poll(&sid), server.poll(&sid));
    let mut statuses = [first.0, second.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    assert!([first.1, second.1].contains(&"1".to_owned()));
    assert_eq!(server.disconnected().await, CloseReason::TransportError);
    assert_eq!(server.poll(&sid).await.0, 400);
}

#[tokio::test]
async fn nonsense_ends_the_session() {
    let mut server = TestServer::start().await;
    for body in ["abc", "", "4a\u{1e}", "b!!"] {
        let sid = join(&server).await;
        assert_eq!(server.post(&sid, body).await.0, 400);
        assert_eq!(server.disconnected().await, CloseReason::ParseError);
        assert_eq!(server.poll(&sid).await.0, 400);
    }
}

#[tokio::test]
async fn a_client_that_says_goodbye_gets_a_noop_for_its_poll() {
    let mut server = TestServer::start().await;
    let sid = join(&server).await;
    let goodbye = async {
        server.post(&sid, "42[\"nothing\"]").await;
        server.post(&sid, "1").await
    };
    let (poll, goodbye) = tokio::join!(server.poll(&sid), goodbye);
    assert_eq!(goodbye.1, "ok");
    assert_eq!(poll, (200, "6".to_owned()));
    assert_eq!(server.disconnected().await, CloseReason::TransportClose);
}

#[tokio::test]
async fn a_goodbye_that_overtakes_the_last_poll_still_ends_it_with_a_noop() {
    let mut server = TestServer::start().await;
    let sid = join(&server).await;
    assert_eq!(server.post(&sid, "1").await, (200, "ok".to_owned()));
    assert_eq!(server.disconnected().await, CloseReason::TransportClose);
    assert_eq!(server.poll(&sid).await, (200, "6".to_owned()));
    assert_eq!(server.poll(&sid).await.0, 400);
}

#[tokio::test]
async fn a_poll_that_breaks_off_ends_the_session() {
    let mut server = TestServer::start().await;
    let sid = join(&server).await;
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let request = format!("GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    server.post(&sid, "42[\"nothing\"]").await;
    drop(stream);
    assert_eq!(server.disconnected().await, CloseReason::TransportError);
}

#[tokio::test]
async fn a_server_side_close_delivers_what_waits_and_then_says_close() {
    let mut server = TestServer::start().await;
    let sid = join(&server).await;
    let socket = server.socket().await;
    socket.emit("last words", &[]).unwrap();
    socket.disconnect(true);
    assert_eq!(server.disconnected().await, CloseReason::ServerDisconnect);
    assert_eq!(server.poll(&sid).await.1, "42[\"last words\"]\u{1e}41\u{1e}1");
    assert_eq!(server.poll(&sid).await.0, 400);
}
