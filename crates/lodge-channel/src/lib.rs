//! The adapter kit: everything an author of a channel adapter needs.
