//! Placing boxes in layers from top to bottom, after Sugiyama: arrows that would run
//! upwards are turned, layers follow from the longest way, boxes are sorted so that few
//! arrows cross, and then moved below and above their neighbours.

/// The room between two boxes of a layer.
const GAP_X: f64 = 24.0;
/// The room between two layers.
const GAP_Y: f64 = 40.0;
/// The width that an arrow takes in a layer that it passes.
const PASS_WIDTH: f64 = 10.0;
/// Beyond this, long arrows are drawn straight, so that the largest workflow is drawn quickly.
const PASSES_MAX: usize = 20_000;
/// The rounds of sorting and moving layers; more hardly improve the picture.
const SWEEPS: usize = 12;

/// A point of the picture.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// The size of a box.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// The places of everything.
#[derive(Debug)]
pub(super) struct Layout {
    /// The middle of each box.
    pub(super) middles: Vec<Point>,
    /// The points of each arrow, from its start to its end: a straight line to every second
    /// one, a curve to the others.
    pub(super) routes: Vec<Vec<Point>>,
    /// The size of the whole.
    pub(super) size: Size,
}

struct Picture {
    sizes: Vec<Size>,
    layer_of: Vec<usize>,
    layers: Vec<Vec<usize>>,
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
    x: Vec<f64>,
    y: Vec<f64>,
    /// The upper and lower border of each layer.
    borders: Vec<(f64, f64)>,
}

/// Places boxes with these sizes and arrows between them; arrows name boxes by index.
pub(super) fn place(sizes: &[Size], arrows: &[(usize, usize)]) -> Layout {
    let turned = turned(sizes.len(), arrows);
    let down = arrows.iter().zip(&turned);
    let down = down.map(|((from, to), turned)| if *turned { (*to, *from) } else { (*from, *to) });
    let down: Vec<(usize, usize)> = down.collect();
    let layer_of = longest_ways(sizes.len(), &down);
    let mut picture = Picture::new(sizes.to_vec(), layer_of);
    let chains = down.iter().map(|(from, to)| picture.link(*from, *to));
    let chains: Vec<Vec<usize>> = chains.collect();
    picture.sort();
    picture.move_sideways();
    let size = picture.stack();
    let routes = picture.routes(&chains, &turned);
    let middles = (0..sizes.len()).map(|node| picture.point(node)).collect();
    Layout {
        middles,
        routes,
        size,
    }
}

/// Finds the arrows that lead back to a box that the walk is still coming from.
fn turned(nodes: usize, arrows: &[(usize, usize)]) -> Vec<bool> {
    let mut out = vec![Vec::new(); nodes];
    for (index, (from, _)) in arrows.iter().enumerate() {
        out[*from].push(index);
    }
    let mut turned = vec![false; arrows.len()];
    let (mut seen, mut on_path) = (vec![false; nodes], vec![false; nodes]);
    for root in 0..nodes {
        let mut path = if seen[root] {
            Vec::new()
        } else {
            vec![(root, 0)]
        };
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            (seen[node], on_path[node]) = (true, true);
            let Some(arrow) = out[node].get(*next).copied() else {
                on_path[node] = false;
                path.pop();
                continue;
            };
            *next += 1;
            let to = arrows[arrow].1;
            turned[arrow] = on_path[to];
            if !seen[to] {
                path.push((to, 0));
            }
        }
    }
    turned
}

