//! One test program for all scenarios, so that the rig is linked once. A scenario is a file named after its behaviour.

mod rig_stands;
