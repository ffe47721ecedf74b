//! Instances by a service of the user's: each call is a POST of its document, to the call's name behind the service's address.
//!
//! The status says how it went: 2xx done; 422 the settings are wrong; 501 it can't do that at all; 507 there is no room, later
//! there may be; any other: it failed and is asked again. The body of one that isn't 2xx is the reason.

mod proof;

use std::time::SystemTime;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};

use self::proof::Proof;
use super::ProviderError;
use super::documents::{Carrier, Documents};
use super::settings::{Settings, reason};
use crate::autoscale::model::LaunchTemplate;
use crate::http::Service;

/// Seconds that a call may take unless the settings say otherwise.
const TIMEOUT: u64 = 30;

/// The service.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    template: LaunchTemplate,
    url: String,
    service: Service,
    proof: Option<Proof>,
}

impl Webhook {
    /// The provider that `template` describes.
    pub(super) fn provider(template: &LaunchTemplate) -> Result<Documents<Self>, ProviderError> {
        let settings = Settings(template);
        settings.only(&["url", "timeout", "ca_file", "bearer_file", "hmac_file"])?;
        let url = settings.required("url", "https://launcher.example.org/nlb")?;
        let service = Service::parse(url).map_err(|error| settings.wrong("url", error.to_string()))?;
        let service = service.trusting(settings.path("ca_file")?);
        let proof = match (settings.path("bearer_file")?, settings.path("hmac_file")?) {
            (None, None) => None,
            (Some(_), None) if !service.is_private() => {
                let problem = "would let everybody on the way read the token: use an `https` address, or `hmac_file`";
                return Err(settings.wrong("bearer_file", problem));
            }
            (Some(file), None) => Some(Proof::Bearer(file)),
            (None, Some(file)) => Some(Proof::Hmac(file)),
            (Some(_), Some(_)) => {
                return Err(settings.wrong("hmac_file", "stands beside `bearer_file`: give one of them"));
            }
        };
        let limit = settings.seconds("timeout", TIMEOUT)?;
        Ok(Documents { carrier: Self { template: template.clone(), url: url.to_owned(), service, proof }, limit })
    }

    async fn post(&self, call: &'static str, input: &[u8]) -> Result<Vec<u8>, ProviderError> {
        let failed = |reason: String| ProviderError::Unavailable { what: self.shown(call), reason };
        let mut request =
            Request::post(self.service.path(&format!("/{call}"))).header(CONTENT_TYPE, "application/json");
        if let Some(proof) = &self.proof {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            for (name, value) in proof.headers(call, input, now).map_err(failed)? {
                request = request.header(name, value);
            }
        }
        let answer = self.service.send(request, input.to_vec()).await.map_err(|error| failed(error.to_string()))?;
        let complaint = reason(&answer.body);
        match answer.status {
            status if status.is_success() => Ok(answer.body.into()),
            StatusCode::UNPROCESSABLE_ENTITY => {
                Err(Settings(&self.template).wrong("url", format!("refuses its settings: {complaint}")))
            }
            StatusCode::NOT_IMPLEMENTED => Err(ProviderError::Unsupported(call)),
            StatusCode::INSUFFICIENT_STORAGE => Err(ProviderError::Capacity(complaint)),
            status if complaint.is_empty() => Err(failed(format!("it answered {status}"))),
            status => Err(failed(format!("it answered {status}: {complaint}"))),
        }
    }
}

impl Carrier for Webhook {
    fn carry<'a>(&'a self, call: &'static str, input: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, ProviderError>> {
        self.post(call, input).boxed()
    }

    fn shown(&self, call: &str) -> String {
        format!("`{call}` of {}", self.url)
    }
}
