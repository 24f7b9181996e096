//! The accept loop over real sockets, with limits short enough to wait for.

mod hostile;
mod leaving;
mod polite;
mod rig;
