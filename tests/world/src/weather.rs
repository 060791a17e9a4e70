//! What can go wrong, and how likely it is in one history.

use std::time::Duration;

use crate::dice::Dice;
use crate::function::Name;

/// How long at most something goes wrong by itself; afterwards only what was begun by then takes its course.
pub(crate) const STORM: Duration = Duration::from_secs(36 * 3_600);

/// The probabilities of one history, each for one occasion.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Weather {
    // S3, for each try of a request.
    pub(crate) slow_down: f64,
    pub(crate) server_error: f64,
    pub(crate) reset: f64,
    /// It was carried out, and the answer is lost.
    pub(crate) lost_answer: f64,
    pub(crate) cut_body: f64,
    pub(crate) hang: f64,
    pub(crate) slow: f64,
    /// Requests of a kind that a prefix answers in a second before it says 503.
    pub(crate) prefix_rate: Option<u32>,
    // Lambda, for each call.
    /// The function dies between two requests.
    pub(crate) killed: f64,
    /// It is given up and goes on an hour or so later.
    pub(crate) frozen: f64,
    pub(crate) called_twice: f64,
    pub(crate) throttled: f64,
    /// Others use all the room that there is for calls of this function.
    pub(crate) no_room: Option<Name>,
    pub(crate) service_error: f64,
    /// Whether clocks differ by up to 15 minutes.
    pub(crate) clocks_differ: bool,
    // Step Functions.
    pub(crate) runtime_error: f64,
    pub(crate) child_twice: f64,
    pub(crate) reader_fails: f64,
    pub(crate) writer_fails: f64,
    /// What is known of executions is so far behind.
    pub(crate) list_lag: Duration,
    // EventBridge and SQS.
    pub(crate) event_late: f64,
    pub(crate) event_twice: f64,
    pub(crate) event_undelivered: f64,
    /// A call of a function's to Step Functions or SQS fails, with its effect or without.
    pub(crate) call_fails: f64,
}

impl Weather {
    /// Nothing goes wrong.
    pub(crate) const CALM: Self = Self {
        slow_down: 0.0,
        server_error: 0.0,
        reset: 0.0,
        lost_answer: 0.0,
        cut_body: 0.0,
        hang: 0.0,
        slow: 0.0,
        prefix_rate: None,
        killed: 0.0,
        frozen: 0.0,
        called_twice: 0.0,
        throttled: 0.0,
        no_room: None,
        service_error: 0.0,
        clocks_differ: false,
        runtime_error: 0.0,
        child_twice: 0.0,
        reader_fails: 0.0,
        writer_fails: 0.0,
        list_lag: Duration::ZERO,
        event_late: 0.0,
        event_twice: 0.0,
        event_undelivered: 0.0,
        call_fails: 0.0,
    };

    /// One history in six is calm; in the others half of the troubles are there.
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        if dice.chance(1.0 / 6.0) {
            return Self::CALM;
        }
        let mut up_to = |most: f64| if dice.chance(0.5) { most * dice.share() } else { 0.0 };
        let mut weather = Self {
            slow_down: up_to(0.2),
            server_error: up_to(0.05),
            reset: up_to(0.05),
            lost_answer: up_to(0.1),
            cut_body: up_to(0.1),
            hang: up_to(0.01),
            slow: up_to(0.1),
            prefix_rate: None,
            killed: up_to(0.2),
            frozen: up_to(0.1),
            called_twice: up_to(0.2),
            throttled: up_to(0.3),
            no_room: None,
            service_error: up_to(0.1),
            clocks_differ: false,
            runtime_error: up_to(0.02),
            child_twice: up_to(0.2),
            reader_fails: up_to(0.1),
            writer_fails: up_to(0.1),
            list_lag: Duration::from_secs(up_to(30.0) as u64),
            event_late: up_to(0.2),
            event_twice: up_to(0.3),
            event_undelivered: up_to(0.05),
            call_fails: up_to(0.2),
        };
        weather.no_room = dice.chance(0.03).then(|| dice.pick(&[Name::ListBatch, Name::Sweep, Name::ProjectMap]));
        weather.clocks_differ = dice.chance(0.3);
        weather.prefix_rate = dice.chance(0.3).then(|| dice.pick(&[5, 20, 100]));
        weather
    }

    pub(crate) fn is_calm(&self) -> bool {
        *self == Self::CALM
    }

    /// Each with one of the troubles left out.
    pub(crate) fn milder(&self) -> Vec<Self> {
        type Remedy = fn(&mut Weather);
        let remedies: [Remedy; 24] = [
            |weather| weather.slow_down = 0.0,
            |weather| weather.server_error = 0.0,
            |weather| weather.reset = 0.0,
            |weather| weather.lost_answer = 0.0,
            |weather| weather.cut_body = 0.0,
            |weather| weather.hang = 0.0,
            |weather| weather.slow = 0.0,
            |weather| weather.prefix_rate = None,
            |weather| weather.killed = 0.0,
            |weather| weather.frozen = 0.0,
            |weather| weather.called_twice = 0.0,
            |weather| weather.throttled = 0.0,
            |weather| weather.no_room = None,
            |weather| weather.service_error = 0.0,
            |weather| weather.clocks_differ = false,
            |weather| weather.runtime_error = 0.0,
            |weather| weather.child_twice = 0.0,
            |weather| weather.reader_fails = 0.0,
            |weather| weather.writer_fails = 0.0,
            |weather| weather.list_lag = Duration::ZERO,
            |weather| weather.event_late = 0.0,
            |weather| weather.event_twice = 0.0,
            |weather| weather.event_undelivered = 0.0,
            |weather| weather.call_fails = 0.0,
        ];
        let milder = remedies.iter().map(|remedy| {
            let mut weather = self.clone();
            remedy(&mut weather);
            weather
        });
        milder.filter(|weather| weather != self).collect()
    }
}
