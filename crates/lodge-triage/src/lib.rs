//! Compiles rules and evaluates them: classification, priority and route, with reasons.
