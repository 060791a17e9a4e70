//! A run's own files.
//!
//! Most are read only where a digest or a seal vouches for them. So that not every changed byte ends there, these
//! targets vouch for the bytes that they are given.

use bytes::Bytes;
use pomona_formats::counters::Counters;
use pomona_formats::digests::Digests;
use pomona_formats::fits::Fits;
use pomona_formats::model_info::ModelInfo;
use pomona_formats::moments_file::{self, Header, MomentsFile, PartFiles};
use pomona_formats::numbers::Numbers;
use pomona_formats::part::StoredPart;
use pomona_formats::planned::Plan;
use pomona_formats::{Error, classifier_file, digests, fragment, json, listing, model_file, rejects};

use pomona_run::RunId;
use pomona_run::layout::{self, RunLayout};
use pomona_run::names;
use pomona_run::tree::Kind;
use pomona_store::Store;
use serde_json::Value;

use crate::choice;
use crate::stores::{block_on, store_of};

pub(crate) const RUN_ID: &str = "20260131T120000Z-0123abcd";

/// The name of a part.
const PART: &str = "part";

pub(crate) fn run_id() -> RunId {
    RUN_ID.parse().expect("it is the name of a run")
}

/// What was read is written, read and written again as the same bytes.
fn check_table<T>(
    bytes: &[u8],
    decode: impl Fn(&str, Bytes) -> Result<T, Error>,
    encode: impl Fn(&str, &T) -> Result<Bytes, Error>,
) {
    let Ok(read) = decode("file", Bytes::copy_from_slice(bytes)) else { return };
    let written = encode("file", &read).expect("what was read can be written");
    let again = decode("file", written.clone()).expect("what was written can be read");
    assert_eq!(encode("file", &again).expect("it could be written before"), written);
}

pub(crate) fn listing(bytes: &[u8]) {
    check_table(bytes, listing::decode, |file, rows| listing::encode(file, rows));
}

pub(crate) fn model(bytes: &[u8]) {
    check_table(bytes, model_file::decode, |file, model| model_file::encode(file, model, Vec::new()));
}

pub(crate) fn classifier(bytes: &[u8]) {
    check_table(bytes, classifier_file::decode, |file, model| classifier_file::encode(file, model, Vec::new()));
}

/// Moments as they are, or in a frame whose seal is right: two bytes of the header's length, the header, the numbers.
pub(crate) fn moments(bytes: &[u8]) {
    let (choice, bytes) = choice(bytes);
    let key = Kind::Part.key(PART);
    let file = if choice & 1 == 0 { framed(&key, bytes) } else { Some(bytes.to_vec()) };
    let Some(file) = file else { return };
    let read = |file: Bytes| {
        let store = store_of([(key.clone(), file)]);
        let header = block_on(moments_file::read_header(&store, Kind::Part, PART, &run_id()));
        let found = block_on(moments_file::read(&store, Kind::Part, PART, &run_id())).ok()?.file;
        assert_eq!(header.expect("its file was read").1, found.header);
        Some(found)
    };
    let Some(found) = read(file.into()) else { return };
    let again = read(found.encode(&key).expect("it was read")).expect("what was written can be read");
    assert_eq!((again.header, again.numbers), (found.header, found.numbers));
}

fn framed(key: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (header, numbers) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
    let length = u32::try_from(header.len()).ok()?.to_le_bytes();
    let sealed = [names::digest(numbers).as_bytes(), &length, header].concat();
    Some([b"POMONAM2", names::seal(key, &sealed).as_bytes(), &sealed, numbers].concat())
}

/// Sealed JSON of a run: any object under a seal that is right.
pub(crate) fn plan(bytes: &[u8]) {
    let (choice, bytes) = choice(bytes);
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    let layout = RunLayout::new(RUN_ID);
    match choice % 5 {
        0 => check_sealed::<Plan>(&layout.plan(), &value),
        1 => check_sealed::<Fits>(&layout.fits(), &value),
        2 => check_sealed::<Counters>(&layout.counters(7), &value),
        3 => check_sealed::<ModelInfo>(&layout.model_info(), &value),
        _ => check_record(&value),
    }
}

fn check_sealed<T: serde::Serialize + serde::de::DeserializeOwned>(key: &str, value: &Value) {
    let read = |value: &Value| {
        let sealed = json::seal(key, value).ok()?;
        let store = store_of([(key.to_owned(), sealed)]);
        let read = block_on(digests::read_sealed::<T>(&store, key)).ok()?;
        Some(serde_json::to_value(read).expect("what was read can be written"))
    };
    let Some(read_once) = read(value) else { return };
    let read_twice = read(&read_once).expect("what was written can be read");
    assert_eq!(read(&read_twice), Some(read_twice));
}

fn check_record(value: &Value) {
    let key = RunLayout::new(RUN_ID).reduce_digests();
    let Ok(sealed) = json::seal(&key, value) else { return };
    let store = store_of([(key.clone(), sealed)]);
    let Ok(record) = block_on(Digests::read_record(&store, &key)) else { return };
    let other = store_of([]);
    block_on(record.clone().write_record(&other, &key)).expect("it was read");
    assert_eq!(block_on(Digests::read_record(&other, &key)).ok(), Some(record));
}

/// The Parquet files of a part, under digests that are right.
pub(crate) fn part(bytes: &[u8]) {
    let (choice, bytes) = choice(bytes);
    let (width, bytes) = (usize::from(choice >> 2), Bytes::copy_from_slice(bytes));
    match choice & 3 {
        0 => check_table(&bytes, rejects::from_parquet, |file, rejected| rejects::to_parquet(file, rejected)),
        1 => check_fragment(&bytes, width),
        _ => check_part(bytes, width),
    }
}

fn check_fragment(bytes: &Bytes, width: usize) {
    let store = store_of([(layout::part_fragment(PART, &names::digest(bytes)), bytes.clone())]);
    let read = |store: &dyn Store| block_on(fragment::read(store, PART, width)).expect("the store has not failed");
    let Some(images) = read(&store).filter(|images| !images.is_empty()) else { return };
    let other = store_of([]);
    block_on(fragment::write(&other, PART, &images)).expect("it was read");
    assert_eq!(format!("{:?}", read(&other)), format!("{:?}", Some(images)));
}

fn check_part(features: Bytes, width: usize) {
    let rejects = rejects::to_parquet("rejects", &[]).expect("there are none");
    let digests = PartFiles { features_sha256: names::digest(&features), rejects_sha256: names::digest(&rejects) };
    let header = Header { images: 1, files: Some(digests), ..Header::default() };
    let moments = MomentsFile { header, numbers: Numbers::InFeatures { width: width as u64 } };
    let key = Kind::Part.key(PART);
    let moments = moments.encode(&key).expect("it has a header");
    let (features_key, rejects_key) = (layout::part_features(PART), layout::part_rejects(PART));
    let store = store_of([(key, moments), (features_key, features), (rejects_key, rejects)]);
    let stored = block_on(StoredPart::read(&store, PART, &run_id())).expect("its files are there");
    let Ok((features, _)) = stored.decode(width) else { return };
    let rows = features.values.nrows();
    assert_eq!((features.paths.len(), features.labels.len(), features.losses.len()), (rows, rows, rows));
}
