//! Collecting a listing from many places at once.
//!
//! The keys are cut into ranges that are listed side by side, each page by page from where the last one ended. Any cuts
//! give the same listing as none, because a range begins just after the key that the range before it ends with: where
//! to cut is a guess that can only cost time. The first cuts are folders. A range that turns out long is cut in two
//! wherever there is room for another request.

use futures::stream::{FuturesUnordered, StreamExt};

use crate::{Entry, Error, Keep, Object};

/// Requests on their way at a time: S3 serves thousands per second.
pub(super) const AT_ONCE: usize = 16;

/// Pages after which a range counts as long.
const LONG: usize = 2;

/// Where a page begins.
#[derive(Debug, Clone)]
pub(super) enum Start {
    /// After this key.
    After(String),
    /// Where the page that gave this token ended.
    Token(String),
}

/// Part of a listing, in order.
#[derive(Debug)]
pub(super) struct Page {
    pub objects: Vec<Object>,
    /// The token of the next page, if there is one.
    pub next: Option<String>,
}

/// The keys up to `until` and with it, or without end, of which those up to `after` are listed.
#[derive(Debug)]
struct Range {
    next: Start,
    after: String,
    until: Option<String>,
    pages: usize,
    kept: Vec<Object>,
}

impl Range {
    fn after(key: String, until: Option<String>) -> Self {
        Self { next: Start::After(key.clone()), after: key, until, pages: 0, kept: Vec::new() }
    }

    /// Takes in the next page. Whether the range is complete.
    fn add(&mut self, page: Page, keep: &Keep<'_>) -> bool {
        let is_beyond = |object: &Object| self.until.as_ref().is_some_and(|until| object.key > *until);
        let is_complete = page.next.is_none() || page.objects.last().is_some_and(is_beyond);
        let inside = page.objects.iter().take_while(|object| !is_beyond(object)).count();
        if let Some(token) = page.next {
            self.next = Start::Token(token);
        }
        if let Some(last) = page.objects.last() {
            self.after.clone_from(&last.key);
        }
        self.kept.extend(page.objects.into_iter().take(inside).filter(|object| keep(Entry::of_object(&object.key))));
        self.pages += 1;
        is_complete
    }

    /// Gives away its second half, as far as that can be guessed.
    fn split(&mut self, prefix: usize) -> Option<Range> {
        let middle = between(&self.after, self.until.as_deref(), prefix)?;
        let until = self.until.replace(middle.clone());
        Some(Range::after(middle, until))
    }
}

/// All objects that `keep` accepts. `fetch` gives the page that begins at a place; keys share their first `prefix`
/// bytes.
pub(super) async fn collect<F, Fetched>(
    prefix: usize,
    first: Page,
    cuts: Vec<String>,
    fetch: F,
    keep: &Keep<'_>,
) -> Result<Vec<Object>, Error>
where
    F: Fn(Start) -> Fetched,
    Fetched: Future<Output = Result<Page, Error>>,
{
    let mut start = Range::after(String::new(), None);
    if start.add(first, keep) {
        return Ok(start.kept);
    }
    let mut waiting = cut(start, cuts);
    let mut complete = Vec::new();
    let mut on_their_way = FuturesUnordered::new();
    loop {
        while on_their_way.len() < AT_ONCE
            && let Some(range) = waiting.pop()
        {
            let page = fetch(range.next.clone());
            on_their_way.push(async move { (range, page.await) });
        }
        let Some((mut range, page)) = on_their_way.next().await else {
            break;
        };
        if range.add(page?, keep) {
            complete.push(range.kept);
            continue;
        }
        if range.pages >= LONG && waiting.is_empty() && on_their_way.len() + 1 < AT_ONCE {
            waiting.extend(range.split(prefix));
        }
        waiting.push(range);
    }
    complete.retain(|kept: &Vec<Object>| !kept.is_empty());
    complete.sort_unstable_by(|a, b| a[0].key.cmp(&b[0].key));
    Ok(complete.into_iter().flatten().collect())
}

/// Cuts a range at those keys that lie inside it: evenly chosen ones, where they are many.
fn cut(mut range: Range, mut cuts: Vec<String>) -> Vec<Range> {
    cuts.retain(|key| *key > range.after);
    let step = cuts.len().div_ceil(4 * AT_ONCE).max(1);
    let mut ranges = Vec::new();
    for key in cuts.into_iter().step_by(step) {
        range.until = Some(key.clone());
        ranges.push(std::mem::replace(&mut range, Range::after(key, None)));
    }
    ranges.push(range);
    ranges
}

