//! Model store, fakes, golden runner and conformance suites.
