//! What a search begins with, made by the product's own writers.
//!
//! Pictures are not among them but for one: `make fuzz` has Pillow draw them in all variants.

mod of_fits;
mod of_networks;
mod packed;

use std::collections::BTreeSet;

use bytes::Bytes;
use pomona_dataset::Content;
use pomona_formats::fragment;
use pomona_formats::part::Usable;
use pomona_run::Options;
use pomona_run::tree::{self, Group};
use pomona_store::testing::MemoryStore;
use serde_json::{Value, json};

use crate::erasing::{self, ERASING};
use crate::events::Called;
use crate::finished_run::{FINISHED, FinishedRun, picture};
use crate::label_files::manifest;
use crate::networks::first_weights;
use crate::stores::{INPUT, OUTPUT, block_on, store_of};

/// Features of an image of the finished run.
const WIDTH: u8 = 3;

/// The seeds of the target of that name.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "png" => vec![picture(1)],
        "onnx" => of_networks::networks().iter().flat_map(|network| chosen(network, 0..4)).collect(),
        "npy" => vec![first_weights()],
        "tar" => packed::tars(),
        "zip" => packed::zips(),
        "table" => packed::tables(),
        "labels" => label_tables(),
        "list" => label_tables().iter().flat_map(|file| chosen(file, 0..2)).collect(),
        "inventory" => inventories(),
        "listing" => tables("/listing/"),
        "moments" => moments(),
        "plan" => plans(),
        "part" => parts(),
        "model" => tables("/model_info/pca_model."),
        "classifier" => tables("/classify/model."),
        "state" => of_fits::states(),
        "output" => outputs(),
        "uploads" => messages(),
        "events" => events(),
        "options" => options(),
        "flags" => flags(),
        _ => Vec::new(),
    }
}

/// `bytes` with each of the `choices` behind them.
fn chosen(bytes: &[u8], choices: std::ops::Range<u8>) -> Vec<Vec<u8>> {
    choices.map(|choice| [bytes, &[choice]].concat()).collect()
}

/// The finished run's Parquet files whose keys contain `part`.
fn tables(part: &str) -> Vec<Vec<u8>> {
    FINISHED.files(|key| key.contains(part) && key.ends_with(".parquet")).map(|file| file.to_vec()).collect()
}

fn label_tables() -> Vec<Vec<u8>> {
    let texts =
        ["path,label\na/1.jpg,7\n./2.jpg,\"8\"\n", "\u{feff}n,Class,FILE\r\n0,7,./a/1.jpg\r\n", "a/1.jpg\n./b.png\r\n"];
    let errors = FINISHED.files(|key| key.contains("/errors/")).map(|file| file.to_vec());
    texts.iter().map(|text| text.as_bytes().to_vec()).chain([packed::table()]).chain(errors).collect()
}

fn inventories() -> Vec<Vec<u8>> {
    let rows = "\"images\",\"cat/1+%2Bc.jpg\",\"v2\",\"true\",\"false\",\"7\"\n";
    let mut seeds = vec![[manifest("CSV").as_bytes(), &[0]].concat(), [rows.as_bytes(), &[1]].concat()];
    seeds.push([packed::gzip(rows.as_bytes()).as_slice(), &[1]].concat());
    seeds.extend(tables("/listing/").iter().map(|file| [file.as_slice(), &[2]].concat()));
    seeds
}

/// The moments of the run: the magic, two digests and the header's length are what the target adds.
fn moments() -> Vec<Vec<u8>> {
    let of_file = |file: &Bytes| {
        let (length, rest) = file[8 + 64 + 64..].split_first_chunk::<4>().expect("it has a header");
        let length = u16::try_from(u32::from_le_bytes(*length)).expect("headers are short");
        [&length.to_le_bytes()[..], rest, &[0]].concat()
    };
    FINISHED.files(|key| key.ends_with(".moments")).map(of_file).collect()
}

/// The run's sealed JSON without its seals.
fn plans() -> Vec<Vec<u8>> {
    let kinds = ["/plan.json", "/fits.json", "/counters/", "/model_info.json", "/digests/"];
    let of_kind = |(choice, kind): (u8, &str)| {
        let of_file = |file: &Bytes| [unsealed(file).expect("it is JSON").as_bytes(), &[choice]].concat();
        FINISHED.files(|key| key.contains(kind)).map(of_file).collect::<Vec<_>>()
    };
    (0..).zip(kinds).flat_map(of_kind).collect()
}

