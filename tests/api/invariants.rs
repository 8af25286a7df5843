//! One test for each invariant of the design, under its name.

mod bounds;
mod disk;
mod files;
mod order;
mod people;
