//! The provider from outside, over a real socket, with a clock that the test moves.

mod fixture;
mod code_flow;
mod refresh;
mod clients;
mod pages;
mod sign_out;
mod metadata;
mod login;
