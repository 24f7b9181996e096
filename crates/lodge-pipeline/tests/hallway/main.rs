//! The hallway as a whole, over the model store and a clock moved by hand (ring 4).

mod accept;
mod acknowledge;
mod commands;
mod crash;
mod forward;
mod house;
mod reply;
mod running;
