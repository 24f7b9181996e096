//! The store ports over Redis; each atomic step is one script.
