//! Why there is no answer.

use crate::tls::NoRoots;

/// What went wrong before an answer was in. Whether the request was understood is not known, but for the first three.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody there.
    #[error("cannot connect to {to}: {source}")]
    Connect {
        /// Host and port, or a socket's path.
        to: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// No certificate would be believed.
    #[error(transparent)]
    Roots(#[from] NoRoots),
    /// No TLS with whoever answers.
    #[error("TLS with {to}: {source}")]
    Tls {
        /// Host and port.
        to: String,
        /// What is wrong.
        source: std::io::Error,
    },
    /// A header or a path that is none.
    #[error("the request can't be made: {0}")]
    Request(#[from] hyper::http::Error),
    /// The connection broke, or what came is no HTTP.
    #[error("{}", innermost(.0))]
    Exchange(#[from] hyper::Error),
    /// A longer answer than anything that is asked for.
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
}

/// The error and what it comes from: hyper's own message names the stage alone.
fn innermost(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
