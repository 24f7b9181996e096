//! Speaks with the core ticket service both ways.
