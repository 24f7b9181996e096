//! Attacks by mail: who takes part, what is opened, who answers whom. Each test is named after the attack it stops.

#[cfg(test)]
mod bombs;
#[cfg(test)]
mod files;
#[cfg(test)]
mod house;
#[cfg(test)]
mod inert;
#[cfg(test)]
mod loops;
#[cfg(test)]
mod membership;
#[cfg(test)]
mod packed;
