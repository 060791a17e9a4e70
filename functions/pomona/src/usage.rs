//! How a model is used: engine, layer, and what it is given of pictures.

use std::str::FromStr;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use pomona_vision::model::{Engine, Layer, ModelOptions, Preprocess};
use pomona_vision::pixels::{Channels, Decode, ExifOrientation};
use pomona_vision::preset::Preset;

/// How a model is used. What is not chosen is as in the run that is searched or applied, if one is.
#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// Pixels and preprocessing as another program has them: keras (Pillow's bicubic resize), keras-load-img (nearest
    /// pixel), opencv (imread and resize, blue first), or torchvision (the middle of a picture, ImageNet's mean and
    /// deviation) [default: keras, or that of the run that is searched or applied]
    #[arg(long, value_name = "NAME", value_parser = named(Preset::ALL))]
    preset: Option<Preset>,
    /// Whether pictures that say so are turned upright: apply or ignore (TIFFs are always) [default: apply with opencv,
    /// ignore otherwise, or that of the run]
    #[arg(long, value_name = "WHETHER", value_parser = named(ExifOrientation::ALL))]
    exif_orientation: Option<ExifOrientation>,
    /// How large JPEGs are decoded: full, or scaled, as Pillow's draft does, which is faster and gives slightly other
    /// features of photographs at least four times as large as the model's input [default: full, or that of the run]
    #[arg(long, value_name = "HOW", value_parser = named(Decode::ALL))]
    decode: Option<Decode>,
    /// In which order the model gets colours: rgb or bgr [default: bgr with opencv, rgb otherwise,
    /// or that of the run]
    #[arg(long, value_name = "ORDER", value_parser = named(Channels::ALL))]
    channels: Option<Channels>,
    /// Resize the shorter side to N pixels and cut the model's input out of the middle, instead of stretching
    /// [default: 256 with torchvision, or that of the run]
    #[arg(long, value_name = "N")]
    crop: Option<u32>,
    /// What the model expects of pixels: tf (x / 127.5 - 1) or torch (ImageNet's mean and standard deviation) [default:
    /// torch with torchvision, tf otherwise, or that of the run]
    #[arg(long, value_name = "HOW")]
    preprocess: Option<Preprocess>,
    /// Three numbers from 0 to 1, one for each channel: the model gets (x / 255 - mean) / std
    #[arg(long, value_name = "M,M,M", value_parser = three, requires = "std", conflicts_with = "preprocess")]
    mean: Option<[f64; 3]>,
    /// Three numbers above 0, one for each channel
    #[arg(long, value_name = "S,S,S", value_parser = three, requires = "mean")]
    std: Option<[f64; 3]>,
    /// Where in the network features are taken from: pooled (its output), Conv_1 (MobileNetV2's last convolution before
    /// ReLU6, 62,720 numbers) or any node by its name [default: pooled, or that of the run that is searched or
    /// applied]
    #[arg(long, alias = "output", value_name = "NAME")]
    layer: Option<Layer>,
    /// What runs the model: pomona (fast) or tract (the reference) [default: pomona, or that of the run that is
    /// searched or applied]
    #[arg(long, value_name = "ENGINE")]
    engine: Option<Engine>,
}

impl UsageArgs {
    /// What was chosen, and the rest as in `base`. A preset takes the place of all pixels and preprocessing there.
    ///
    /// # Errors
    /// A mean or deviation that no network could use.
    pub(crate) fn into_options(self, base: ModelOptions) -> Result<ModelOptions, pomona_run::Error> {
        let mut pixels = self.preset.map_or(base.pixels, Preset::pixels);
        pixels.crop = self.crop.or(pixels.crop);
        pixels.exif_orientation = self.exif_orientation.unwrap_or(pixels.exif_orientation);
        pixels.decode = self.decode.unwrap_or(pixels.decode);
        pixels.channels = self.channels.unwrap_or(pixels.channels);
        let usual = self.preset.map_or(base.preprocess, Preset::preprocess);
        let preprocess = match (self.mean, self.std) {
            (Some(mean), Some(std)) => Preprocess::normalize(mean, std).ok_or_else(|| {
                pomona_run::Error::option("mean", "means must lie between 0 and 1 and deviations above 0")
            })?,
            _ => self.preprocess.unwrap_or(usual),
        };
        let engine = self.engine.unwrap_or(base.engine);
        Ok(ModelOptions { engine, pixels, preprocess, layer: self.layer.unwrap_or(base.layer) })
    }
}

