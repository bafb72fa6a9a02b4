//! The promises of the store, each on a real database through the public methods.

mod fixtures;
mod links;
mod listing;
mod model;
mod moves;
mod news;
mod open;
mod plans;
mod publishing;
mod tenancies;
