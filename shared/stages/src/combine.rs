//! The stage `combine`: merges one group of the merge tree. The last group is merged by reduce itself.

use futures::stream::{self, StreamExt};
use pomona_formats::Error;
use pomona_formats::digests::Digests;
use pomona_formats::moments_file::{self, Found, Header, MomentsFile};
use pomona_formats::numbers::Numbers;
use pomona_formats::part;
use pomona_pca::{Merger, Moments};
use pomona_run::layout::RunLayout;
use pomona_run::tree::{Group, Kind};
use pomona_run::{RunId, names};
use pomona_store::Store;

use crate::damages::Damages;

/// Children of a group that are read at once while others are merged, each on a thread where its moments are made of
/// features. Some 20 MB each at 1280 features.
const READ_AHEAD: usize = 4;

/// Reads the groups of one merge level of a run, whose plan vouches for them.
///
/// # Errors
/// Those of the store, and [`Error::Damaged`].
pub async fn read_level(
    output: &dyn Store,
    run_id: &RunId,
    digests: &Digests,
    level: u32,
) -> Result<Vec<Group>, Error> {
    digests.read_json(output, &RunLayout::new(run_id.as_str()).merge_level(level)).await
}

/// The stage `combine`: merges one group and writes its node; a node that exists is not merged again.
///
/// # Errors
/// Those of the store, and [`Error::Damaged`] where a child is missing or damaged; all that are damaged are set aside
/// then.
pub async fn combine(output: &dyn Store, group: &Group) -> Result<(), Error> {
    if moments_file::exist(output, &Kind::Node.key(&group.node)).await? {
        return Ok(());
    }
    let Counted { header, moments, this_run_only } = merge_children(output, group).await?;
    let name =
        if this_run_only { names::name_of_this_run(&group.node, group.run_id.as_str()) } else { group.node.clone() };
    let key = Kind::Node.key(&name);
    let node = MomentsFile { header, numbers: Numbers::Stored(moments) };
    Ok(output.put(&key, node.encode(&key)?).await?)
}

/// Moments with what they count.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) header: Header,
    pub(crate) moments: Moments,
    /// Whether any of them may be used by this run only.
    this_run_only: bool,
}

/// The merged moments of a group.
pub(crate) async fn merge_children(output: &dyn Store, group: &Group) -> Result<Counted, Error> {
    let mut merger = Merger::default();
    let mut header = Header::default();
    let mut this_run_only = false;
    let mut children = stream::iter(&group.children).map(|name| child(output, group, name)).buffered(READ_AHEAD);
    let mut damages = Damages::default();
    while let Some(child) = children.next().await {
        let Some(child) = damages.keep(child)? else { continue };
        header.add(&child.header);
        this_run_only |= child.this_run_only;
        merger.push(child.moments)?;
    }
    damages.finish()?;
    let moments = merger.finish()?;
    let moments = moments.ok_or_else(|| Error::Internal("a group of moments without members".to_owned()))?;
    Ok(Counted { header, moments, this_run_only })
}

