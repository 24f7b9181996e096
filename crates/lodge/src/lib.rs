//! The gateway through which every customer contact becomes exactly one ticket.
//!
//! This is the composition root: it reads the configuration, builds the parts, binds the listeners, supervises and shuts
//! down. It knows everyone, and nobody knows it. Start reading at [`cli`], then [`compose`].

pub mod admin;
pub mod channels;
pub mod cli;
pub mod commands;
pub mod compose;
pub mod config;
pub mod demo;
pub mod docs;
pub mod http;
pub mod keys;
pub mod shutdown;
pub mod supervise;
pub mod system;