/// A choice by its name.
fn named<T, const N: usize>(choices: [(&'static str, T); N]) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    PossibleValuesParser::new(choices.map(|(name, _)| name)).map(move |name: String| {
        let found = choices.into_iter().find(|(known, _)| *known == name);
        found.expect("clap lets possible values pass alone").1
    })
}

fn three(text: &str) -> Result<[f64; 3], String> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|number| f64::from_str(number.trim())).collect();
    let numbers = numbers.ok().and_then(|numbers| <[f64; 3]>::try_from(numbers).ok());
    numbers.ok_or_else(|| "give three numbers such as 0.485,0.456,0.406".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{Command, FromArgMatches};
    use pomona_vision::pixels::{PixelOptions, Resampling};

    use super::*;

    fn options(base: ModelOptions, arguments: &[&str]) -> Result<ModelOptions, String> {
        let command = UsageArgs::augment_args(Command::new("usage")).no_binary_name(true);
        let matches = command.try_get_matches_from(arguments).map_err(|error| error.to_string())?;
        let usage = UsageArgs::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        usage.into_options(base).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_chosen_is_as_before() {
        assert_eq!(options(ModelOptions::default(), &[]), Ok(ModelOptions::default()));
        let torchvision = Preset::Torchvision;
        let of_run = ModelOptions {
            engine: Engine::Tract,
            pixels: torchvision.pixels(),
            preprocess: torchvision.preprocess(),
            layer: Layer::Conv1,
        };
        assert_eq!(options(of_run.clone(), &[]), Ok(of_run.clone()));
        let keras = ModelOptions { engine: Engine::Tract, layer: Layer::Conv1, ..ModelOptions::default() };
        assert_eq!(options(of_run, &["--preset", "keras"]), Ok(keras));
    }

    #[test]
    fn single_choices_go_before_those_of_a_preset() {
        let arguments =
            "--preset=opencv --channels=rgb --exif-orientation=ignore --crop=300 --decode=scaled --preprocess=torch";
        let arguments: Vec<_> = arguments.split(' ').collect();
        let expected = PixelOptions {
            resampling: Resampling::OpenCvBilinear,
            decode: Decode::Scaled,
            crop: Some(300),
            exif_orientation: ExifOrientation::Ignore,
            channels: Channels::Rgb,
        };
        let chosen = options(ModelOptions::default(), &arguments).unwrap();
        assert_eq!((chosen.pixels, chosen.preprocess), (expected, Preprocess::Torch));
        let chosen = options(ModelOptions::default(), &["--mean=0.5,0.5, 0.5", "--std=0.25,0.5,1"]).unwrap();
        assert_eq!(chosen.preprocess, Preprocess::Normalize { mean: [0.5; 3], std: [0.25, 0.5, 1.0] });
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_name() {
        let cases: [(&[&str], &str); 8] = [
            (&["--preset=tensorflow"], "keras-load-img"),
            (&["--mean=0.5,0.5,0.5"], "--std"),
            (&["--std=0.5,0.5,0.5"], "--mean"),
            (&["--mean=0.5,0.5", "--std=1,1,1"], "three numbers"),
            (&["--mean=0,0,0", "--std=1,1,1", "--preprocess=tf"], "cannot be used with"),
            (&["--mean=123,116,103", "--std=1,1,1"], "between 0 and 1"),
            (&["--mean=0,0,0", "--std=1,0,1"], "above 0"),
            (&["--mean=0,0,nan", "--std=1,1,1"], "between 0 and 1"),
        ];
        for (arguments, message) in cases {
            let error = options(ModelOptions::default(), arguments).unwrap_err();
            assert!(error.contains(message), "{arguments:?}: {error}");
        }
    }
}
