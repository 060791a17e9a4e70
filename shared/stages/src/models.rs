//! The models that a run fitted, for another run to take instead of fitting its own.

use futures::stream::{self, StreamExt};
use pomona_formats::Error as FileError;
use pomona_formats::class_table::ClassCount;
use pomona_formats::digests::{self, Digests};
use pomona_formats::listing::{self, Row};
use pomona_formats::planned::{self, ModelsOf, Plan};
use pomona_formats::recipe::Recipe;
use pomona_formats::tables;
use pomona_results::inspect;
use pomona_run::layout::RunLayout;
use pomona_run::{Location, Options, RunId, pace};
use pomona_store::Store;

use crate::error::Error;
use crate::reduce;

/// The models of a run that succeeded.
#[derive(Debug)]
pub struct Models<'a> {
    results: &'a dyn Store,
    plan: Plan,
    layout: RunLayout,
    classes: Vec<String>,
}

impl<'a> Models<'a> {
    /// The models that a run at `results` fitted, or took from another run there: of the one that is named, or of the
    /// newest one. Whether that run still has its tables does not matter.
    ///
    /// # Errors
    /// [`FileError::NoRun`], [`Error::Models`] where the run took them from elsewhere or files of it are damaged, and
    /// those of the store.
    pub async fn find(results: &'a dyn Store, named: Option<&RunId>) -> Result<Self, Error> {
        let mut run_id = match inspect::find_run(results, named).await {
            Err(FileError::TablesRemoved { run_id, .. }) => run_id,
            found => found?,
        };
        loop {
            let plan = usable(results, &run_id, planned::read_plan(results, &run_id).await)?;
            run_id = match &plan.models_of {
                None => return Self::of(results, plan).await,
                Some(ModelsOf { results: None, run_id }) => run_id.clone(),
                Some(ModelsOf { results: Some(elsewhere), run_id: fitted }) => {
                    let problem = format!("it took those of run {fitted} at `{elsewhere}`; name these");
                    return Err(not_to_be_taken(results, &run_id, problem));
                }
            };
        }
    }

    async fn of(results: &'a dyn Store, plan: Plan) -> Result<Self, Error> {
        let layout = RunLayout::new(plan.run_id.as_str());
        let classes = usable(results, &plan.run_id, plan.digests.read(results, &layout.classes()).await)?;
        let classes: Vec<ClassCount> = tables::from_csv(&layout.classes(), &classes, usize::MAX)?;
        let classes = classes.into_iter().map(|class| class.class).collect();
        Ok(Self { results, plan, layout, classes })
    }

    /// How the features were made that they are models of.
    pub fn recipe(&self) -> &Recipe {
        &self.plan.recipe
    }

    /// What a run chooses that takes these models: images and tables are its own choice, and classes keep their ids.
    ///
    /// # Errors
    /// [`pomona_run::Error`] where it chooses more.
    pub(crate) fn options(&self, own: &Options) -> Result<Options, Error> {
        Ok(Options { classes: self.classes.clone(), ..own.with_models_of(&self.plan.options)? })
    }

    /// Which run's models a run at `output` takes.
    pub(crate) fn named_at(&self, output: &dyn Store) -> ModelsOf {
        let results = (!are_same(self.results, output)).then(|| self.results.location().to_owned());
        ModelsOf { results, run_id: self.plan.run_id.clone() }
    }

    /// Refuses features that are made in another way than those that the models are of.
    ///
    /// # Errors
    /// [`Error::OtherRecipe`].
    pub(crate) fn check_recipe(&self, recipe: &Recipe) -> Result<(), Error> {
        let Recipe { model_digest, numerics, pixels, .. } = self.recipe();
        let differs = [
            ("model file", model_digest, &recipe.model_digest),
            ("numerics", numerics, &recipe.numerics),
            ("pixels", pixels, &recipe.pixels),
        ];
        match differs.into_iter().find(|(_, theirs, own)| theirs != own) {
            None => Ok(()),
            Some((what, theirs, own)) => Err(Error::OtherRecipe {
                run_id: self.plan.run_id.clone(),
                what,
                theirs: theirs.clone(),
                own: own.clone(),
            }),
        }
    }

    /// Marks those of `rows`, which are sorted by id, that the models' run listed.
    ///
    /// # Errors
    /// [`Error::Models`] where its listing is damaged, and those of the store.
    pub(crate) async fn mark_known(&self, rows: &mut [Row]) -> Result<(), Error> {
        rows.iter_mut().for_each(|row| row.is_known = false);
        let shards = self.usable(planned::read_shards(self.results, &self.plan).await)?;
        let read = |key: String, sha256: String| async move {
            let bytes = digests::read(self.results, &key, &sha256).await?;
            listing::decode(&key, bytes)
        };
        let shards = shards
            .into_iter()
            .map(|shard| (self.layout.listing(shard.shard, &shard.listing_sha256), shard.listing_sha256));
        let mut listings = stream::iter(shards).map(|(key, sha256)| read(key, sha256)).buffered(pace::REQUESTS);
        while let Some(listed) = listings.next().await {
            for known in self.usable(listed)? {
                if let Ok(place) = rows.binary_search_by(|row| row.item.id.cmp(&known.item.id)) {
                    rows[place].is_known = rows[place].item.may_be(&known.item);
                }
            }
        }
        Ok(())
    }

    /// Writes them as the models of the run at `layout`.
    ///
    /// # Errors
    /// [`Error::Models`] where they are damaged, and those of the stores.
    pub(crate) async fn copy_into(&self, output: &dyn Store, layout: &RunLayout) -> Result<(), Error> {
        let written = self.usable(Digests::read_record(self.results, &self.layout.reduce_digests()).await)?;
        let mut files = vec![(self.layout.pca_model(), layout.pca_model())];
        if self.plan.options.classify.is_some() {
            files.push((self.layout.classifier(), layout.classifier()));
        }
        let mut copies = Vec::new();
        for (from, to) in files {
            copies.push((to, self.usable(written.read(self.results, &from).await)?));
        }
        Ok(reduce::write_vouched(output, layout, copies).await?)
    }

    fn usable<T>(&self, read: Result<T, FileError>) -> Result<T, Error> {
        usable(self.results, &self.plan.run_id, read)
    }
}

/// What was read of the models' run. Planning anew would not mend what is damaged there.
fn usable<T>(results: &dyn Store, run_id: &RunId, read: Result<T, FileError>) -> Result<T, Error> {
    read.map_err(|error| match error {
        FileError::Damaged { file, damage } => {
            let problem = format!("`{file}` is damaged: {damage}; name another run, or run again over its images");
            not_to_be_taken(results, run_id, problem)
        }
        other => other.into(),
    })
}

fn not_to_be_taken(results: &dyn Store, run_id: &RunId, problem: String) -> Error {
    Error::Models { location: results.location().to_owned(), run_id: run_id.clone(), problem }
}

/// Whether two stores are one place, however it is written.
fn are_same(one: &dyn Store, other: &dyn Store) -> bool {
    let place = |store: &dyn Store| store.location().parse::<Location>();
    matches!((place(one), place(other)), (Ok(one), Ok(other)) if one.is_same(&other))
}
