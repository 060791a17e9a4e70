//! Images in the rows of Parquet files: what they are called, what becomes of odd ones, and how few requests read them.

mod support;

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, SchemaDescriptor};
use pomona_dataset::{Images, Item, Place, Source, heads};
use pomona_run::Options;
use pomona_store::Store;
use pomona_store::testing::{FailingStore, Operation};
use pomona_terms::RejectReason;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use support::{list, read, store};

/// A row: the image, its path and its label.
type Row<'a> = (Option<&'a [u8]>, Option<&'a str>, Option<i64>);

/// The cells of a column, of which one that is missing is null.
#[derive(Clone)]
enum Column {
    Bytes(Vec<Option<ByteArray>>),
    Whole(Vec<Option<i64>>),
    Real(Vec<Option<f64>>),
}

impl Column {
    fn bytes<'a>(cells: impl IntoIterator<Item = Option<&'a [u8]>>) -> Self {
        Self::Bytes(cells.into_iter().map(|cell| cell.map(|cell| cell.to_vec().into())).collect())
    }

    fn texts(cells: &[&str]) -> Self {
        Self::bytes(cells.iter().map(|cell| Some(cell.as_bytes()).filter(|cell| !cell.is_empty())))
    }

    fn rows(&self, from: usize, to: usize) -> Self {
        match self {
            Self::Bytes(cells) => Self::Bytes(cells[from..to].to_vec()),
            Self::Whole(cells) => Self::Whole(cells[from..to].to_vec()),
            Self::Real(cells) => Self::Real(cells[from..to].to_vec()),
        }
    }

    /// `depth` is the level of what is not null.
    fn write(self, writer: &mut SerializedColumnWriter<'_>, depth: i16) {
        fn parted<T>(cells: Vec<Option<T>>, depth: i16) -> (Vec<T>, Vec<i16>) {
            let levels = cells.iter().map(|cell| if cell.is_some() { depth } else { depth - 1 }).collect();
            (cells.into_iter().flatten().collect(), levels)
        }
        match self {
            Self::Bytes(cells) => {
                let (values, levels) = parted(cells, depth);
                writer.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            }
            Self::Whole(cells) => {
                let (values, levels) = parted(cells, depth);
                writer.typed::<Int64Type>().write_batch(&values, Some(&levels), None).unwrap();
            }
            Self::Real(cells) => {
                let (values, levels) = parted(cells, depth);
                writer.typed::<DoubleType>().write_batch(&values, Some(&levels), None).unwrap();
            }
        }
    }
}

/// A table of so many `rows`, of which a `group` has some.
fn written(
    schema: &str,
    columns: &[Column],
    (rows, group): (usize, usize),
    options: WriterPropertiesBuilder,
) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message m {{ {schema} }}")).unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema.clone(), Arc::new(options.build())).unwrap();
    let descriptor = SchemaDescriptor::new(schema);
    for start in (0..rows).step_by(group) {
        let mut written = writer.next_row_group().unwrap();
        for (column, descriptor) in columns.iter().zip(descriptor.columns()) {
            let mut writer = written.next_column().unwrap().unwrap();
            column.rows(start, rows.min(start + group)).write(&mut writer, descriptor.max_def_level());
            writer.close().unwrap();
        }
        written.close().unwrap();
    }
    writer.into_inner().unwrap()
}

