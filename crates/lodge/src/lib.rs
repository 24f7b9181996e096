//! The gateway through which every customer contact becomes exactly one ticket.

pub mod http;
