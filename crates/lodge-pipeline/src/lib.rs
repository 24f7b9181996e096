//! Accept, triage, deliver: acknowledgments, retries and dead letters.
