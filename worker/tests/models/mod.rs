//! Architectures that people know, with random weights.

use dn_core::quant::{Activation, Geometry, Graph, Node, Part, Shape, Source};

use dn_testing::Random;

/// Adds nodes to a graph, whose last tensor is the current one.
struct Builder<'a> {
    graph: Graph,
    random: &'a mut Random,
}

impl<'a> Builder<'a> {
    fn new(random: &'a mut Random, [channels, height, width]: [usize; 3]) -> Self {
        let input = Shape { channels, height, width };
        Self { graph: Graph { input, nodes: Vec::new() }, random }
    }

    fn last(&self) -> usize {
        self.graph.nodes.len()
    }

    /// A source with random weights and the number of inputs of each output.
    fn source(&mut self, tensor: usize, channels: usize, geometry: Geometry) -> (Source, usize) {
        let inputs = self.graph.shape(tensor).channels / geometry.groups * geometry.taps();
        let weights = self.random.any_bytes(channels * inputs).into_iter().map(i16::from).collect();
        (Source { part: Part::Sum, tensor, geometry, weights }, inputs)
    }

    /// Adds a convolution with a Relu whose values seldom saturate.
    fn convolution(
        &mut self,
        shape: Shape,
        sources: &[(usize, Geometry)],
        pool: usize,
    ) -> &mut Self {
        let (sources, inputs): (Vec<Source>, Vec<usize>) =
            sources.iter().map(|(tensor, g)| self.source(*tensor, shape.channels, *g)).unzip();
        // The sum of n products of int8 is about 2^12 sqrt(n).
        let shift = 5 + inputs.iter().sum::<usize>().ilog2() / 2;
        let shift = (0..shape.channels).map(|o| shift + (o % 3) as u32).collect();
        let bias = (0..shape.channels).map(|o| 100 * (o % 7) as i32 - 300).collect();
        let activation = Activation::relu();
        self.graph.nodes.push(Node { shape, sources, bias, shift, pool, activation });
        self
    }

    fn dense(&mut self, outputs: usize) -> &mut Self {
        let tensor = self.last();
        let Shape { height, width, .. } = self.graph.shape(tensor);
        let whole = Geometry::plain([height, width]);
        self.convolution(Shape::vector(outputs), &[(tensor, whole)], 1)
    }
}

/// A 3x3 kernel that keeps the extents, but for its stride.
fn same(stride: usize) -> Geometry {
    Geometry { stride: [stride; 2], pad: [1; 2], ..Geometry::plain([3, 3]) }
}

/// LeNet-5 on 28x28 images with max pools: 0.4 million multiply-accumulates.
pub(crate) fn lenet(random: &mut Random) -> Graph {
    let mut b = Builder::new(random, [1, 28, 28]);
    let square = |channels, side| Shape { channels, height: side, width: side };
    let first = Geometry { pad: [2; 2], ..Geometry::plain([5, 5]) };
    b.convolution(square(6, 28), &[(0, first)], 2)
        .convolution(square(16, 10), &[(1, Geometry::plain([5, 5]))], 2)
        .dense(120)
        .dense(84)
        .dense(10);
    b.graph
}

/// ResNet-20 on 32x32 images: 41 million multiply-accumulates. A block's second convolution has
/// the block's input as another source.
pub(crate) fn resnet(random: &mut Random) -> Graph {
    let mut b = Builder::new(random, [3, 32, 32]);
    let mut shape = Shape { channels: 16, height: 32, width: 32 };
    b.convolution(shape, &[(0, same(1))], 1);
    for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
        for block in 0..3 {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let input = b.last();
            shape = Shape { channels, height: 32 >> stage, width: 32 >> stage };
            b.convolution(shape, &[(input, same(stride))], 1);
            let skip = Geometry { stride: [stride; 2], ..Geometry::plain([1, 1]) };
            b.convolution(shape, &[(input + 1, same(1)), (input, skip)], 1);
        }
    }
    let last = b.last();
    let mean = Geometry { groups: shape.channels, ..Geometry::plain([8, 8]) };
    b.convolution(Shape::vector(shape.channels), &[(last, mean)], 1).dense(10);
    b.graph
}
