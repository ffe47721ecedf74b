//! Failures as HTTP answers: a status code, what is wrong, and what would mend it.

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use pcap_file::PcapError;

use super::dto::{ErrorBody, ErrorDetail, Problem};
use crate::agent::handle::{AskError, CaptureError, ReloadError, TraceError};
use crate::autoscale::engine::Refused;
use crate::autoscale::runtime::Refusal;
use crate::capture::{FilterError, UnknownListener};
use crate::control::ChangeError;
use crate::dataplane::DataplaneError;
use crate::explain::MixedFamilies;
use crate::model::Forwarding;

/// Why a request has no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    status: StatusCode,
    detail: ErrorDetail,
}

impl Failure {
    /// An answer with `status`.
    pub(super) fn new(status: StatusCode, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { status, detail: ErrorDetail { what: what.into(), mend: mend.into(), problems: Vec::new() } }
    }

    /// The request itself can't be understood.
    pub(super) fn bad_request(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what, mend)
    }

    /// What was asked for is not there.
    pub(super) fn not_found(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what, mend)
    }

    /// Understood, and refused for what it says.
    pub(super) fn unprocessable(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, what, mend)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorBody { error: self.detail })).into_response()
    }
}

impl<E: Into<Self>> From<AskError<E>> for Failure {
    fn from(error: AskError<E>) -> Self {
        match error {
            AskError::Stopped => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the agent is stopping and takes no more commands",
                "start it again: systemctl start nlb-agent",
            ),
            AskError::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<DataplaneError> for Failure {
    fn from(error: DataplaneError) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the kernel's tables: {error}"),
            "see the agent's log and `nlb doctor`",
        )
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        let what = error.to_string();
        match error {
            ChangeError::UnknownGroup { .. } => Self::not_found(what, "see `nlb target-group list`"),
            ChangeError::UnknownListener { .. } => Self::not_found(what, "see `nlb listener list`"),
            ChangeError::NotShared { .. } => {
                Self::new(StatusCode::CONFLICT, what, "change `target_group` to `target_groups` there, and reload")
            }
            ChangeError::NoShare { listener, .. } => Self::unprocessable(
                what,
                format!("see `nlb listener show {listener}`, or add the group to `target_groups` and reload"),
            ),
            ChangeError::TwoWeights { .. } => Self::unprocessable(what, "name each group once"),
            ChangeError::NoneWeighted { .. } => {
                Self::unprocessable(what, "give a group that is to get the flows its weight in the same command")
            }
            ChangeError::UnknownTarget { group, .. } => Self::not_found(what, format!("see `nlb target list {group}`")),
            ChangeError::AlreadyRegistered { .. } => {
                Self::new(StatusCode::CONFLICT, what, "use `nlb target set-weight` to change its weight")
            }
            ChangeError::AlreadyDrained { .. } => {
                Self::new(StatusCode::CONFLICT, what, "use `nlb target undrain` to give it new flows again")
            }
            ChangeError::NotDrained { target } => {
                Self::new(StatusCode::CONFLICT, what, format!("see `nlb target list {}`", target.group))
            }
            ChangeError::OtherZone { .. } => {
                Self::new(StatusCode::CONFLICT, what, "leave the zone out, or change it in the file and reload")
            }
            ChangeError::OtherServerId { .. } => {
                Self::new(StatusCode::CONFLICT, what, "leave the id out, or change it in the file and reload")
            }
            ChangeError::SameServerId { .. } => {
                Self::new(StatusCode::CONFLICT, what, "give it a `quic_server_id` of its own, or deregister the other")
            }
            ChangeError::ServerIdLength { length, .. } => {
                Self::unprocessable(what, format!("give {length} bytes in hexadecimal, two digits each"))
            }
            ChangeError::IsListener { .. } => Self::unprocessable(what, "register the target host's own address"),
            ChangeError::OtherFamily { vip, .. } => Self::unprocessable(what, Forwarding::help_to_answer(vip)),
            ChangeError::NotKept { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, what, "nothing was changed; see the agent's log")
            }
            ChangeError::Full { what: table, .. } => Self::unprocessable(
                what,
                format!("raise `agent.capacity.{table}` in the configuration and restart the agent"),
            ),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(error: Refusal) -> Self {
        let what = error.to_string();
        let mend = match error {
            Refusal::UnknownGroup { .. } => return Self::not_found(what, "see `nlb asg list`"),
            Refusal::UnknownLoad { .. } => {
                return Self::not_found(what, "give the `metric` of one of its `predictive_scaling` policies");
            }
            Refusal::NotOver { .. } => {
                return Self::unprocessable(what, "leave out what is not over yet");
            }
            Refusal::NotKept { .. } => {
                return Self::new(StatusCode::INTERNAL_SERVER_ERROR, what, "see the agent's log");
            }
            Refusal::Refused(Refused::UnknownInstance(_)) => return Self::not_found(what, "see `nlb asg show GROUP`"),
            Refusal::Refused(Refused::OutOfBounds { .. }) => "change `min` or `max` in the configuration and reload",
            Refusal::Refused(Refused::RefreshUnderWay) => "use `nlb asg refresh cancel` or wait until it ends",
            Refusal::Refused(
                Refused::NotWaiting { .. } | Refused::Leaving(_) | Refused::NoRefresh | Refused::NothingBefore,
            ) => "see `nlb asg show GROUP`",
        };
        Self::new(StatusCode::CONFLICT, what, mend)
    }
}

impl From<ReloadError> for Failure {
    fn from(error: ReloadError) -> Self {
        let errors = match error {
            ReloadError::Configuration(errors) => errors,
            ReloadError::Full(full) => return full.into(),
            ReloadError::Provider(other) => {
                let mend = "nothing was changed; give the new group another name, or set `min` and `max` to 0 first, and change the \
                            provider once `nlb asg show` lists no instance";
                return Self::unprocessable(other.to_string(), mend);
            }
        };
        let problems: Vec<_> = errors.problems().iter().map(Problem::from).collect();
        let what = match problems.len() {
            0 => std::error::Error::source(&errors)
                .map_or_else(|| errors.to_string(), |cause| format!("{errors}: {cause}")),
            1 => "the configuration has a problem".to_owned(),
            several => format!("the configuration has {several} problems"),
        };
        let mut failure = Self::unprocessable(what, "nothing was changed; mend the file, then `nlb reload` again");
        failure.detail.problems = problems;
        failure
    }
}

impl From<TraceError> for Failure {
    fn from(error: TraceError) -> Self {
        match error {
            TraceError::Busy => Self::new(
                StatusCode::CONFLICT,
                "another trace is running, there is one at a time",
                "end the other `nlb trace`, or wait until it ends",
            ),
            TraceError::Dataplane(error) => error.into(),
        }
    }
}

impl From<CaptureError> for Failure {
    fn from(error: CaptureError) -> Self {
        match error {
            CaptureError::Busy => Self::new(
                StatusCode::CONFLICT,
                "another capture is running, there is one at a time",
                "end the other `nlb capture`, or wait until it ends",
            ),
            CaptureError::Dataplane(error) => error.into(),
        }
    }
}

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Self {
        Self::bad_request(error.to_string(), "write a filter as `host 198.51.100.7 and port 80 and dropped`")
    }
}

impl From<UnknownListener> for Failure {
    fn from(error: UnknownListener) -> Self {
        Self::not_found(error.to_string(), "see `nlb listener list`")
    }
}

impl From<PcapError> for Failure {
    fn from(error: PcapError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot make a pcapng file: {error}"), "try again")
    }
}

impl From<MixedFamilies> for Failure {
    fn from(error: MixedFamilies) -> Self {
        Self::bad_request(error.to_string(), "give two IPv4 or two IPv6 addresses")
    }
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text(), "see the request's body in openapi.json")
    }
}

impl From<BytesRejection> for Failure {
    fn from(rejection: BytesRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text(), "see the request's body in openapi.json")
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text(), "see the request's parameters in openapi.json")
    }
}

impl From<PathRejection> for Failure {
    fn from(rejection: PathRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text(), "see the paths in openapi.json")
    }
}
