//! Signature version 4 of AWS ("Create a signed AWS API request" in the IAM user guide).

use ring::{digest, hmac};

use super::credentials::Credentials;
use crate::providers::hex::hex;

/// Whom a request is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
    /// `20150830T123600Z`.
    pub(super) time: &'a str,
}

/// A request as it is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// Percent-encoded, by key.
    pub(super) query: &'a str,
    /// Names in lower case, in their order.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
}

/// What `Authorization` says.
pub(super) fn authorization(request: &Signed<'_>, scope: Scope<'_>, credentials: &Credentials) -> String {
    let Signed { method, path, query, headers, body } = request;
    let Scope { region, service, time } = scope;
    let date = time.get(..8).unwrap_or_default();
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{}", sha256(body));
    let place = format!("{date}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{place}\n{}", sha256(canonical.as_bytes()));
    let first = format!("AWS4{}", credentials.secret).into_bytes();
    let key = [date, region, service, "aws4_request"].iter().fold(first, |key, part| sign(&key, part));
    let signature = hex(&sign(&key, &to_sign));
    format!("AWS4-HMAC-SHA256 Credential={}/{place}, SignedHeaders={names}, Signature={signature}", credentials.id)
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AWS's own examples: that of its guide, and of its test suite `post-x-www-form-urlencoded`.
    #[test]
    fn published_requests_have_the_published_signatures() {
        let credentials = Credentials {
            id: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session: None,
            expires: None,
        };
        let time = "20150830T123600Z";
        let form = "application/x-www-form-urlencoded";
        let list = Signed {
            method: "GET",
            path: "/",
            query: "Action=ListUsers&Version=2010-05-08",
            headers: &[
                ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
                ("host", "iam.amazonaws.com"),
                ("x-amz-date", time),
            ],
            body: b"",
        };
        let post = Signed {
            method: "POST",
            path: "/",
            query: "",
            headers: &[("content-type", form), ("host", "example.amazonaws.com"), ("x-amz-date", time)],
            body: b"Param1=value1",
        };
        for (request, service, signature) in [
            (list, "iam", "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"),
            (post, "service", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        ] {
            let scope = Scope { region: "us-east-1", service, time };
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date, Signature={signature}"
            );
            assert_eq!(authorization(&request, scope, &credentials), expected);
        }
    }
}
