//! The hallway as a whole, over the model store and a clock moved by hand (ring 4).

#[cfg(test)]
mod accept;
#[cfg(test)]
mod acknowledge;
#[cfg(test)]
mod answered;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod flood;
#[cfg(test)]
mod forward;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod house;
#[cfg(test)]
mod reply;
#[cfg(test)]
mod running;
#[cfg(test)]
mod supplement;