/// The moments of one child: those that are stored, or those of the part's features.
async fn child(output: &dyn Store, group: &Group, name: &str) -> Result<Counted, Error> {
    let Found { name, this_run_only, file } = moments_file::read(output, group.kind, name, &group.run_id).await?;
    let MomentsFile { header, numbers } = file;
    let moments = match numbers {
        Numbers::Stored(moments) => moments,
        Numbers::InFeatures { width } => part::moments_of_features(output, &name, &header, width).await?,
    };
    Ok(Counted { header, moments, this_run_only })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ndarray::{Array2, ArrayView1};
    use pomona_dataset::Item;
    use pomona_formats::listing::Row;
    use pomona_formats::part::{Outcome, Usable};
    use pomona_formats::recipe::Recipe;
    use pomona_pca::Encoding;
    use pomona_store::testing::MemoryStore;
    use pomona_vision::pixels::{Limits, Losses, Reject, RejectReason};
    use proptest::prelude::*;

    use super::*;
    use crate::part::Part;

    /// Features of an image, more than the kernel that adds up moments takes at once.
    const WIDTH: usize = 17;

    /// A store that holds nothing but a part called `name`: of these features, and of one unusable image.
    async fn store(features: &Array2<f32>, name: &str) -> MemoryStore {
        let usable = |row: ArrayView1<'_, f32>| -> Outcome {
            Ok(Usable { features: row.iter().copied().collect(), losses: Losses::default() })
        };
        let unusable = Err(Reject { reason: RejectReason::Empty, detail: String::new() });
        let outcomes: Vec<_> = features.rows().into_iter().map(usable).chain([unusable]).collect();
        let item = |id: usize| Item {
            id: format!("{id:04}.jpg"),
            size: 1,
            version: None,
            label: "a".into(),
            place: Default::default(),
        };
        let row = |id: usize| Row { item: item(id), class_id: 0, image_id: id as i64, is_known: true };
        let rows: Vec<_> = (0..outcomes.len()).map(row).collect();
        let recipe = Recipe {
            model_digest: String::new(),
            weights: Default::default(),
            numerics: String::new(),
            pixels: String::new(),
            limits: Limits::default(),
            feature_width: features.ncols(),
        };
        let store = MemoryStore::new("out", BTreeMap::new());
        Part::new(name, &rows, outcomes, &recipe).unwrap().write(&store, name).await.unwrap();
        store
    }

    fn group(run_id: &RunId) -> Group {
        Group { run_id: run_id.clone(), kind: Kind::Part, children: vec!["p".to_owned()], node: "n".to_owned() }
    }

    fn few_or_many() -> impl Strategy<Value = Array2<f32>> {
        prop_oneof![Just(0), Just(1), Just(WIDTH - 1), Just(WIDTH), Just(WIDTH + 1)].prop_flat_map(|images| {
            prop::collection::vec(-1e6f32..1e6, images * WIDTH)
                .prop_map(move |values| Array2::from_shape_vec((images, WIDTH), values).unwrap())
        })
    }

    proptest! {
        #[test]
        fn a_part_gives_the_moments_of_its_features_to_the_bit_whether_it_stores_them_or_not(
            features in few_or_many(),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let run_id = RunId::now();
            let names = ["p".to_owned(), names::name_of_this_run("p", run_id.as_str())];
            for (name, this_run_only) in names.iter().zip([false, true]) {
                let store = runtime.block_on(store(&features, name));
                let stores_them = store.objects()[&Kind::Part.key(name)].len() > WIDTH * (WIDTH + 3) / 2 * 8;
                prop_assert_eq!(stores_them, features.nrows() >= WIDTH);
                let child = runtime.block_on(child(&store, &group(&run_id), "p")).unwrap();
                prop_assert_eq!(child.moments.to_bytes(), Moments::of(features.view()).to_bytes());
                prop_assert_eq!((child.header.images, child.header.rejects()), (features.nrows() as u64 + 1, 1));
                prop_assert_eq!(child.this_run_only, this_run_only);
            }
        }
    }

    #[tokio::test]
    async fn a_part_of_few_images_is_little_larger_than_their_features() {
        for images in [0, 1, 500, 1279] {
            let features = Array2::from_shape_fn((images, 1280), |(row, column)| (row * 1280 + column) as f32);
            let objects = store(&features, "p").await.objects();
            let bytes: usize = objects.values().map(|bytes| bytes.len()).sum();
            assert!(bytes < 1280 * 4 * images + 20_000, "{images} images: {bytes} bytes");
            assert!(objects["parts/p.moments"].len() < 500, "{images} images");
        }
    }

    #[tokio::test]
    async fn a_part_whose_features_are_not_those_that_were_written_is_set_aside() {
        let features = Array2::from_shape_fn((WIDTH - 1, WIDTH), |(row, column)| (row * column) as f32);
        let key = "parts/p.features.parquet";
        for altered in [Some("other features"), None] {
            let store = store(&features, "p").await;
            match altered {
                Some(bytes) => store.put(key, bytes.into()).await.unwrap(),
                None => store.delete(key).await.unwrap(),
            }
            let error = combine(&store, &group(&RunId::now())).await.unwrap_err();
            assert!(matches!(&error, Error::Damaged { file, .. } if file == key), "{error}");
            assert!(!store.objects().contains_key("parts/p.moments"));
        }
    }
}
