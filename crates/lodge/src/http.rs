//! The accept loop of both listeners.
