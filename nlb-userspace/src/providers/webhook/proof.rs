//! By what a service knows that it is the agent who asks: a secret from a file, which is read for each call, so that another one is
//! taken up without a reload.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::hmac;

use crate::providers::hex::hex;

/// Seconds since 1970 at which a request was signed. A service that refuses old ones can't be told the same twice for long.
const TIME: &str = "nlb-timestamp";

/// `sha256=` and, in hexadecimal, HMAC-SHA256 (RFC 2104) of the time, the call's name and the body, with a line feed between them.
const SIGNATURE: &str = "nlb-signature";

/// How a request proves whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// It carries the secret (RFC 6750).
    Bearer(PathBuf),
    /// It is signed with the secret, which isn't sent.
    Hmac(PathBuf),
}

impl Proof {
    /// The headers of a request, or why there are none.
    pub(super) fn headers(
        &self,
        call: &str,
        body: &[u8],
        now: Duration,
    ) -> Result<Vec<(&'static str, String)>, String> {
        match self {
            Self::Bearer(file) => {
                let token = String::from_utf8(secret(file)?).map_err(|_| format!("{}: not UTF-8", file.display()))?;
                Ok(vec![("authorization", format!("Bearer {token}"))])
            }
            Self::Hmac(file) => {
                let time = now.as_secs().to_string();
                let signed = [format!("{time}\n{call}\n").as_bytes(), body].concat();
                let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret(file)?), &signed);
                Ok(vec![(TIME, time), (SIGNATURE, format!("sha256={}", hex(tag.as_ref())))])
            }
        }
    }
}

/// What a file holds, without the line end that editors put there.
fn secret(file: &Path) -> Result<Vec<u8>, String> {
    let text = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let text = text.trim_ascii_end();
    if text.is_empty() { Err(format!("{}: it is empty", file.display())) } else { Ok(text.to_vec()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_time_call_and_body_and_a_token_goes_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        fs::write(&file, "Jefe\n").unwrap();
        let at = Duration::from_secs(1_700_000_000);
        // printf '1700000000\nlist\n{"group":"web"}' | openssl dgst -sha256 -hmac Jefe
        let signature = "sha256=e82856f9447b7ddae688d4f3baec44e812f8b63a49404dc97a57cba98add36a2";
        let headers = Proof::Hmac(file.clone()).headers("list", br#"{"group":"web"}"#, at).unwrap();
        assert_eq!(headers, [(TIME, "1700000000".to_owned()), (SIGNATURE, signature.to_owned())]);
        let headers = Proof::Bearer(file.clone()).headers("list", b"", at).unwrap();
        assert_eq!(headers, [("authorization", "Bearer Jefe".to_owned())]);
        fs::write(&file, "\n").unwrap();
        for proof in [Proof::Hmac(file.clone()), Proof::Bearer(file), Proof::Hmac("/nowhere/secret".into())] {
            let refused = proof.headers("list", b"", at).unwrap_err();
            assert!(refused.contains("secret: "), "{refused}");
        }
    }
}
