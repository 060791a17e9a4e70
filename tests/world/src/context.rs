//! Who is acting: while the future of an actor is polled, this thread's clock is the actor's and its requests are told
//! by its dice. The product's code knows of no world, so the world finds it by the thread.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use chrono::TimeDelta;
use pomona_run::{chance, clock};
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};

use crate::dice::Dice;
use crate::world::World;

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
    static ACTOR: RefCell<Option<Rc<Actor>>> = const { RefCell::new(None) };
}

/// What acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Function,
    Program,
}

/// How an actor ends before it has finished.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Doom {
    /// It does nothing any more.
    Killed,
    /// It stands still for so long, is given up, and goes on.
    Frozen(Duration),
    /// It stands still for so long, and whoever called waits as long as it may take.
    Stalled(Duration),
}

/// One call of a function, or a program on somebody's machine.
pub(crate) struct Actor {
    role: Role,
    dice: RefCell<Dice>,
    /// How far its clock is ahead.
    skew: TimeDelta,
    /// After so many requests it meets its doom.
    doom: Cell<Option<(u32, Doom)>>,
    has_met_doom: Cell<bool>,
    /// For how long it stands still from now on.
    stands_still: Cell<Option<Duration>>,
    /// Told when it does.
    pub(crate) met_its_doom: Notify,
    /// Told when that is death.
    pub(crate) was_killed: Notify,
}

impl Actor {
    pub(crate) fn new(role: Role, dice: Dice, skew: TimeDelta, doom: Option<(u32, Doom)>) -> Rc<Self> {
        Rc::new(Self {
            role,
            dice: RefCell::new(dice),
            skew,
            doom: Cell::new(doom),
            has_met_doom: Cell::new(false),
            stands_still: Cell::new(None),
            met_its_doom: Notify::new(),
            was_killed: Notify::new(),
        })
    }

    pub(crate) fn roll<T>(&self, roll: impl FnOnce(&mut Dice) -> T) -> T {
        roll(&mut self.dice.borrow_mut())
    }

    pub(crate) fn has_met_its_doom(&self) -> bool {
        self.has_met_doom.get()
    }

    /// The doom that comes before this request, if one does.
    pub(crate) fn meets_doom(&self) -> Option<Doom> {
        let (requests, doom) = self.doom.get()?;
        if requests > 0 {
            self.doom.set(Some((requests - 1, doom)));
            return None;
        }
        self.doom.set(None);
        self.has_met_doom.set(true);
        match doom {
            Doom::Killed => {
                self.was_killed.notify_one();
                self.met_its_doom.notify_one();
            }
            Doom::Frozen(time) => {
                self.stands_still.set(Some(time));
                self.met_its_doom.notify_one();
            }
            Doom::Stalled(time) => self.stands_still.set(Some(time)),
        }
        Some(doom)
    }
}

/// A future as an actor.
pub(crate) struct As<F> {
    actor: Rc<Actor>,
    future: Pin<Box<F>>,
    /// While all of it stands still: neither its other requests go on nor what renews its lock.
    standing: Option<Pin<Box<Sleep>>>,
}

impl<F: Future> As<F> {
    pub(crate) fn new(actor: Rc<Actor>, future: F) -> Self {
        Self { actor, future: Box::pin(future), standing: None }
    }
}

impl<F: Future> Future for As<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        struct Done;
        impl Drop for Done {
            fn drop(&mut self) {
                ACTOR.set(None);
                // Who is no actor looks at the world, by its clock and not by the machine's.
                clock::testing::set(Some(world().now()));
            }
        }
        loop {
            if let Some(standing) = &mut self.standing {
                ready!(standing.as_mut().poll(context));
                self.standing = None;
            }
            clock::testing::set(Some(world().now() + self.actor.skew));
            ACTOR.set(Some(self.actor.clone()));
            let done = Done;
            let polled = self.future.as_mut().poll(context);
            drop(done);
            match self.actor.stands_still.take() {
                Some(time) if polled.is_pending() => self.standing = Some(Box::pin(sleep(time))),
                _ => return polled,
            }
        }
    }
}

/// Makes `world` this thread's until the guard is dropped.
pub(crate) fn enter(world: Rc<World>) -> impl Drop {
    struct Left;
    impl Drop for Left {
        fn drop(&mut self) {
            WORLD.set(None);
            clock::testing::set(None);
        }
    }
    clock::testing::set(Some(world.now()));
    chance::testing::set_salts(world.seed);
    WORLD.set(Some(world));
    Left
}

/// This thread's world.
pub(crate) fn world() -> Rc<World> {
    WORLD.with_borrow(|world| world.clone()).expect("a world was entered")
}

/// Whether this thread is in a world.
pub(crate) fn is_entered() -> bool {
    WORLD.with(|world| world.try_borrow().is_ok_and(|world| world.is_some()))
}

/// Whether a function acts just now.
pub(crate) fn is_in_function() -> bool {
    ACTOR.with_borrow(|actor| actor.as_ref().is_some_and(|actor| actor.role == Role::Function))
}

/// Who acts just now.
pub(crate) fn actor() -> Rc<Actor> {
    ACTOR.with_borrow(|actor| actor.clone()).expect("requests are made by actors")
}
