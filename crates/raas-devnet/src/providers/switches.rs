//! What is wrong with a provider's server, and the listener that obeys it.
//!
//! A provider that is offline still owns its port: a connection is accepted and dropped at once, as
//! a dead process behind a living load balancer does, and connections that are open already break at
//! their next read or write.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// The switches and counters of one provider's server.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    offline: AtomicBool,
    corrupt: AtomicBool,
    pieces: AtomicU64,
    blocks: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
}

/// What one provider has served so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Served {
    /// Answers with bytes of a piece.
    pub(crate) pieces: u64,
    /// Answers with blocks or CARs.
    pub(crate) blocks: u64,
    /// Bytes of bodies handed to the transport.
    pub(crate) bytes: u64,
    /// Connections dropped while offline.
    pub(crate) refused: u64,
}

impl Switches {
    pub(crate) fn set_offline(&self, offline: bool) {
        self.offline.store(offline, Ordering::SeqCst);
    }

    pub(crate) fn set_corrupt(&self, corrupt: bool) {
        self.corrupt.store(corrupt, Ordering::SeqCst);
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.offline.load(Ordering::SeqCst)
    }

    pub(crate) fn is_corrupt(&self) -> bool {
        self.corrupt.load(Ordering::SeqCst)
    }

    pub(crate) fn count_piece(&self) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_blocks(&self) {
        self.blocks.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn served(&self) -> Served {
        Served {
            pieces: self.pieces.load(Ordering::Relaxed),
            blocks: self.blocks.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }
}

/// A listener that drops connections while its provider is offline.
pub(crate) struct SwitchedListener {
    listener: TcpListener,
    switches: Arc<Switches>,
}

impl SwitchedListener {
    pub(crate) fn new(listener: TcpListener, switches: Arc<Switches>) -> Self {
        Self { listener, switches }
    }
}

impl axum::serve::Listener for SwitchedListener {
    type Io = SwitchedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (SwitchedStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(_) if self.switches.is_offline() => {
                    self.switches.refused.fetch_add(1, Ordering::Relaxed);
                }
                Ok((stream, peer)) => {
                    return (SwitchedStream { stream, switches: self.switches.clone() }, peer);
                }
                // Out of file descriptors, most likely: let some connections end first.
                Err(error) => {
                    tracing::warn!(%error, "a provider cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that breaks when its provider goes offline.
pub(crate) struct SwitchedStream {
    stream: TcpStream,
    switches: Arc<Switches>,
}

impl SwitchedStream {
    fn check(&self) -> io::Result<()> {
        if self.switches.is_offline() { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for SwitchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        // After the read, so that an idle connection breaks at the request that wakes it.
        match polled {
            Poll::Ready(Ok(())) => Poll::Ready(self.check()),
            other => other,
        }
    }
}

impl AsyncWrite for SwitchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