/// The layer of each box: one below the lowest of those that lead to it.
fn longest_ways(nodes: usize, down: &[(usize, usize)]) -> Vec<usize> {
    let (mut out, mut waiting_for) = (vec![Vec::new(); nodes], vec![0_usize; nodes]);
    for (from, to) in down.iter().filter(|(from, to)| from != to) {
        out[*from].push(*to);
        waiting_for[*to] += 1;
    }
    let mut layer_of = vec![0_usize; nodes];
    let mut ready: Vec<usize> = (0..nodes).filter(|node| waiting_for[*node] == 0).collect();
    let roots = ready.clone();
    while let Some(node) = ready.pop() {
        for to in &out[node] {
            layer_of[*to] = layer_of[*to].max(layer_of[node] + 1);
            waiting_for[*to] -= 1;
            if waiting_for[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    // What nothing leads to comes down to what it leads to.
    for root in roots {
        let nearest = out[root].iter().map(|to| layer_of[*to]).min().unwrap_or(0);
        layer_of[root] = nearest.saturating_sub(1);
    }
    layer_of
}

impl Picture {
    fn new(sizes: Vec<Size>, layer_of: Vec<usize>) -> Self {
        let depth = layer_of.iter().max().map_or(0, |max| max + 1);
        let mut layers = vec![Vec::new(); depth];
        for (node, layer) in layer_of.iter().enumerate() {
            layers[*layer].push(node);
        }
        let nodes = sizes.len();
        Self {
            sizes,
            layer_of,
            layers,
            above: vec![Vec::new(); nodes],
            below: vec![Vec::new(); nodes],
            x: vec![0.0; nodes],
            y: vec![0.0; nodes],
            borders: Vec::new(),
        }
    }

    /// Leads an arrow through every layer between its ends.
    fn link(&mut self, from: usize, to: usize) -> Vec<usize> {
        let mut chain = vec![from];
        if self.sizes.len() < PASSES_MAX {
            for layer in self.layer_of[from] + 1..self.layer_of[to] {
                chain.push(self.pass(layer));
            }
        }
        chain.push(to);
        for pair in chain.windows(2) {
            if let [upper, lower] = pair {
                self.below[*upper].push(*lower);
                self.above[*lower].push(*upper);
            }
        }
        chain
    }

    fn pass(&mut self, layer: usize) -> usize {
        let node = self.sizes.len();
        self.sizes.push(Size {
            width: PASS_WIDTH,
            height: 0.0,
        });
        self.layer_of.push(layer);
        self.layers[layer].push(node);
        self.above.push(Vec::new());
        self.below.push(Vec::new());
        self.x.push(0.0);
        self.y.push(0.0);
        node
    }

    /// Sorts each layer by the mean place of the neighbours, downwards and upwards in turn.
    fn sort(&mut self) {
        let mut rank = vec![0.0; self.sizes.len()];
        for layer in &self.layers {
            number(layer, &mut rank);
        }
        for sweep in 0..SWEEPS {
            for layer in self.order_of(sweep) {
                let is_down = sweep.is_multiple_of(2);
                let neighbours = if is_down { &self.above } else { &self.below };
                let nodes = std::mem::take(&mut self.layers[layer]);
                let wish = |node: usize| {
                    mean(neighbours[node].iter().map(|other| rank[*other])).unwrap_or(rank[node])
                };
                let mut wished: Vec<(f64, usize)> =
                    nodes.into_iter().map(|node| (wish(node), node)).collect();
                wished.sort_by(|a, b| a.0.total_cmp(&b.0));
                self.layers[layer] = wished.into_iter().map(|(_, node)| node).collect();
                number(&self.layers[layer], &mut rank);
            }
        }
    }

    /// Downwards in even sweeps, upwards in odd ones.
    fn order_of(&self, sweep: usize) -> Vec<usize> {
        let depth = self.layers.len();
        if sweep.is_multiple_of(2) {
            (0..depth).collect()
        } else {
            (0..depth).rev().collect()
        }
    }

    /// Moves the boxes of each layer as near to their neighbours as the order allows; the
    /// last two sweeps look at the neighbours on both sides.
    fn move_sideways(&mut self) {
        for layer in 0..self.layers.len() {
            let wishes = vec![0.0; self.layers[layer].len()];
            self.settle(layer, &wishes);
        }
        for sweep in 0..SWEEPS {
            for layer in self.order_of(sweep) {
                let wish = |node: &usize| {
                    let (above, below) = (self.above[*node].iter(), self.below[*node].iter());
                    let x = |other: &usize| self.x[*other];
                    let wish = match (sweep + 2 >= SWEEPS, sweep.is_multiple_of(2)) {
                        (true, _) => mean(above.chain(below).map(x)),
                        (false, true) => mean(above.map(x)),
                        (false, false) => mean(below.map(x)),
                    };
                    wish.unwrap_or(self.x[*node])
                };
                let wishes: Vec<f64> = self.layers[layer].iter().map(wish).collect();
                self.settle(layer, &wishes);
            }
        }
    }

    /// Places a layer so that the squared distances from the wishes are least while no two
    /// boxes overlap: boxes that push each other are moved together to their mean wish.
    fn settle(&mut self, layer: usize, wishes: &[f64]) {
        let nodes = self.layers[layer].clone();
        let mut offset = 0.0;
        let mut offsets = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            if let Some(before) = index.checked_sub(1).map(|before| nodes[before]) {
                offset += self.distance(before, *node);
            }
            offsets.push(offset);
        }
        let mut groups: Vec<(f64, f64)> = Vec::new();
        for (wish, offset) in wishes.iter().zip(&offsets) {
            let mut group = (wish - offset, 1.0);
            while let Some((sum, count)) =
                groups.pop_if(|(sum, count)| *sum / *count > group.0 / group.1)
            {
                group = (group.0 + sum, group.1 + count);
            }
            groups.push(group);
        }
        let mut left = groups.into_iter();
        let (mut mean, mut count) = (0.0, 0.0);
        for (node, offset) in nodes.iter().zip(&offsets) {
            if count < 0.5
                && let Some((sum, size)) = left.next()
            {
                (mean, count) = (sum / size, size);
            }
            self.x[*node] = mean + offset;
            count -= 1.0;
        }
    }

    fn distance(&self, left: usize, right: usize) -> f64 {
        f64::midpoint(self.sizes[left].width, self.sizes[right].width) + GAP_X
    }

    /// Gives every layer its height, and moves all to where the picture begins.
    fn stack(&mut self) -> Size {
        let mut y = 0.0;
        for layer in &self.layers {
            let heights = layer.iter().map(|node| self.sizes[*node].height);
            let height = heights.fold(0.0, f64::max);
            for node in layer {
                self.y[*node] = y + height / 2.0;
            }
            self.borders.push((y, y + height));
            y += height + GAP_Y;
        }
        let edge = |node: usize, side: f64| self.x[node] + side * self.sizes[node].width / 2.0;
        let lefts = (0..self.x.len()).map(|node| edge(node, -1.0));
        let left = lefts.fold(f64::INFINITY, f64::min);
        let rights = (0..self.x.len()).map(|node| edge(node, 1.0));
        let right = rights.fold(f64::NEG_INFINITY, f64::max);
        if self.x.is_empty() {
            return Size::default();
        }
        for x in &mut self.x {
            *x -= left;
        }
        Size {
            width: right - left,
            height: (y - GAP_Y).max(0.0),
        }
    }

    fn point(&self, node: usize) -> Point {
        Point {
            x: self.x[node],
            y: self.y[node],
        }
    }

    /// The points of each arrow, in pairs: it runs straight from the first to the second of
    /// a pair, inside a layer, and bends between pairs, so that it crosses no box. Where
    /// several meet at a box, each has a place of its own on the border.
    fn routes(&self, chains: &[Vec<usize>], turned: &[bool]) -> Vec<Vec<Point>> {
        let ends = chains.iter().map(|it| (it.first(), it.get(1)));
        let starts = self.ports(ends, 1.0);
        let ends = chains.iter().map(|it| (it.last(), it.iter().nth_back(1)));
        let stops = self.ports(ends, -1.0);
        let routes = chains.iter().zip(starts.into_iter().zip(stops)).zip(turned);
        routes
            .map(|((chain, (start, stop)), turned)| {
                let mut points = Vec::with_capacity(chain.len() * 2);
                for (index, node) in chain.iter().enumerate() {
                    let (top, bottom) = self.borders[self.layer_of[*node]];
                    let at = |x: f64, y: f64| Point { x, y };
                    points.extend(match (index, index + 1 == chain.len()) {
                        (0, _) => [start, at(start.x, bottom)],
                        (_, true) => [at(stop.x, top), stop],
                        (_, false) => [at(self.x[*node], top), at(self.x[*node], bottom)],
                    });
                }
                if *turned {
                    points.reverse();
                }
                points
            })
            .collect()
    }

    /// The points at which arrows touch their boxes: `side` is 1 for the lower border and -1 for
    /// the upper.
    fn ports<'c>(
        &self,
        ends: impl Iterator<Item = (Option<&'c usize>, Option<&'c usize>)>,
        side: f64,
    ) -> Vec<Point> {
        let ends = ends.map(|(own, next)| (own.copied().unwrap_or(0), next.copied().unwrap_or(0)));
        let ends: Vec<(usize, usize)> = ends.collect();
        let mut at: Vec<Vec<usize>> = vec![Vec::new(); self.sizes.len()];
        for (arrow, (own, _)) in ends.iter().enumerate() {
            at[*own].push(arrow);
        }
        let mut points = vec![Point::default(); ends.len()];
        for (node, mut arrows) in at.into_iter().enumerate() {
            arrows.sort_by(|a, b| self.x[ends[*a].1].total_cmp(&self.x[ends[*b].1]));
            let step = self.sizes[node].width * 0.8 / (real(arrows.len()) + 1.0);
            let left = self.x[node] - self.sizes[node].width * 0.4;
            for (place, arrow) in arrows.into_iter().enumerate() {
                let y = self.y[node] + side * self.sizes[node].height / 2.0;
                let x = left + step * (real(place) + 1.0);
                points[arrow] = Point { x, y };
            }
        }
        points
    }
}

fn number(layer: &[usize], rank: &mut [f64]) {
    let middle = real(layer.len()) / 2.0;
    for (place, node) in layer.iter().enumerate() {
        rank[*node] = real(place) - middle;
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}

fn real(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
