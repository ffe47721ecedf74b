//! The OpenAPI document, generated from the routes.

use utoipa::openapi::{Info, License, OpenApi};

/// The document.
pub fn document() -> OpenApi {
    let mut document = super::routes::all().into_openapi();
    let mut info = Info::new("nlb control API", "1");
    info.description = Some(
        "Control of one edge's agent, over its Unix socket (by default /run/nlb/nlb.sock). Every answer with a status \
         of 400 or above has an ErrorBody."
            .to_owned(),
    );
    info.license = Some(License::new("MIT OR Apache-2.0"));
    document.info = info;
    document
}

/// The document as the file `openapi.json` holds it.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}
