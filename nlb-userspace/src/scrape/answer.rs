//! Answers of Prometheus' HTTP API, as its documentation describes them (`/api/v1/query`, `/api/v1/query_range`). Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ScrapeError;

#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Answer {
    Success { data: Data },
    Error { error: String },
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Scalar(Point),
    Vector(Vec<Sample>),
    Matrix(Vec<Series>),
    String(IgnoredAny),
}

/// Seconds since the epoch, and a number as text.
type Point = (f64, String);

#[derive(Deserialize)]
struct Sample {
    metric: BTreeMap<String, String>,
    value: Point,
}

#[derive(Deserialize)]
struct Series {
    values: Vec<Point>,
}

/// The samples of an instant query: one of a scalar, and all of a vector, each of which must be a finite number.
pub(super) fn instant(status: u16, body: &[u8]) -> Result<Vec<f64>, ScrapeError> {
    let samples: Vec<f64> = match data(status, body)? {
        Data::Scalar((_, value)) => vec![finite(&value, &BTreeMap::new())?],
        Data::Vector(samples) => {
            samples.iter().map(|sample| finite(&sample.value.1, &sample.metric)).collect::<Result<_, _>>()?
        }
        Data::Matrix(_) => {
            return Err(ScrapeError::WrongType {
                found: "ranges", mend: "take a function over them, as rate(…[1m])"
            });
        }
        Data::String(_) => return Err(ScrapeError::WrongType { found: "a text", mend: "name a metric" }),
    };
    if samples.is_empty() { Err(ScrapeError::Empty) } else { Ok(samples) }
}

/// The points of a range query's only series: moments in seconds since the epoch, and values. What is not finite is a gap, and no
/// series at all is nothing but gaps.
pub(super) fn range(status: u16, body: &[u8]) -> Result<Vec<(f64, f64)>, ScrapeError> {
    let Data::Matrix(series) = data(status, body)? else {
        return Err(ScrapeError::NotPrometheus("a range query is answered with something else".to_owned()));
    };
    if series.len() > 1 {
        return Err(ScrapeError::Several(series.len()));
    }
    let points = series.iter().flat_map(|series| &series.values);
    points.map(|(at, value)| Ok((*at, number(value)?))).filter(|read| read.as_ref().map_or(true, is_finite)).collect()
}

fn is_finite((at, value): &(f64, f64)) -> bool {
    at.is_finite() && value.is_finite()
}

/// A query that is refused comes with status 400 or 422 and a body that says why; what is no such body is another server's.
fn data(status: u16, body: &[u8]) -> Result<Data, ScrapeError> {
    match serde_json::from_slice(body) {
        Ok(Answer::Success { data }) => Ok(data),
        Ok(Answer::Error { error }) => Err(ScrapeError::Refused(error)),
        Err(_) if status != 200 => Err(ScrapeError::Status { status, said: super::first_line(body) }),
        Err(error) => Err(ScrapeError::NotPrometheus(error.to_string())),
    }
}

fn number(text: &str) -> Result<f64, ScrapeError> {
    text.parse().map_err(|_| ScrapeError::NotPrometheus(format!("`{text}` for a number")))
}

fn finite(text: &str, labels: &BTreeMap<String, String>) -> Result<f64, ScrapeError> {
    let value = number(text)?;
    let series = || {
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        if labels.is_empty() { "its only series".to_owned() } else { format!("{{{}}}", labels.join(", ")) }
    };
    if value.is_finite() { Ok(value) } else { Err(ScrapeError::NotFinite { value: text.to_owned(), series: series() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn success(kind: &str, result: &str) -> String {
        format!(r#"{{"status":"success","warnings":["w"],"data":{{"resultType":"{kind}","result":{result}}}}}"#)
    }

    #[test]
    fn an_instant_query_gives_finite_samples_or_says_why_not() {
        let (one, two) = (r#"{"metric":{"a":"x"},"value":[1.5,"1e3"]}"#, r#"{"metric":{},"value":[1,"-0.5"]}"#);
        let nan = r#"{"metric":{"a":"x","b":"y"},"value":[1,"NaN"]}"#;
        let refused = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#.to_owned();
        for (status, body, expected) in [
            (200, success("scalar", r#"[1435781451.781,"2"]"#), Ok(vec![2.0])),
            (200, success("vector", &format!("[{one},{two}]")), Ok(vec![1000.0, -0.5])),
            (200, success("vector", "[]"), Err("the query gives no sample")),
            (200, success("vector", &format!("[{one},{nan}]")), Err("the query gives NaN for {a=\"x\", b=\"y\"}")),
            (200, success("scalar", r#"[1,"+Inf"]"#), Err("the query gives +Inf for its only series")),
            (200, success("matrix", "[]"), Err("the query gives ranges, not numbers")),
            (200, success("string", r#"[1,"a"]"#), Err("the query gives a text, not numbers")),
            (200, success("scalar", r#"[1,"a"]"#), Err("no Prometheus API: `a` for a number")),
            (200, success("scalar", "1"), Err("no Prometheus API")),
            (200, success("strange", "1"), Err("no Prometheus API")),
            (400, refused, Err("the query is refused: parse error")),
            (503, "Service Unavailable\nlater".to_owned(), Err("status 503: Service Unavailable")),
            (404, String::new(), Err("status 404: nothing else")),
        ] {
            match (instant(status, body.as_bytes()), expected) {
                (Ok(samples), Ok(expected)) => assert_eq!(samples, expected, "{body}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}: {body}"),
                (answer, _) => panic!("{answer:?}: {body}"),
            }
        }
    }

    #[test]
    fn a_range_query_gives_one_series_whose_gaps_are_left_out() {
        let series = |values: &str| format!(r#"{{"metric":{{}},"values":[{values}]}}"#);
        let one = series(r#"[60,"1"],[120,"NaN"],[180,"3"]"#);
        let body = success("matrix", &format!("[{one}]"));
        assert_eq!(range(200, body.as_bytes()), Ok(vec![(60.0, 1.0), (180.0, 3.0)]));
        assert_eq!(range(200, success("matrix", "[]").as_bytes()), Ok(Vec::new()));
        let two = success("matrix", &format!("[{one},{one}]"));
        assert_eq!(range(200, two.as_bytes()), Err(ScrapeError::Several(2)));
        assert!(matches!(range(200, success("vector", "[]").as_bytes()), Err(ScrapeError::NotPrometheus(_))));
        let wrong = success("matrix", &format!("[{}]", series(r#"[60,"x"]"#)));
        assert!(matches!(range(200, wrong.as_bytes()), Err(ScrapeError::NotPrometheus(_))));
    }
}
