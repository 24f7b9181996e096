//! Stand-ins for the ports: each keeps its port's contract and lets a test look inside.

mod blobs;
mod clock;
mod entropy;
mod intake;
mod replier;
mod sink;

pub use blobs::MemoryBlobs;
pub use clock::ManualClock;
pub use entropy::SeededEntropy;
pub use intake::RecordingIntake;
pub use replier::RecordingReplier;
pub use sink::RecordingSink;
