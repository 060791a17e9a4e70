//! EventBridge and SQS between an upload and the trigger.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::dice::Dice;
use crate::function::Name;
use crate::lambda;
use crate::met::Trouble;
use crate::world::World;

/// The template's: after how long a message that nobody has deleted is seen again, how often at most, and how long
/// Lambda gathers a batch.
pub(crate) const HIDDEN: TimeDelta = TimeDelta::seconds(660);
pub(crate) const MOST_RECEIVES: u32 = 5;
pub(crate) const WINDOW: Duration = Duration::from_secs(300);

#[derive(Clone, Debug)]
struct Message {
    visible: DateTime<Utc>,
    body: String,
    received: u32,
}

/// The queue `Uploads`, and when something went to `LostUploads` or nowhere, of which an alarm tells.
#[derive(Default)]
pub(crate) struct Queue {
    messages: RefCell<Vec<Message>>,
    /// Messages that the trigger works on.
    in_hand: Cell<usize>,
    batches: Cell<u32>,
    events: Cell<u32>,
    /// When one was lost for the last time.
    pub(crate) lost: Cell<Option<DateTime<Utc>>>,
    came: Notify,
}

impl Queue {
    pub(crate) fn put(&self, visible: DateTime<Utc>, body: &str) {
        self.messages.borrow_mut().push(Message { visible, body: body.to_owned(), received: 0 });
        self.came.notify_one();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.borrow().is_empty() && self.in_hand.get() == 0
    }

    fn next_visible(&self) -> Option<DateTime<Utc>> {
        self.messages.borrow().iter().map(|message| message.visible).min()
    }

    fn take(&self, now: DateTime<Utc>, dice: &mut Dice) -> Vec<Message> {
        let share = dice.pick(&[1.0, 1.0, 0.5]);
        let is_taken = |message: &mut Message| message.visible <= now && dice.chance(share);
        let taken: Vec<Message> = self.messages.borrow_mut().extract_if(.., is_taken).collect();
        self.in_hand.set(self.in_hand.get() + taken.len());
        taken
    }
}

impl World {
    /// S3 tells EventBridge of an object, and EventBridge the queue: late, twice, or not at all.
    pub(crate) fn tell_of_object(&self, key: &str, is_deleted: bool) {
        let kind = if is_deleted { "Object Deleted" } else { "Object Created" };
        let event = json!({"source": "aws.s3", "detail-type": kind, "detail": {"object": {"key": key}}});
        self.deliver(&event);
    }

    pub(crate) fn deliver(&self, event: &Value) {
        if !self.setting.starts_on_uploads {
            return;
        }
        let number = self.queue.events.get();
        self.queue.events.set(number + 1);
        let (mut dice, weather) = (Dice::of(self.seed, &format!("event {number}")), self.weather());
        let comes_twice = dice.chance(weather.event_twice);
        if comes_twice {
            self.count(Trouble::EventTwice);
        }
        for _ in 0..if comes_twice { 2 } else { 1 } {
            let delay = if dice.chance(weather.event_late) {
                self.count(Trouble::EventLate);
                dice.between(Duration::from_secs(60), Duration::from_secs(5 * 3_600))
            } else {
                dice.between(Duration::from_millis(300), Duration::from_secs(5))
            };
            if dice.chance(weather.event_undelivered) {
                self.lose("an event could not be delivered", Trouble::EventLost);
            } else {
                self.queue.put(self.now() + delay, &event.to_string());
            }
        }
    }

    fn lose(&self, what: &str, trouble: Trouble) {
        self.count(trouble);
        self.note(|| format!("alarm: {what}"));
        self.queue.lost.set(Some(self.now()));
    }

    /// Lambda's poller of the queue.
    pub(crate) async fn poll_queue(self: Rc<Self>) {
        loop {
            match self.queue.next_visible() {
                None => self.queue.came.notified().await,
                Some(visible) if visible > self.now() => {
                    let wait = (visible - self.now()).to_std().unwrap_or_default();
                    drop(timeout(wait, self.queue.came.notified()).await);
                }
                Some(_) => self.gather_batch().await,
            }
        }
    }

    async fn gather_batch(self: &Rc<Self>) {
        let number = self.queue.batches.get();
        self.queue.batches.set(number + 1);
        let name = format!("batch {number}");
        let mut dice = Dice::of(self.seed, &name);
        sleep(dice.between(Duration::ZERO, WINDOW)).await;
        let batch = self.queue.take(self.now(), &mut dice);
        if !batch.is_empty() {
            tokio::task::spawn_local(self.clone().hand_over(batch, name));
        }
    }

    async fn hand_over(self: Rc<Self>, batch: Vec<Message>, name: String) {
        let record = |message: &Message| {
            let received = (message.received + 1).to_string();
            json!({"messageId": "1", "body": message.body, "attributes": {"ApproximateReceiveCount": received}})
        };
        let event = json!({"Records": batch.iter().map(record).collect::<Vec<_>>()});
        let again = self.now() + HIDDEN;
        let answer = lambda::call(&self, Name::Trigger, event, &name).await;
        self.note(|| format!("{name} of {} messages: {answer:?}", batch.len()));
        self.queue.in_hand.set(self.queue.in_hand.get() - batch.len());
        if answer.is_ok() {
            return;
        }
        for message in batch {
            if message.received + 1 == MOST_RECEIVES {
                self.lose("a message was given up", Trouble::MessageGivenUp);
            } else {
                let again = Message { visible: again, received: message.received + 1, ..message };
                self.queue.messages.borrow_mut().push(again);
                self.queue.came.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_the_template_s() {
        let template = include_str!("../../../infra/template.yaml");
        for line in [
            format!("VisibilityTimeout: {}", HIDDEN.num_seconds()),
            format!("maxReceiveCount: {MOST_RECEIVES} "),
            format!("MaximumBatchingWindowInSeconds: {}", WINDOW.as_secs()),
        ] {
            assert!(template.contains(&line), "{line}");
        }
    }
}