/// A key between `after` and `until` that guesses where the middle lies.
///
/// Keys usually end in numbers, hashes or words, so the first character beyond `prefix` that can grow within its kind
/// (digits, small or capital letters) is moved half-way to the end of that kind, or to the limit.
fn between(after: &str, until: Option<&str>, prefix: usize) -> Option<String> {
    let beyond = after.char_indices().filter(|(at, _)| *at >= prefix);
    let mut guesses = beyond.filter_map(|(at, character)| {
        let last = match character {
            '0'..='9' => b'9',
            'a'..='z' => b'z',
            'A'..='Z' => b'Z',
            _ => return None,
        };
        let first = u8::try_from(character).ok()?;
        let limit = until.filter(|until| until.starts_with(&after[..at])).and_then(|until| until[at..].bytes().next());
        let last = limit.filter(|limit| (first..=last).contains(limit)).unwrap_or(last);
        let middle = char::from(first + (last - first).div_ceil(2));
        Some(format!("{}{middle}", &after[..at]))
    });
    guesses.find(|guess| guess.as_str() > after && until.is_none_or(|until| guess.as_str() < until))
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Keys behind pages, and what was asked of them.
    struct Keys {
        keys: BTreeSet<String>,
        page: usize,
        requests: RefCell<Vec<String>>,
        on_their_way: Cell<usize>,
        most_on_their_way: Cell<usize>,
    }

    impl Keys {
        fn new(keys: BTreeSet<String>, page: usize) -> Self {
            Self {
                keys,
                page,
                requests: RefCell::default(),
                on_their_way: Cell::new(0),
                most_on_their_way: Cell::new(0),
            }
        }

        fn page(&self, after: &str) -> Page {
            let mut keys = self.keys.iter().filter(|key| key.as_str() > after);
            let page: Vec<_> = keys.by_ref().take(self.page).cloned().collect();
            let next = keys.next().and(page.last().cloned());
            let object = |key| Object { key, size: 1, etag: Some("e".into()) };
            Page { objects: page.into_iter().map(object).collect(), next }
        }

        async fn fetch(&self, start: Start) -> Result<Page, Error> {
            let (Start::After(after) | Start::Token(after)) = start;
            self.requests.borrow_mut().push(after.clone());
            self.on_their_way.set(self.on_their_way.get() + 1);
            self.most_on_their_way.set(self.most_on_their_way.get().max(self.on_their_way.get()));
            tokio::task::yield_now().await;
            self.on_their_way.set(self.on_their_way.get() - 1);
            Ok(self.page(&after))
        }

        fn list(&self, cuts: Vec<String>, keep: &Keep<'_>) -> Vec<String> {
            let listing = collect(0, self.page(""), cuts, |start| self.fetch(start), keep);
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let objects = runtime.block_on(listing).expect("a listing");
            objects.into_iter().map(|object| object.key).collect()
        }
    }

    proptest! {
        #[test]
        fn any_cuts_give_the_sequential_listing(
            keys in prop::collection::btree_set("[ab]{0,2}/?[0-9]{0,3}[z\u{e9}\u{1F600}]?", 0..300),
            cuts in prop::collection::btree_set("[ab]{0,2}/?[0-9]{0,2}", 0..6),
            page in 1_usize..12,
        ) {
            let keys = Keys::new(keys.into_iter().filter(|key| !key.is_empty()).collect(), page);
            let keep = |entry: Entry<'_>| !entry.key().ends_with('7');
            let expected: Vec<_> = keys.keys.iter().filter(|key| keep(Entry::of_object(key))).cloned().collect();
            prop_assert_eq!(keys.list(cuts.into_iter().collect(), &keep), expected);
        }
    }

    #[test]
    fn long_flat_listings_are_cut_without_folders() {
        let numbered = (0..20_000).map(|i| format!("IMG_{i:07}.jpg"));
        let hashed = (0..20_000_u64).map(|i| format!("{:016x}", i.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        for keys in [numbered.collect::<BTreeSet<_>>(), hashed.collect()] {
            let keys = Keys::new(keys, 100);
            assert_eq!(keys.list(Vec::new(), &|_| true).len(), 20_000);
            assert_eq!(keys.most_on_their_way.get(), AT_ONCE);
            let requests = keys.requests.borrow().len();
            assert!(requests < 300, "{requests} requests for 200 pages");
        }
    }

    #[test]
    fn a_listing_of_one_page_needs_no_further_request() {
        let keys = Keys::new((0..100).map(|i| i.to_string()).collect(), 100);
        assert_eq!(keys.list(Vec::new(), &|_| true).len(), 100);
        assert!(keys.requests.borrow().is_empty());
    }
}