/// A file of JSON without its seal.
fn unsealed(file: &Bytes) -> Option<String> {
    let mut value: Value = serde_json::from_slice(file).ok()?;
    value.as_object_mut().map(|fields| fields.remove("sha256"));
    Some(value.to_string())
}

fn parts() -> Vec<Vec<u8>> {
    let of_kind = |ending: &str, choice: u8| {
        let of_file = move |file: &Bytes| [file, &[choice][..]].concat();
        FINISHED.files(|key| key.starts_with("parts/") && key.ends_with(ending)).map(of_file).collect::<Vec<_>>()
    };
    let fragment = [fragment(), vec![WIDTH << 2 | 1]].concat();
    [of_kind(".features.parquet", WIDTH << 2 | 2), of_kind(".rejects.parquet", 0), vec![fragment]].concat()
}

fn fragment() -> Vec<u8> {
    let image = |number: u8| {
        let content = Content { id: format!("pear/{number}"), version: Some("v".to_owned()), size: 7 };
        (content, Usable { features: [0.5; WIDTH as usize].into(), losses: Default::default() })
    };
    let store: MemoryStore = store_of([]);
    block_on(fragment::write(&store, "part", &[image(1), image(2)])).expect("they are images");
    store.objects().into_values().next().expect("it was written").to_vec()
}

/// Each file as it is, for all who may come to it; JSON without its seal, too.
fn outputs() -> Vec<Vec<u8>> {
    let seeds_of = |(place, file): (usize, &Bytes)| {
        let place = u8::try_from(place).expect("there are few files");
        let sealed = unsealed(file).map(|json| (json.into_bytes(), 1));
        let contents = [Some((file.to_vec(), 0)), sealed].into_iter().flatten();
        let of_all =
            |(bytes, seal): (Vec<u8>, u8)| (0..4).map(move |who| [&bytes[..], &[who << 1 | seal, place]].concat());
        contents.flat_map(of_all).collect::<Vec<_>>()
    };
    ERASING.output.values().enumerate().flat_map(seeds_of).collect()
}

fn messages() -> Vec<Vec<u8>> {
    let upload = json!({
        "version": "0", "detail-type": "Object Created", "source": "aws.s3",
        "detail": {"bucket": {"name": "in"}, "object": {"key": "pear/1.png", "size": 7}, "reason": "PutObject"},
    });
    let ended = json!({"detail": {"executionArn": "arn:aws:states:a", "status": "FAILED", "error": "Pomona.Busy"}});
    let silent = json!({"detail": {"executionArn": "arn:aws:states:a", "status": "FAILED"}});
    let batch = format!("{upload}\n{ended}\n{silent}\n");
    [upload, ended, silent]
        .iter()
        .map(Value::to_string)
        .chain([batch])
        .flat_map(|text| chosen(text.as_bytes(), 0..8))
        .collect()
}

fn events() -> Vec<Vec<u8>> {
    let seeds = [of_plan(), of_shards(), of_fits(), of_erase(), vec![of_report()]].concat();
    seeds.iter().map(|(called, event)| [event.to_string().as_bytes(), &[*called as u8]].concat()).collect()
}

fn of_plan() -> Vec<(Called, Value)> {
    let run_id = FINISHED.run_id();
    let execution = json!({"id": "arn:x", "name": "x", "started": "2026-01-31T12:00:00Z"});
    let plan = |replans: u8, request: Value| {
        json!({
            "task": "plan", "execution": execution, "replans": replans, "request": request,
        })
    };
    let before = json!({"missing": 0, "changed": 0, "damaged": 0, "idle": 0});
    let check = |stage: &str, level: Option<u8>| {
        json!({
            "task": "check", "output": OUTPUT, "run_id": run_id, "stage": stage, "level": level, "before": before,
        })
    };
    let tasks = [
        plan(0, json!({"input": INPUT, "options": {}})),
        plan(1, json!({"model": run_id})),
        check("extract", None),
        check("combine", Some(1)),
        check("sweep", None),
        check("project", None),
    ];
    tasks.map(|task| (Called::Plan, task)).to_vec()
}

