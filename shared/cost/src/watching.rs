//! What telling of runs costs: metrics, logs, alarms, the dashboard, and the events that start runs by themselves.

/// Metrics that the functions of a run write, each under its own function's name (a test of `pomona_lambda` counts
/// them).
pub const RUN_METRICS: u64 = 24;

/// Metrics that the template's alarms look at, each paid as an alarm (a test counts them in `infra/template.yaml`).
pub(crate) const ALARM_METRICS: u64 = 10;

/// Dashboards of the template.
pub(crate) const DASHBOARDS: u64 = 1;

/// Hours of a month, by which metrics are paid: only those in which something was written (CloudWatch pricing).
pub(crate) const HOURS_PER_MONTH: f64 = 730.0;

/// Assumed: bytes of log of an invocation, its start and its report as Lambda writes them in JSON, and the line with
/// its metrics.
pub(crate) const LOG_BYTES: u64 = 2_000;

/// Messages that Lambda takes from the queue, and deletes, with one request (Lambda guide, Amazon SQS).
const MESSAGES_PER_REQUEST: u64 = 10;

/// Assumed: requests by which Lambda waits for messages in a month of 30 days, five at once (Lambda guide, Amazon SQS),
/// each of 20 seconds, the longest that SQS takes.
pub(crate) const POLLS_PER_MONTH: u64 = 5 * 30 * 24 * 60 * 3;

/// Requests to the queue for so many messages: each is sent alone.
pub(crate) fn queue_requests(messages: u64) -> u64 {
    messages + 2 * messages.div_ceil(MESSAGES_PER_REQUEST)
}

/// Metrics times hours of a run of so many seconds.
pub(crate) fn metric_hours(seconds: f64) -> u64 {
    RUN_METRICS * (seconds / 3_600.0).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = include_str!("../../../infra/template.yaml");

    /// The template's resources of a kind, each from its type to the next resource.
    fn resources(kind: &str) -> Vec<&'static str> {
        let start = format!("    Type: {kind}\n");
        TEMPLATE.split(&start).skip(1).map(|rest| rest.split("\n    Type: ").next().unwrap()).collect()
    }

    #[test]
    fn the_templates_alarms_look_at_as_many_metrics_as_are_charged() {
        let alarms = resources("AWS::CloudWatch::Alarm");
        assert_eq!(alarms.len(), 7);
        let metrics = alarms.iter().map(|alarm| alarm.matches("MetricName:").count() as u64);
        assert_eq!(metrics.sum::<u64>(), ALARM_METRICS);
        assert_eq!(resources("AWS::CloudWatch::Dashboard").len() as u64, DASHBOARDS);
    }

    #[test]
    fn messages_are_sent_alone_and_taken_by_tens() {
        assert_eq!((queue_requests(0), queue_requests(1), queue_requests(100)), (0, 3, 120));
    }

    #[test]
    fn a_run_pays_its_metrics_for_each_hour_that_it_begins() {
        assert_eq!((metric_hours(30.0), metric_hours(3_601.0)), (RUN_METRICS, 2 * RUN_METRICS));
    }
}