fn declaring(features: &str, options: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    let told = format!(r#"{{"info": {{"features": {features}}}}}"#);
    options.set_key_value_metadata(Some(vec![KeyValue::new("huggingface".to_owned(), told)]))
}

/// As `datasets` of Hugging Face writes a table.
fn table(rows: &[Row<'_>], group: usize, options: WriterPropertiesBuilder) -> Vec<u8> {
    let schema = "optional group image { optional binary bytes; optional binary path (UTF8); } optional int64 label;";
    let features = r#"{"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}"#;
    let columns = [
        Column::bytes(rows.iter().map(|row| row.0)),
        Column::bytes(rows.iter().map(|row| row.1.map(str::as_bytes))),
        Column::Whole(rows.iter().map(|row| row.2).collect()),
    ];
    written(schema, &columns, (rows.len(), group), declaring(features, options))
}

fn plain() -> WriterPropertiesBuilder {
    WriterProperties::builder()
}

#[tokio::test]
async fn rows_are_called_by_paths_of_their_own_or_by_numbers_and_labelled_by_classes() {
    let named: [Row<'_>; 4] = [
        (Some(b"one"), Some("a/1.jpg"), Some(0)),
        (Some(b"two"), Some("/b/2"), Some(1)),
        (Some(b"one"), Some("3.png"), Some(-1)),
        (Some(b"four"), Some("4.png"), None),
    ];
    // Two are called alike, because all that published tables have of a path may be the file's name.
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
        ("x/not.parquet/00000002", "7", "three"),
        ("x/not.parquet/b/2", "dog", "two"),
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

/// What the items of a table are called and labelled.
async fn listed(table: &[u8], options: Options) -> Vec<String> {
    let store = store(&[("t.parquet", table)]);
    let images = Images::new(&store).in_archive(Some("t.parquet".to_owned()));
    let listed = list(&images, &options).await;
    listed.items.iter().map(|item| format!("{} {}: {}", item.id, item.size, item.label)).collect()
}

#[tokio::test]
async fn usual_names_go_first_then_what_is_declared_in_the_order_of_the_table() {
    let one = |length: usize| Column::bytes([Some(&b"0123456789"[..length])]);
    let text = |text: &str| Column::texts(&[text]);
    let of = |schema: &str, columns: &[Column], features: &str| {
        written(schema, columns, (1, 1), declaring(features, plain()))
    };
    let masks = of(
        "optional binary annotation; optional binary image; optional binary fine (UTF8); optional binary coarse (UTF8);",
        &[one(9), one(5), text("boat"), text("ship")],
        r#"{"annotation": {"_type": "Image"}, "image": {"_type": "Image"},
            "coarse": {"_type": "ClassLabel"}, "fine": {"_type": "ClassLabel"}}"#,
    );
    assert_eq!(listed(&masks, Options::default()).await, ["00000000 5: boat"]);
    let chosen = Options {
        image_column: Some("Annotation".to_owned()),
        label_column: Some("coarse".to_owned()),
        ..Options::default()
    };
    assert_eq!(listed(&masks, chosen).await, ["00000000 9: ship"]);
    let declared = of(
        "optional binary scan; optional binary kind (UTF8);",
        &[one(4), text("cat")],
        r#"{"kind": {"_type": "ClassLabel"}, "scan": {"_type": "Image"}}"#,
    );
    assert_eq!(listed(&declared, Options::default()).await, ["00000000 4: cat"]);
    let cased = of(
        "optional binary Label (UTF8); optional binary label (UTF8); optional binary IMG;",
        &[text("a"), text("b"), one(3)],
        "{}",
    );
    assert_eq!(listed(&cased, Options::default()).await, ["00000000 3: b"]);
    // Bytes that something else is said of, or that nobody calls images, are none.
    for schema in ["optional binary image (JSON);", "optional binary data;", "optional binary content;"] {
        assert!(listed(&of(schema, &[one(3)], "{}"), Options::default()).await.is_empty(), "{schema}");
    }
    let spark = of("optional binary path (UTF8); optional binary content;", &[text("dbfs:/dog/1.jpg"), one(3)], "{}");
    assert_eq!(listed(&spark, Options::default()).await, ["dbfs:/dog/1.jpg 3: dog"]);
}

#[tokio::test]
async fn a_path_tells_the_label_whatever_the_row_is_called() {
    let images = Column::bytes([&b"1"[..], b"12", b"123", b"1234", b"12345"].map(Some));
    let schema = "optional group image { optional binary bytes; optional binary path (UTF8); }
        optional binary file_name (UTF8);";
    let beside = Column::texts(&["dog/3.jpg", "dog/3.jpg", "", "", "/root/.cache/cat/5.jpg"]);
    let own = Column::texts(&["unused", "", "cat/1.jpg", "", ""]);
    let table = written(schema, &[images.clone(), beside, own], (5, 2), plain());
    let expected =
        ["00000000 1: dog", "00000001 2: dog", "00000003 4: ", "cat/1.jpg 3: cat", "root/.cache/cat/5.jpg 5: cat"];
    assert_eq!(listed(&table, Options::default()).await, expected);

    // As pandas has whole numbers of which some are missing.
    let labels = Column::Real(vec![Some(3.0), None, Some(0.5), Some(f64::NAN), Some(-1.0)]);
    let table = written("optional binary img; optional double class;", &[images, labels], (5, 5), plain());
    let expected = ["00000000 1: 3", "00000001 2: ", "00000002 3: 0.5", "00000003 4: ", "00000004 5: -1"];
    assert_eq!(listed(&table, Options::default()).await, expected);
}

#[tokio::test]
async fn what_is_not_read_is_unsupported_and_numbers_that_cannot_be_reserve_no_memory() {
    let content = vec![7; 3000];
    let rows: Vec<Row<'_>> = (0..5).map(|_| (Some(&content[..]), None, Some(0))).collect();
    let whole = table(&rows, 9, plain());
    let reason = async |bytes: &[u8], options: &Options| {
        let store = store(&[("t.parquet", bytes)]);
        let images = Images::new(&store);
        let read = read(&images, &list(&images, options).await.items).await;
        let reject = read[0].2.as_ref().unwrap_err();
        format!("{}: {}", reject.reason.as_str(), reject.detail)
    };
    let label = Options { image_column: Some("label".to_owned()), ..Options::default() };
    let said = reason(&whole, &label).await;
    assert!(said.starts_with("unsupported: its column `label` holds no bytes"), "{said}");
    // Whatever the footer says.
    let length = u32::from_le_bytes(whole[whole.len() - 8..whole.len() - 4].try_into().unwrap()) as usize;
    for at in whole.len() - 8 - length..whole.len() - 8 {
        for number in [&[0x7f][..], &[0xff; 4]] {
            let mut changed = whole.clone();
            changed[at..at + number.len()].copy_from_slice(number);
            let store = store(&[("t.parquet", &changed)]);
            assert!(list(&Images::new(&store), &Options::default()).await.items.len() <= 6, "{at}");
        }
    }
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
    // By their names: the second row, the third, the first.
    assert_eq!(reasons, [Some(RejectReason::Unsupported), None, Some(RejectReason::Unsupported)]);

    let images = Images::new(&store);
    let options = Options { image_column: Some("picture".to_owned()), ..Options::default() };
    let listed = list(&images, &options).await;
    assert!(listed.items.is_empty() && listed.left_out.archives == 0, "{:?}", listed.items);
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
        at in 0_usize..6_000, to in prop::collection::vec(any::<u8>(), 1..5), codec in 0..4_usize,
        is_later in any::<bool>(), is_second in any::<bool>(), encoding in 0..4_usize,
    ) {
        let compression = [
            Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default()),
            Compression::GZIP(Default::default()),
        ][codec];
        let content: Vec<Vec<u8>> = (0..8_u8).map(|number| (0..250_u8).map(|at| at.wrapping_mul(number)).collect()).collect();
        let rows: Vec<Row<'_>> = content.iter().map(|content| (Some(&content[..]), None, Some(1))).collect();
        let version = if is_second { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
        let options = plain().set_compression(compression).set_writer_version(version);
        let options = match [Encoding::PLAIN, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY].get(encoding) {
            Some(encoding) => options.set_dictionary_enabled(false).set_column_encoding(ColumnPath::from(vec!["image".to_owned(), "bytes".to_owned()]), *encoding),
            None => options,
        };
        let whole = table(&rows, 3, options);
        let mut damaged = whole.clone();
        let at = at % whole.len();
        damaged.iter_mut().skip(at).zip(to).for_each(|(byte, to)| *byte = to);
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
        assert!((1..=8).contains(&shards), "{name}: {shards}");
    }
}
