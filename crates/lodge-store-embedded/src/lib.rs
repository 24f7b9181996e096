//! The default durable store: one SQLite file, one writer thread, grouped commits.
