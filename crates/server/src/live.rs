//! The ways out: one file each. Every forwarder reads the outbox at its own pace (I4).

pub(crate) mod admin;
pub(crate) mod page;
pub(crate) mod replay;
pub(crate) mod roster;
pub(crate) mod socketio;
pub(crate) mod status;
pub(crate) mod stream;
pub(crate) mod websocket;

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::app::App;

/// Starts the forwarders that serve all clients of their kind. They end when the outbox closes.
pub(crate) fn start(app: &Arc<App>, tasks: &mut JoinSet<()>) {
    tasks.spawn(socketio::forward(Arc::clone(app)));
    tasks.spawn(socketio::beat(Arc::clone(app)));
    tasks.spawn(page::forward(Arc::clone(app)));
    tasks.spawn(page::tell_state(Arc::clone(app)));
    tasks.spawn(status::repeat(Arc::clone(app)));
    if app.admin.is_some() {
        app.io.declare_namespace(admin::NAMESPACE);
        tasks.spawn(admin::tell_figures(Arc::clone(app)));
    }
}
