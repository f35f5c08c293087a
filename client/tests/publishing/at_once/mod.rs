//! Updates that a server answers in one: what a reader then asks for, and that a wrong answer changes nothing.

mod answer;
mod honest;
mod wrong;
