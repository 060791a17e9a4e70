//! Pictures for someone who has none at hand: a dozen made-up fruits, each drawn many times, never twice alike.
//!
//! The same program draws the same bytes everywhere: all arithmetic is on `f64` with operations that IEEE 754 defines
//! exactly.

mod fruit;
mod random;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fruit::FRUITS;
use random::Random;

/// Pictures of each fruit.
const PICTURES_PER_FRUIT: u64 = 30;

/// Width and height of a picture in pixels.
const SIZE: usize = 100;

/// A picture that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the picture `{}`: {source}; choose a folder that can be written to", path.display())]
pub struct Error {
    path: PathBuf,
    source: io::Error,
}

/// Draws all pictures into `folder`, a subfolder for each fruit, and returns how many there are. Pictures of an earlier
/// call are replaced by the same ones.
///
/// # Errors
/// [`Error`] names the first file that could not be written.
pub fn draw(folder: &Path) -> Result<u64, Error> {
    for fruit in &FRUITS {
        let folder = folder.join(fruit.name);
        fs::create_dir_all(&folder).map_err(|source| Error { path: folder.clone(), source })?;
        for number in 0..PICTURES_PER_FRUIT {
            let path = folder.join(format!("{number:03}.png"));
            let pixels = fruit.draw(SIZE, &mut Random::new(fruit.name, number));
            write_png(&path, &pixels).map_err(|source| Error { path: path.clone(), source })?;
        }
    }
    Ok(FRUITS.len() as u64 * PICTURES_PER_FRUIT)
}

fn write_png(path: &Path, pixels: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIZE as u32, SIZE as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(pixels)?;
    fs::write(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn pictures() -> BTreeMap<PathBuf, Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let count = draw(folder.path()).unwrap();
        let mut pictures = BTreeMap::new();
        for fruit in fs::read_dir(folder.path()).unwrap() {
            for picture in fs::read_dir(fruit.unwrap().path()).unwrap() {
                let path = picture.unwrap().path();
                let bytes = fs::read(&path).unwrap();
                pictures.insert(path.strip_prefix(folder.path()).unwrap().to_owned(), bytes);
            }
        }
        assert_eq!(pictures.len() as u64, count);
        pictures
    }

    #[test]
    fn every_picture_differs_and_is_drawn_alike_each_time() {
        let pictures = pictures();
        assert!(pictures.len() >= 300);
        let distinct: std::collections::BTreeSet<_> = pictures.values().collect();
        assert_eq!(distinct.len(), pictures.len());
        assert!(pictures == self::pictures());
    }

    #[test]
    fn pictures_of_one_fruit_are_more_alike_than_pictures_of_two() {
        let mean = |fruit: usize, number| {
            let pixels = FRUITS[fruit].draw(SIZE, &mut Random::new(FRUITS[fruit].name, number));
            // The middle of the picture, which the fruit covers.
            let middle = (40..60).flat_map(|row| (40..60).map(move |column| (row * SIZE + column) * 3));
            let sum = middle.fold([0.0; 3], |sum, at| std::array::from_fn(|c| sum[c] + f64::from(pixels[at + c])));
            sum.map(|sum| sum / 400.0)
        };
        let distance = |a: [f64; 3], b: [f64; 3]| -> f64 { (0..3).map(|c| (a[c] - b[c]).powi(2)).sum::<f64>().sqrt() };
        let (mut within, mut between) = (0.0, 0.0);
        for fruit in 0..FRUITS.len() {
            within += distance(mean(fruit, 0), mean(fruit, 1));
            between += distance(mean(fruit, 0), mean((fruit + 1) % FRUITS.len(), 0));
        }
        assert!(within * 1.5 < between, "{within} {between}");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = draw(&file).unwrap_err().to_string();
        assert!(error.contains("file"), "{error}");
    }
}
