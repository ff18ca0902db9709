//! What goes to the server: what the connection itself has to say, then what waits, many frames in one write.

use crate::connection::Out;
use crate::error::ConnectionError;
use crate::outbox::Outgoing;
use crate::shared::{Control, Shared};
use crate::socket::Membership;
use socketio::packet::Packet;
use socketio::websocket::code;
use std::time::Duration;

/// Packets and bytes taken from the queue at a time. What is taken cannot be dropped any more, and is lost with the
/// connection.
const BATCH_PACKETS_MAX: usize = 64;
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// Time that a server has to answer the goodbye of a client that is closed.
const GOODBYE_MAX: Duration = Duration::from_secs(1);

/// Writes until the connection ends; says why.
pub(crate) async fn write(shared: &Shared, writer: &mut Out) -> ConnectionError {
    let mut batch = Vec::new();
    loop {
        let mut work = std::pin::pin!(shared.work.notified());
        work.as_mut().enable();
        let (control, shall_end) = take(shared, &mut batch);
        say(shared, writer, control);
        let sent = batch.len() as u64;
        for packet in batch.drain(..) {
            writer.text(&packet.text);
            packet.attachments.iter().for_each(|attachment| writer.binary(attachment));
        }
        if let Err(ended) = flush(writer, shared.config.write_stall_max).await {
            return ended;
        }
        shared.state().stats.sent_packets += sent;
        shared.written();
        if shall_end {
            say_goodbye(shared, writer).await;
            return ConnectionError::ClosedByUs;
        }
        let more = shared.state().outbox.has_work();
        if !more {
            work.await;
        }
    }
}

/// Takes what is to be said now. `true` if it was the last: the client shall end and nothing else waits.
fn take(shared: &Shared, batch: &mut Vec<Outgoing>) -> (Control, bool) {
    let mut state = shared.state();
    let control = state.control.take();
    let message_bytes_max = state.payload_bytes_max;
    state.outbox.take(BATCH_PACKETS_MAX, BATCH_BYTES_MAX, message_bytes_max, batch);
    state.in_flight = batch.len();
    let shall_end = state.closing.is_some() && state.outbox.is_empty();
    (control, shall_end)
}

/// Pongs first, then who leaves, then who joins.
fn say(shared: &Shared, writer: &mut Out, control: Control) {
    if let Some(payload) = control.websocket_pong {
        writer.pong(&payload);
    }
    if control.pong {
        writer.text("3");
    }
    for namespace in control.disconnect {
        send(writer, &Packet::Disconnect { namespace });
    }
    if control.connect.is_empty() {
        return;
    }
    let asked = shared.channels().into_iter().filter(|channel| control.connect.contains(&channel.lane));
    for channel in asked {
        let namespace = channel.namespace.clone();
        send(writer, &Packet::Connect { namespace, data: Some(channel.auth()) });
    }
}

fn send(writer: &mut Out, packet: &Packet) {
    writer.text(&format!("4{}", packet.encode().0));
}

/// Writes everything, however slowly, as long as the server takes some.
async fn flush(writer: &mut Out, stall_max: Duration) -> Result<(), ConnectionError> {
    loop {
        let progress = writer.progress_at();
        match tokio::time::timeout_at(progress + stall_max, writer.flush()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => return Err(ConnectionError::WebSocket(error.into())),
            Err(_) if writer.progress_at() > progress => {}
            Err(_) => return Err(ConnectionError::WriteStalled),
        }
    }
}

/// Leaves every namespace, so that the server knows it is for good, closes, and waits until the server has read it all:
/// a socket that is dropped with something unread takes back what is on its way. Reading ends the waiting.
async fn say_goodbye(shared: &Shared, writer: &mut Out) {
    let channels = shared.channels();
    let joined = channels.iter().filter(|channel| matches!(*channel.membership.borrow(), Membership::Joined(_)));
    for channel in joined {
        send(writer, &Packet::Disconnect { namespace: channel.namespace.clone() });
    }
    writer.close(code::NORMAL, "");
    let farewell = async {
        writer.flush().await?;
        writer.shutdown().await?;
        std::future::pending::<std::io::Result<()>>().await
    };
    // It is over either way.
    let _ = tokio::time::timeout(GOODBYE_MAX, farewell).await;
}
