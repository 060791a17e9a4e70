//! `engines MODEL.onnx [ROUNDS [ENGINE [LAYER ...]]]`: milliseconds per image of the fused engine and of plain tract (or
//! of one of them, for each of the layers), one thread, in turn, and the CPU's peak of multiply-adds. The lines read like
//! those of other engines' benchmarks: `name: median, min, mean`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use pomona_vision::fma_peak;
use pomona_vision::model::{Engine, Layer, Model, ModelOptions, Session, UnknownValue};

const RUNS_PER_ROUND: usize = 10;

struct Candidate {
    name: String,
    session: Session,
    features: Vec<f32>,
    milliseconds: Vec<f64>,
}

impl Candidate {
    fn load(path: &Path, engine: Engine, layer: Layer, pixels: &[u8]) -> Result<Candidate, Box<dyn Error>> {
        let name = match &layer {
            Layer::Pooled => engine.to_string(),
            other => format!("{engine} {other}"),
        };
        let start = Instant::now();
        let model = Model::load(path, &ModelOptions { engine, layer, ..ModelOptions::default() })?;
        let (session, features) = (model.session()?, vec![0.0; model.width()]);
        let mut candidate = Candidate { name, session, features, milliseconds: Vec::new() };
        candidate.run(pixels)?;
        let name = &candidate.name;
        println!("{name}: {:.1} ms from the file to the first features", milliseconds_since(start));
        for notice in model.notices() {
            println!("{name}: {notice}");
        }
        Ok(candidate)
    }

    fn run(&mut self, pixels: &[u8]) -> Result<f64, Box<dyn Error>> {
        let start = Instant::now();
        self.session.run(pixels, &mut self.features)?;
        Ok(milliseconds_since(start))
    }
}

fn milliseconds_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let path = PathBuf::from(arguments.next().ok_or("usage: engines MODEL.onnx [ROUNDS [ENGINE [LAYER ...]]]")?);
    let rounds: usize = match arguments.next() {
        Some(rounds) => rounds.to_string_lossy().parse()?,
        None => 20,
    };
    let engines = match arguments.next() {
        Some(engine) => vec![engine.to_string_lossy().parse()?],
        None => vec![Engine::Pomona, Engine::Tract],
    };
    let layers: Vec<Layer> =
        arguments.map(|layer| layer.to_string_lossy().parse()).collect::<Result<_, UnknownValue>>()?;
    let layers = if layers.is_empty() { vec![Layer::Pooled] } else { layers };
    let (width, height) = Model::load(&path, &ModelOptions::default())?.input_size();
    let pixels: Vec<u8> = (0..width * height * 3).map(|i| (i * 31 % 251) as u8).collect();
    let mut candidates = Vec::new();
    for engine in engines {
        for layer in &layers {
            candidates.push(Candidate::load(&path, engine, layer.clone(), &pixels)?);
        }
    }
    for _ in 0..rounds {
        for candidate in &mut candidates {
            // The other engine has used the caches.
            candidate.run(&pixels)?;
            for _ in 0..RUNS_PER_ROUND {
                let milliseconds = candidate.run(&pixels)?;
                candidate.milliseconds.push(milliseconds);
            }
        }
    }
    for Candidate { name, milliseconds, .. } in &mut candidates {
        milliseconds.sort_by(f64::total_cmp);
        let (count, min) = (milliseconds.len(), milliseconds[0]);
        let (median, mean) = (milliseconds[count / 2], milliseconds.iter().sum::<f64>() / count as f64);
        println!("{name}: median {median:.2} ms, min {min:.2} ms, mean {mean:.2} ms");
    }
    if let Some(peak) = fma_peak() {
        println!("peak: {:.1} GMAC/s", peak / 1e9);
    }
    Ok(())
}
