//! WebSockets on the public listener: the upgrade, and streams of frames with small buffers and bounded messages (T70). What is
//! said over one is its door's business.

mod fragments;
mod handshake;

pub use fragments::{Counted, is_too_many};
pub use handshake::{Handshake, Upgrading};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// The server's side of a stream, whose messages have at most `largest` bytes.
pub async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    largest: usize,
) -> WebSocketStream<Counted<S>> {
    // Small buffers, or an idle socket costs 128 KiB; no message waits in them, since each is flushed.
    let config = WebSocketConfig::default()
        .read_buffer_size(512)
        .write_buffer_size(0)
        .max_write_buffer_size(256 * 1024)
        .max_message_size(Some(largest))
        .max_frame_size(Some(largest));
    WebSocketStream::from_raw_socket(Counted::new(stream), Role::Server, Some(config)).await
}
