//! The line between a browser and the gateway: carries bytes, can be cut, and can go dead without a word, as a telephone in a
//! tunnel does: nothing arrives, and nobody is told.

use crate::ports;
use anyhow::Result;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Whole,
    Cut,
    Dead,
}

/// A line to one place, until it is dropped.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    state: watch::Sender<State>,
}

impl Wire {
    /// A whole line to `far`, such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// Where no port is free.
    pub async fn to(far: &str) -> Result<Self> {
        let far = far.trim_start_matches("http://").to_owned();
        let port = ports::free()?;
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let (state, seen) = watch::channel(State::Whole);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, far.clone(), seen.clone()));
            }
        });
        Ok(Self { port, state })
    }

    /// Where the near end is.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends every connection, and refuses new ones.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Lets nothing through any more; the connections stay open, and stay dead for ever.
    pub fn deaden(&self) {
        self.state.send_replace(State::Dead);
    }

    /// Carries new connections again.
    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn carry(mut near: TcpStream, far: String, mut state: watch::Receiver<State>) {
    if *state.borrow() == State::Whole {
        let Ok(mut far) = TcpStream::connect(far).await else { return };
        let both = copy_bidirectional(&mut near, &mut far);
        let broken = async { state.wait_for(|state| *state != State::Whole).await.map(|state| *state) };
        let is_dead = tokio::select! {
            _ended = both => false,
            broken = broken => broken.is_ok_and(|state| state == State::Dead),
        };
        if is_dead {
            hold(&mut state).await;
        }
    } else if *state.borrow() == State::Dead {
        hold(&mut state).await;
    }
}

/// As long as the line is not cut, and somebody holds it.
async fn hold(state: &mut watch::Receiver<State>) {
    let _cut = state.wait_for(|state| *state == State::Cut).await;
}