fn of_shards() -> Vec<(Called, Value)> {
    let of_shard = |shard: Value| {
        [
            (Called::ListBatch, json!({"input": INPUT, "output": OUTPUT, "shard": shard})),
            (Called::ProjectMap, json!({"output": OUTPUT, "shard": shard})),
        ]
    };
    items(&FINISHED, "/shards.json").into_iter().flat_map(of_shard).collect()
}

fn of_fits() -> Vec<(Called, Value)> {
    let combine = |group: &Group| (Called::Reduce, json!({"task": "combine", "output": OUTPUT, "group": group}));
    let sweep = |fit: &str, method: &str| {
        let group = json!({"run_id": FINISHED.run_id(), "method": method, "fit": fit, "pass": 0, "group": 0});
        (Called::Sweep, json!({"output": OUTPUT, "group": group}))
    };
    let reduce = (Called::Reduce, json!({"task": "reduce", "output": OUTPUT, "run_id": FINISHED.run_id()}));
    let fit_of = |key: &str| Some(key.strip_prefix("sweeps/")?.split('/').next()?.to_owned());
    let fits = FINISHED.output.keys().filter_map(|key| fit_of(key)).collect::<BTreeSet<_>>();
    let methods = ["columns", "covariance", "components", "classifier"];
    let sweeps = fits.iter().flat_map(|fit| methods.map(|method| sweep(fit, method)));
    let parts = FINISHED.output.keys().filter_map(|key| key.strip_prefix("parts/")?.strip_suffix(".moments"));
    let run_id = FINISHED.run_id().parse().expect("it is a run's");
    let levels = tree::levels(&run_id, parts.map(str::to_owned).collect());
    levels.iter().flatten().map(combine).chain(sweeps).chain([reduce]).collect()
}

/// Of the erasure that has begun. Its part is that of a run, as no run is made anew.
fn of_erase() -> Vec<(Called, Value)> {
    let groups = items(&ERASING, "/before.json");
    let erasure = json!({"id": groups[0]["attempt"]["erasure"], "output": OUTPUT, "max_concurrency": 3});
    let execution = erasing::execution();
    let step = |task: &str| json!({"task": task, "execution": execution, "erasure": erasure});
    let search = groups.iter().map(|group| json!({"task": "search", "output": OUTPUT, "group": group}));
    let parts = items(&ERASING, "/shards.json").into_iter();
    let parts = parts.map(|shard| json!({"task": "part", "output": OUTPUT, "shard": shard}));
    let mut remake = step("remake");
    remake["replans"] = 0.into();
    let steps = [erasing::begin(), remake, step("remove"), step("certify")];
    steps.into_iter().chain(search).chain(parts).map(|event| (Called::Erase, event)).collect()
}

fn of_report() -> (Called, Value) {
    let timings = ["plan", "extract", "combine", "sweep", "project", "report"]
        .map(|stage| json!({"stage": stage, "started": "2026-01-31T12:00:00Z", "items": 1}));
    let run_id = FINISHED.run_id();
    (Called::Report, json!({"output": OUTPUT, "run_id": run_id, "max_concurrency": 3, "timings": timings}))
}

/// What a Map gets from the first file whose key ends so.
fn items(run: &FinishedRun, ending: &str) -> Vec<Value> {
    let list = run.files(|key| key.ends_with(ending)).next().expect("the list was written");
    serde_json::from_slice(list).expect("it is a list")
}

fn options() -> Vec<Vec<u8>> {
    let usual = serde_json::to_vec(&Options::default()).expect("options are JSON");
    let chosen = json!({
        "components": 0.95, "classify": {"train_share": 0.7, "seed": 3}, "filter": "a*/**", "exclude": ["{x,y}/[ab]"],
        "label_from": 2, "limit": 7, "csv": "all", "keep_features": "auto", "classes": ["pear"], "allow_empty": true,
    });
    vec![usual, chosen.to_string().into_bytes()]
}

fn flags() -> Vec<Vec<u8>> {
    let run =
        "in\ns3://b/out\n--components=0.95\n--filter\na*/*\n--label-from\ntop\n--classify\n--threads=2\n--seed=3\n";
    let model = "--model\nm.onnx\n--preset\ntorchvision\n--layer=Conv_1\n--preprocess\nmean=0.5,0.5,0.5;std=1,1,1\n";
    [(run, 0), (model, 1), ("s3://b/out\n--run\n20260131T120000Z-0123abcd\n", 2)]
        .map(|(text, choice)| [text.as_bytes(), &[choice]].concat())
        .to_vec()
}
