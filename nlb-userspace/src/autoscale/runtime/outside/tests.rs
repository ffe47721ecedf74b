use super::*;
use crate::autoscale::model::Metric;
use crate::scrape::CpuTime;

const PERIOD: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_epoch(Duration::from_secs(1_000 + seconds))
}

fn token(name: &str) -> Token {
    Token(name.to_owned())
}

/// Hosts that are asked already.
fn asking(hosts: &[&str], queries: &[&str]) -> Outside {
    let socket = "10.0.0.1:9100".parse().unwrap();
    let host = |name: &&str| (token(name), Host { socket, question: Question::default(), before: None });
    Outside {
        queries: queries.iter().map(|query| ((*query).to_owned(), Question::default())).collect(),
        hosts: hosts.iter().map(host).collect(),
        is_awaited: false,
    }
}

fn usage(idle: f64, total: f64, memory: f64) -> Usage {
    Usage { cpu: CpuTime { idle, total }, memory }
}

fn figure(outside: &Outside, metric: &str, hosts: &[&str], now: Timestamp) -> Result<f64, String> {
    let metric: Metric = metric.parse().unwrap();
    let hosts: Vec<_> = hosts.iter().map(|name| token(name)).collect();
    let mut measure = |source: &Source, statistic| outside.figure(source, statistic, &hosts, PERIOD, now);
    metric.evaluate(&mut measure).map_err(|error| error.to_string())
}

#[test]
fn what_instances_say_becomes_one_figure_and_one_that_says_nothing_makes_it_none() {
    let mut outside = asking(&["web-1", "web-2"], &[]);
    let both = ["web-1", "web-2"];
    let hear = |outside: &mut Outside, name, answer, seconds| {
        outside.answered(Answer::Host(token(name), answer), PERIOD, at(seconds));
    };
    hear(&mut outside, "web-1", Ok(usage(100.0, 200.0, 40.0)), 0);
    assert_eq!(
        figure(&outside, "memory", &both, at(0)),
        Err("no data: an answer of node_exporter of web-2 (10.0.0.1:9100)".to_owned())
    );
    hear(&mut outside, "web-2", Ok(usage(50.0, 60.0, 60.0)), 0);
    assert_eq!(figure(&outside, "memory", &both, at(1)), Ok(50.0));
    assert!(figure(&outside, "cpu", &both, at(1)).is_err_and(|why| why.contains("a second answer of")));
    hear(&mut outside, "web-1", Ok(usage(105.0, 210.0, 40.0)), 10);
    hear(&mut outside, "web-2", Ok(usage(60.0, 70.0, 60.0)), 10);
    for (metric, expected) in [("cpu", 25.0), ("max(cpu)", 50.0), ("sum(cpu)", 50.0), ("min(memory) + 1", 41.0)] {
        assert_eq!(figure(&outside, metric, &both, at(11)), Ok(expected), "{metric}");
    }
    assert_eq!(figure(&outside, "cpu", &["web-2"], at(11)), Ok(0.0), "over those that are measured");
    assert!(figure(&outside, "cpu", &[], at(11)).is_err_and(|why| why.contains("no instance is in service")));

    hear(&mut outside, "web-2", Err("connection refused".to_owned()), 20);
    assert_eq!(
        figure(&outside, "cpu", &both, at(20)),
        Err("node_exporter of web-2 (10.0.0.1:9100) failed: connection refused".to_owned())
    );
    hear(&mut outside, "web-2", Ok(usage(60.0, 90.0, 60.0)), 30);
    assert!(figure(&outside, "cpu", &["web-2"], at(30)).is_err(), "nothing is taken over a failure");
}

#[test]
fn what_a_query_gives_is_made_one_figure_as_the_metric_says() {
    let mut outside = asking(&[], &["q"]);
    let metric = |function: &str| format!("{function}(prometheus(\"q\"))");
    assert_eq!(figure(&outside, &metric("sum"), &[], at(0)), Err("no data: an answer of Prometheus".to_owned()));
    outside.answered(Answer::Query("q".to_owned(), Ok(vec![1.0, 2.0, 6.0])), PERIOD, at(0));
    for (function, expected) in [("sum", 9.0), ("mean", 3.0), ("max", 6.0), ("min", 1.0)] {
        assert_eq!(figure(&outside, &metric(function), &[], at(5)), Ok(expected), "{function}");
    }
    let late = figure(&outside, &metric("sum"), &[], at(100));
    assert_eq!(late, Err("no data: no answer of Prometheus for 100 s".to_owned()));
    outside.answered(Answer::Query("q".to_owned(), Err("timed out".to_owned())), PERIOD, at(101));
    assert_eq!(figure(&outside, &metric("sum"), &[], at(101)), Err("Prometheus failed: timed out".to_owned()));
    outside.answered(Answer::Query("another".to_owned(), Ok(vec![1.0])), PERIOD, at(102));
}

#[test]
fn questions_follow_what_the_group_goes_by_and_figures_wait_for_all_answers() {
    let (query, other) = (Source::Prometheus { query: "q".to_owned() }, Source::Prometheus { query: "r".to_owned() });
    let mut outside = Outside::default();
    let begin = |outside: &mut Outside, sources: &[&Source], seconds| {
        outside.begin(&sources.iter().copied().collect(), std::iter::empty(), 9100, at(seconds))
    };
    assert_eq!(begin(&mut outside, &[&Source::NewFlows], 0), []);
    assert!(!outside.is_complete(at(0)), "nothing waits");
    let both = [Ask::Query("q".to_owned()), Ask::Query("r".to_owned())];
    assert_eq!(begin(&mut outside, &[&query, &other], 0), both);
    outside.answered(Answer::Query("q".to_owned(), Ok(vec![1.0])), PERIOD, at(1));
    assert!(!outside.is_complete(at(1)), "one is missing");
    outside.answered(Answer::Query("r".to_owned(), Err("no".to_owned())), PERIOD, at(2));
    assert!(outside.is_complete(at(2)) && !outside.is_complete(at(2)), "once");
    assert_eq!(begin(&mut outside, &[&query], 10), both[..1], "what is not gone by is not asked");
}
