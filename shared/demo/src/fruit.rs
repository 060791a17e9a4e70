//! What the fruits look like, and how one is drawn: an outline, a pattern on it, light from one side.

use crate::random::Random;

type Colour = [f64; 3];

/// A made-up fruit.
pub(crate) struct Fruit {
    pub(crate) name: &'static str,
    skin: Colour,
    mark: Colour,
    pattern: Pattern,
    /// Height over width.
    tallness: f64,
    /// How much narrower the top is than the bottom, 0 to 1.
    taper: f64,
}

#[derive(Clone, Copy)]
enum Pattern {
    Plain,
    Spots,
    Stripes,
    Rings,
    /// The colour runs from skin to mark, bottom to top.
    Blush,
}

const fn fruit(name: &'static str, skin: Colour, mark: Colour, pattern: Pattern, tallness: f64, taper: f64) -> Fruit {
    Fruit { name, skin, mark, pattern, tallness, taper }
}

pub(crate) const FRUITS: [Fruit; 12] = [
    fruit("Amberling", [0.95, 0.65, 0.10], [0.80, 0.35, 0.05], Pattern::Spots, 1.0, 0.0),
    fruit("Blue Tarn", [0.20, 0.30, 0.75], [0.55, 0.65, 0.95], Pattern::Blush, 0.9, 0.0),
    fruit("Cindermelon", [0.35, 0.35, 0.33], [0.85, 0.25, 0.15], Pattern::Stripes, 0.8, 0.0),
    fruit("Dusk Pear", [0.55, 0.40, 0.60], [0.80, 0.65, 0.40], Pattern::Blush, 1.3, 0.5),
    fruit("Emberry", [0.85, 0.10, 0.15], [0.55, 0.02, 0.08], Pattern::Rings, 1.0, 0.1),
    fruit("Frostplum", [0.80, 0.88, 0.95], [0.45, 0.40, 0.70], Pattern::Spots, 1.1, 0.0),
    fruit("Glen Gourd", [0.25, 0.60, 0.20], [0.90, 0.85, 0.30], Pattern::Stripes, 1.4, 0.6),
    fruit("Honeyquill", [0.90, 0.80, 0.45], [0.60, 0.45, 0.15], Pattern::Rings, 1.5, 0.2),
    fruit("Inkfig", [0.15, 0.08, 0.20], [0.45, 0.25, 0.50], Pattern::Plain, 1.2, 0.5),
    fruit("Jade Apple", [0.35, 0.75, 0.50], [0.85, 0.40, 0.35], Pattern::Blush, 0.95, 0.0),
    fruit("Kestrel Lime", [0.60, 0.85, 0.10], [0.30, 0.55, 0.05], Pattern::Spots, 0.75, 0.0),
    fruit("Lanternut", [0.65, 0.35, 0.15], [0.95, 0.70, 0.40], Pattern::Stripes, 1.0, 0.3),
];

/// One picture's circumstances.
struct Scene {
    centre: [f64; 2],
    radius: f64,
    cosine: f64,
    sine: f64,
    light: [f64; 3],
    background: Colour,
    brightness: f64,
    /// Moves the pattern over the skin.
    phase: f64,
}

impl Scene {
    fn new(random: &mut Random) -> Self {
        // Half the angle's tangent gives sine and cosine without a library whose last digit may differ.
        let half_tangent = random.between(-0.2, 0.2);
        let grey = random.between(0.96, 0.98);
        Self {
            centre: [random.between(-0.04, 0.04), random.between(-0.04, 0.04)],
            radius: random.between(0.70, 0.78),
            cosine: (1.0 - half_tangent * half_tangent) / (1.0 + half_tangent * half_tangent),
            sine: 2.0 * half_tangent / (1.0 + half_tangent * half_tangent),
            light: unit([random.between(-0.4, 0.4), random.between(-0.8, -0.3), 0.8]),
            background: std::array::from_fn(|_| grey + random.between(-0.005, 0.005)),
            brightness: random.between(0.9, 1.05),
            phase: random.between(0.0, 1.0),
        }
    }
}

impl Fruit {
    /// `[size, size, 3]`, RGB.
    pub(crate) fn draw(&self, size: usize, random: &mut Random) -> Vec<u8> {
        let scene = Scene::new(random);
        let mut pixels = Vec::with_capacity(size * size * 3);
        for row in 0..size {
            for column in 0..size {
                let at = |index: usize| (index as f64 + 0.5) / size as f64 * 2.0 - 1.0;
                let grain = random.between(-0.015, 0.015);
                let colour = self.colour_at(at(column), at(row), &scene);
                pixels.extend(colour.map(|channel| ((channel + grain).clamp(0.0, 1.0) * 255.0).round() as u8));
            }
        }
        pixels
    }

    fn colour_at(&self, x: f64, y: f64, scene: &Scene) -> Colour {
        let (x, y) = (x - scene.centre[0], y - scene.centre[1]);
        let (across, up) = (x * scene.cosine + y * scene.sine, x * scene.sine - y * scene.cosine);
        let half_height = scene.radius * self.tallness.min(1.2);
        let up = up / half_height;
        let half_width = half_height / self.tallness * (1.0 - self.taper * (up + 1.0) / 2.0).max(0.05);
        let across = across / half_width;
        let distance = across * across + up * up;
        // Half a pixel's worth of both sides of the outline is mixed.
        let cover = ((1.0 - distance) * 12.0 + 0.5).clamp(0.0, 1.0);
        let normal = [across, -up, (1.0 - distance).max(0.0).sqrt()];
        let lit = dot(unit(normal), scene.light).max(0.0);
        let shine = lit.powi(24) * 0.5;
        let skin = mix(self.skin, self.mark, self.marked(across, up, scene.phase));
        std::array::from_fn(|channel| {
            let body = skin[channel] * scene.brightness * (0.35 + 0.65 * lit) + shine;
            scene.background[channel] * (1.0 - cover) + body * cover
        })
    }

    /// How much of the mark's colour a place on the skin has, 0 to 1.
    fn marked(&self, across: f64, up: f64, phase: f64) -> f64 {
        let wave = |place: f64, count: f64| {
            let place = (place * count + phase).rem_euclid(1.0);
            (1.0 - (place - 0.5).abs() * 4.0).clamp(0.0, 1.0)
        };
        match self.pattern {
            Pattern::Plain => 0.0,
            Pattern::Spots => wave(across, 2.5) * wave(up, 2.5),
            Pattern::Stripes => wave(across, 2.0),
            Pattern::Rings => wave(up, 2.0),
            Pattern::Blush => ((up + 1.0) / 2.0).clamp(0.0, 1.0),
        }
    }
}

fn mix(a: Colour, b: Colour, share: f64) -> Colour {
    std::array::from_fn(|channel| a[channel] * (1.0 - share) + b[channel] * share)
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn unit(v: [f64; 3]) -> [f64; 3] {
    let length = dot(v, v).sqrt().max(1e-9);
    v.map(|part| part / length)
}
