//! Requests to other people's services over HTTP/1.1.
//!
//! Each is a connection of its own, and an answer is taken in whole: what is asked here is small and rare. How long it may take is
//! the caller's to say. Redirects are not followed: a redirect is an answer.

mod error;
mod service;
#[cfg(test)]
mod tests;

pub use error::HttpError;
pub use service::{Answer, Service, UrlError};
