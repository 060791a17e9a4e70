//! Images in the rows of Parquet files: what they are called, what becomes of odd ones, and how few requests read them.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use pomona_dataset::{Images, Item, Listed, Place, Source, heads};
use pomona_run::Options;
use pomona_store::Store;
use pomona_store::testing::{FailingStore, MemoryStore, Operation};
use pomona_terms::{Reject, RejectReason};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// A row: the image, its path and its label.
type Row<'a> = (Option<&'a [u8]>, Option<&'a str>, Option<i64>);

const SCHEMA: &str = "message m {
    optional group image { optional binary bytes; optional binary path (UTF8); }
    optional int64 label;
}";

/// As `datasets` of Hugging Face writes a table, with so many rows in a group.
fn table(rows: &[Row<'_>], group: usize, properties: WriterPropertiesBuilder) -> Vec<u8> {
    let classes = r#"{"info": {"features": {
        "image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}}}"#;
    let told = KeyValue::new("huggingface".to_owned(), classes.to_owned());
    let properties = properties.set_key_value_metadata(Some(vec![told])).build();
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    for rows in rows.chunks(group) {
        let mut group = writer.next_row_group().unwrap();
        let images = rows.iter().map(|row| row.0.map(|image| image.to_vec().into()));
        let paths = rows.iter().map(|row| row.1.map(ByteArray::from));
        for column in [images.collect::<Vec<Option<ByteArray>>>(), paths.collect()] {
            let levels: Vec<i16> = column.iter().map(|cell| if cell.is_some() { 2 } else { 1 }).collect();
            let values: Vec<ByteArray> = column.into_iter().flatten().collect();
            let mut writer = group.next_column().unwrap().unwrap();
            writer.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            writer.close().unwrap();
        }
        let levels: Vec<i16> = rows.iter().map(|row| i16::from(row.2.is_some())).collect();
        let labels: Vec<i64> = rows.iter().filter_map(|row| row.2).collect();
        let mut writer = group.next_column().unwrap().unwrap();
        writer.typed::<Int64Type>().write_batch(&labels, Some(&levels), None).unwrap();
        writer.close().unwrap();
        group.close().unwrap();
    }
    writer.into_inner().unwrap()
}

fn plain() -> WriterPropertiesBuilder {
    WriterProperties::builder()
}

fn store(objects: &[(&str, &[u8])]) -> MemoryStore {
    let objects = objects.iter().map(|(key, bytes)| ((*key).to_owned(), Bytes::copy_from_slice(bytes)));
    MemoryStore::new("in", objects.collect())
}

async fn list(images: &Images<'_>, options: &Options) -> Listed {
    images.list(options, &|| {}).await.unwrap()
}

/// Each item with its label, and its bytes or why there are none.
async fn read(images: &Images<'_>, items: &[Item]) -> Vec<(String, String, Result<Bytes, Reject>)> {
    let items: Vec<&Item> = items.iter().collect();
    let read = images.reader(&items).read(&items).await.unwrap();
    let each = items.iter().zip(read);
    each.map(|(item, read)| (item.id.clone(), item.label.to_string(), read)).collect()
}

#[tokio::test]
async fn rows_are_called_by_paths_of_their_own_or_by_numbers_and_labelled_by_classes() {
    let named: [Row<'_>; 4] = [
        (Some(b"one"), Some("a/1.jpg"), Some(0)),
        (Some(b"two"), Some("/b/2"), Some(1)),
        (Some(b"one"), Some("3.png"), Some(-1)),
        (Some(b"four"), Some("4.png"), None),
    ];
    // The same name in two folders, which is all that a published table has of a path.
    let unnamed = [named[0], named[1], (Some(b"three"), Some("a/1.jpg"), Some(7))];
    let store =
        store(&[("named.parquet", &table(&named, 3, plain())), ("x/not.parquet", &table(&unnamed, 9, plain()))]);
    let images = Images::new(&store);
    let read = read(&images, &list(&images, &Options::default()).await.items).await;
    let expected = [
        ("named.parquet/3.png", "", "one"),
        ("named.parquet/4.png", "", "four"),
        ("named.parquet/a/1.jpg", "cat", "one"),
        ("named.parquet/b/2", "dog", "two"),
        ("x/not.parquet/00000000", "cat", "one"),
        ("x/not.parquet/00000001", "dog", "two"),
        ("x/not.parquet/00000002", "7", "three"),
    ];
    let expected = expected.map(|(id, label, bytes)| (id.to_owned(), label.to_owned(), Ok(Bytes::from(bytes))));
    assert_eq!(read, expected);

    // Options choose among rows as among files.
    let chosen = async |options: Options| {
        let listed = list(&images, &Options { filter: Some("named*/**".to_owned()), ..options }).await;
        listed.items.iter().map(|item| format!("{}: {}", &item.id[14..], item.label)).collect::<Vec<_>>()
    };
    let extensions = Options { extensions: vec!["jpg".to_owned()], ..Options::default() };
    assert_eq!(chosen(extensions).await, ["a/1.jpg: cat", "b/2: dog"]);
    let unlabelled = Options { label_from: "none".parse().unwrap(), ..Options::default() };
    assert_eq!(chosen(unlabelled).await, ["3.png: ", "4.png: ", "a/1.jpg: ", "b/2: "]);
    let other = Options { label_column: Some("PATH".to_owned()), ..Options::default() };
    let listed = list(&images, &other).await;
    let problem = match &listed.items[0].place {
        Place::Nowhere(reject) => reject.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(problem.contains("no column `PATH`") && problem.contains("image, label"), "{problem}");
}

#[tokio::test]
async fn tables_of_something_else_are_counted_and_a_row_without_an_image_is_a_reject() {
    let rows: [Row<'_>; 3] =
        [(None, Some("only/a/path.jpg"), Some(0)), (Some(b""), None, None), (Some(b"an image"), None, None)];
    let bytes = table(&rows, 9, plain());
    let store = store(&[("t.parquet", &bytes), ("labels.PARQUET", &bytes)]);
    let images = Images::new(&store).in_archive(Some("t.parquet".to_owned()));
    let found = read(&images, &list(&images, &Options::default()).await.items).await;
    let reasons: Vec<Option<RejectReason>> =
        found.iter().map(|(_, _, read)| read.as_ref().err().map(|reject| reject.reason)).collect();
    assert_eq!(reasons, [Some(RejectReason::Unsupported), Some(RejectReason::Unsupported), None]);

    let images = Images::new(&store);
    let options = Options { image_column: Some("picture".to_owned()), ..Options::default() };
    let listed = list(&images, &options).await;
    assert!(listed.items.is_empty() && listed.left_out.archives == 0);
    assert_eq!(listed.left_out.in_archives["tables without a column of images (--image-column)"], 2);
}

#[tokio::test]
async fn a_broken_table_is_one_reject_and_the_row_groups_before_the_damage_are_used() {
    let content: Vec<Vec<u8>> = (0..6_u8).map(|number| vec![number; 1000]).collect();
    let rows: Vec<Row<'_>> = content.iter().map(|content| (Some(&content[..]), None, Some(0))).collect();
    let whole = table(&rows, 2, plain().set_dictionary_enabled(false));
    let mut damaged = whole.clone();
    let third = whole.windows(100).position(|bytes| bytes == [2; 100]).unwrap();
    // The header of the page that it is in.
    damaged[third - 40..third].fill(0xff);
    let cut = whole[..whole.len() - 20].to_vec();
    let mut encrypted = whole.clone();
    let end = encrypted.len();
    encrypted[end - 4..].copy_from_slice(b"PARE");
    let cases: [(Vec<u8>, usize); 5] =
        [(damaged, 2), (cut, 0), (encrypted, 0), (b"PAR1".to_vec(), 0), (b"<html>404</html>".repeat(64), 0)];
    for (bytes, used) in cases {
        let store = store(&[("t.parquet", &bytes)]);
        let images = Images::new(&store);
        let read = read(&images, &list(&images, &Options::default()).await.items).await;
        let (broken, members): (Vec<_>, Vec<_>) = read.into_iter().partition(|(id, ..)| id == "t.parquet");
        let reject = broken[0].2.as_ref().unwrap_err();
        assert!(reject.reason == RejectReason::Corrupt && reject.detail.contains("broken"), "{reject}");
        assert_eq!((broken.len(), members.len()), (1, used), "{reject}");
        assert!(members.iter().all(|(_, _, read)| read.is_ok()), "{members:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    /// Nothing that a byte can be makes a program of it fail, or an image another one.
    #[test]
    fn whatever_is_damaged_what_is_read_is_what_was_listed(
        at in 0_usize..6_000, to in any::<u8>(), codec in 0..4_usize, is_later in any::<bool>(),
    ) {
        let compression = [
            Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default()),
            Compression::GZIP(Default::default()),
        ][codec];
        let content: Vec<Vec<u8>> = (0..8_u8).map(|number| (0..250_u8).map(|at| at.wrapping_mul(number)).collect()).collect();
        let rows: Vec<Row<'_>> = content.iter().map(|content| (Some(&content[..]), None, Some(1))).collect();
        let whole = table(&rows, 3, plain().set_compression(compression));
        let mut damaged = whole.clone();
        let at = at % whole.len();
        damaged[at] = to;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (before, after) = (store(&[("t.parquet", &whole)]), store(&[("t.parquet", &damaged)]));
            let listing = Images::new(if is_later { &before } else { &after });
            let mut items = list(&listing, &Options::default()).await.items;
            // As a disk has it that says nothing: other bytes of the same version.
            let version: Arc<str> = after.find("t.parquet").await.unwrap().unwrap().etag.unwrap().into();
            for item in &mut items {
                if let Place::Member(member) = &mut item.place {
                    member.version = version.clone();
                }
            }
            for ((_, _, read), item) in read(&Images::new(&after), &items).await.iter().zip(&items) {
                if let Ok(read) = read {
                    let digest = format!("{:x}", Sha256::digest(read));
                    assert_eq!((read.len() as u64, Some(&digest)), (item.size, item.version.as_ref()));
                }
            }
        });
    }
}

#[tokio::test]
async fn many_rows_are_read_by_few_requests_whatever_their_pages_are() {
    let content: Vec<Vec<u8>> =
        (0..400_u32).map(|number| (0..50_000_u32).map(|at| (at.wrapping_mul(number) >> 9) as u8).collect()).collect();
    let rows: Vec<Row<'_>> = content.iter().map(|content| (Some(&content[..]), None, Some(0))).collect();
    for (name, properties, group) in [
        (
            "pages of one row",
            plain().set_dictionary_enabled(false).set_data_page_size_limit(1).set_write_batch_size(1),
            400,
        ),
        ("one page", plain().set_dictionary_enabled(false).set_data_page_size_limit(1 << 30), 400),
        ("a dictionary", plain().set_dictionary_page_size_limit(1 << 30), 400),
        ("small groups", plain(), 20),
    ] {
        let bytes = table(&rows, group, properties);
        let counted = FailingStore::new(Arc::new(store(&[("t.parquet", &bytes)])));
        let images = Images::new(&counted);
        let ranges = || counted.calls().iter().filter(|(call, _)| *call == Operation::GetRange).count();
        let listed = list(&images, &Options::default()).await;
        assert_eq!(listed.items.len(), 400, "{name}");
        // Twenty megabytes, by eight, and the end before them.
        assert!(ranges() <= 1 + bytes.len() / (8 << 20) + 2, "{name}: {}", ranges());
        let before = ranges();
        let items: Vec<&Item> = listed.items.iter().collect();
        let reader = images.reader(&items);
        let groups = items.chunks(4).map(|group| reader.read(group));
        let read = futures::future::try_join_all(groups).await.unwrap();
        let read = read.into_iter().flatten().map(Result::unwrap);
        assert!(read.zip(&content).all(|(read, content)| read == content), "{name}");
        assert!((1..=4).contains(&(ranges() - before)), "{name}: {}", ranges() - before);
        // Rows of one page are in one shard, as far as that holds so much.
        let heads = heads(&listed.items, 256);
        let shards = heads.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert!((2..=8).contains(&shards), "{name}: {shards}");
    }
}
