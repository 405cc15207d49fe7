//! Trees, forests and boosted trees as layers.
//!
//! ```text
//! d_j = 1 if x[f_j] <= t_j               every comparison of a tree, once
//! l_k = 1 if all decisions above leaf k  as many as there are: a sum of d_j and 1 - d_j
//! y   = base + sum over k of value_k l_k
//! ```
//!
//! So exactly one leaf of each tree is 1, and floats are what the file says. Comparisons of all kinds
//! become `<=`: `x > t` is its opposite, `x < t` is `x <=` the number before `t`.

use std::collections::{HashMap, HashSet};

use dn_core::quant::MAX_LEN;

use super::learned::plain_if_single;
use super::rewrite::{node as make, with_int};
use super::Reader;
use crate::onnx::Node;

/// Leaves of the trees that share their layers, about. A kernel has a weight for each, in rows beside those of
/// the values that it reads: with so many its rows are as many as those of a value in a batch of 256.
const BLOCK: usize = 256;
/// Longest way from a root to a leaf.
const MAX_DEPTH: usize = 64;

/// A comparison, and what it leads to.
#[derive(Clone, Copy, Debug)]
struct Branch {
    feature: usize,
    /// Taken to `yes` at or below it.
    threshold: f32,
    yes: i64,
    no: i64,
}

/// One tree: nodes by id.
#[derive(Debug, Default)]
struct Tree {
    branches: HashMap<i64, Branch>,
    leaves: HashSet<i64>,
}

/// A leaf: its node, and what must hold above it.
#[derive(Debug)]
struct Leaf {
    node: i64,
    /// Comparison of its tree, and whether it must hold.
    path: Vec<(usize, bool)>,
}

/// The comparisons of a tree, each once, and its leaves.
#[derive(Debug, Default)]
struct Flat {
    comparisons: Vec<(usize, f32)>,
    leaves: Vec<Leaf>,
}

impl Tree {
    /// The node that no other one leads to.
    fn root(&self) -> Result<i64, String> {
        let children: HashSet<i64> = self.branches.values().flat_map(|b| [b.yes, b.no]).collect();
        let all = self.branches.keys().chain(&self.leaves);
        match all.filter(|id| !children.contains(id)).collect::<Vec<_>>()[..] {
            [root] => Ok(*root),
            _ => Err("a tree does not have one root".to_owned()),
        }
    }

    fn flat(&self) -> Result<Flat, String> {
        let mut flat = Flat::default();
        let mut known = HashMap::new();
        let mut open = vec![(self.root()?, Vec::new())];
        let mut seen = HashSet::new();
        while let Some((node, path)) = open.pop() {
            if !seen.insert(node) {
                return Err("a node of a tree has two parents".to_owned());
            }
            let Some(branch) = self.branches.get(&node) else {
                if !self.leaves.contains(&node) {
                    return Err(format!("a tree has no node {node}"));
                }
                flat.leaves.push(Leaf { node, path });
                continue;
            };
            if path.len() == MAX_DEPTH {
                return Err(format!("a tree is deeper than {MAX_DEPTH}"));
            }
            let next = flat.comparisons.len();
            let key = (branch.feature, branch.threshold.to_bits());
            let at = *known.entry(key).or_insert(next);
            if at == next {
                flat.comparisons.push((branch.feature, branch.threshold));
            }
            for (child, holds) in [(branch.yes, true), (branch.no, false)] {
                let mut path = path.clone();
                // A repeated decision says nothing new; its opposite is never reached.
                match path.iter().find(|(j, _)| *j == at) {
                    Some((_, known)) if *known != holds => continue,
                    Some(_) => {}
                    None => path.push((at, holds)),
                }
                open.push((child, path));
            }
        }
        Ok(flat)
    }
}

/// The trees of a node, in the order of the file.
fn trees(node: &Node) -> Result<Vec<(i64, Tree)>, String> {
    let ints = |name: &str| node.ints(name).unwrap_or_default();
    let (tree_ids, ids) = (ints("nodes_treeids"), ints("nodes_nodeids"));
    let (features, thresholds) = (ints("nodes_featureids"), node.numbers("nodes_values")?);
    let (yes, no) = (ints("nodes_truenodeids"), ints("nodes_falsenodeids"));
    let modes = node.strings("nodes_modes");
    let count = ids.len();
    let lengths =
        [tree_ids.len(), features.len(), thresholds.len(), yes.len(), no.len(), modes.len()];
    if count == 0 || lengths.iter().any(|length| *length != count) {
        return Err("its lists of nodes differ in length".to_owned());
    }
    let mut trees: Vec<(i64, Tree)> = Vec::new();
    let mut index = HashMap::new();
    for i in 0..count {
        let at = *index.entry(tree_ids[i]).or_insert(trees.len());
        if at == trees.len() {
            trees.push((tree_ids[i], Tree::default()));
        }
        let tree = &mut trees[at].1;
        // The largest input at or below it.
        let nearest = thresholds[i] as f32;
        let is_above = f64::from(nearest) > thresholds[i];
        let threshold = if is_above { nearest.next_down() } else { nearest };
        let below =
            || if f64::from(threshold) < thresholds[i] { threshold } else { threshold.next_down() };
        let is_new = !tree.branches.contains_key(&ids[i]) && !tree.leaves.contains(&ids[i]);
        if !is_new {
            return Err("a node of a tree is there twice".to_owned());
        }
        let (threshold, yes, no) = match modes[i] {
            "LEAF" => {
                tree.leaves.insert(ids[i]);
                continue;
            }
            "BRANCH_LEQ" => (threshold, yes[i], no[i]),
            "BRANCH_GT" => (threshold, no[i], yes[i]),
            "BRANCH_LT" => (below(), yes[i], no[i]),
            "BRANCH_GTE" => (below(), no[i], yes[i]),
            other => return Err(format!("comparisons of kind {other:?} are not supported")),
        };
        let feature = usize::try_from(features[i]).map_err(|_| "a feature is negative")?;
        if !threshold.is_finite() {
            return Err("a threshold is not finite".to_owned());
        }
        tree.branches.insert(ids[i], Branch { feature, threshold, yes, no });
    }
    Ok(trees)
}

/// Values of leaves: `(tree, node) -> (output, value)`.
type Values = HashMap<(i64, i64), LeafValues>;

/// Output and value, of one leaf.
type LeafValues = Vec<(usize, f32)>;

fn values(node: &Node, prefix: &str) -> Result<Values, String> {
    let ints = |name: &str| node.ints(&format!("{prefix}_{name}")).unwrap_or_default();
    let (tree_ids, ids, outputs) = (ints("treeids"), ints("nodeids"), ints("ids"));
    let weights = node.numbers(&format!("{prefix}_weights"))?;
    if [ids.len(), outputs.len(), weights.len()].iter().any(|n| *n != tree_ids.len()) {
        return Err("its lists of leaves differ in length".to_owned());
    }
    let mut values = Values::new();
    for i in 0..ids.len() {
        let output = usize::try_from(outputs[i]).map_err(|_| "an output is negative")?;
        let of_leaf: &mut LeafValues = values.entry((tree_ids[i], ids[i])).or_default();
        if of_leaf.iter().any(|(known, _)| *known == output) {
            return Err("a leaf has two values for one output".to_owned());
        }
        of_leaf.push((output, weights[i] as f32));
    }
    Ok(values)
}

/// How the sums become outputs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Second {
    /// They are.
    None,
    /// There is one; the first class has the rest up to 1.
    Rest,
    /// There is one; the first class has its opposite.
    Opposite,
}

impl Reader {
    /// The layers of a `TreeEnsembleRegressor` or `TreeEnsembleClassifier`.
    pub(super) fn ensemble(&mut self, node: &Node) -> Result<Vec<Node>, String> {
        let is_classifier = node.op_type == "TreeEnsembleClassifier";
        let prefix = if is_classifier { "class" } else { "target" };
        let values = values(node, prefix)?;
        let labels = node.count("classlabels_int64s").max(node.count("classlabels_strings"));
        let targets = usize::try_from(node.int("n_targets", 1)).unwrap_or(0);
        let given = values.values().flatten().map(|(output, _)| *output).max().map_or(0, |o| o + 1);
        let (outputs, second) = if is_classifier {
            binary(labels.max(given), &values, node.text("post_transform"))
        } else {
            plain_if_single(node, targets)?;
            (targets, Second::None)
        };
        // With one sum for two classes leaves may name either.
        let named = if second == Second::None { outputs } else { 2 };
        if outputs == 0 || given > named || is_classifier && labels > 0 && given > labels {
            return Err("a leaf names an output that is not there".to_owned());
        }
        // With one sum for two classes it does not matter which of them the leaves name.
        let values = values.into_iter().map(|(leaf, all)| {
            let all = all.into_iter().map(|(o, v)| (if outputs == 1 { 0 } else { o }, v));
            (leaf, all.collect())
        });
        let result = node.output.get(usize::from(is_classifier)).cloned().unwrap_or_default();
        let sums = if second == Second::None { result.clone() } else { format!("{result}@sum") };
        let raw = format!("{result}@raw");
        let mut nodes = self.layers(node, &values.collect(), outputs, &raw)?;
        let post = match node.text("post_transform") {
            "" | "NONE" => "Identity",
            "LOGISTIC" => "Sigmoid",
            "SOFTMAX" if self.is_output(&result) => {
                self.leave_softmax(node, &result);
                "Identity"
            }
            other => return Err(format!("post_transform {other:?} is not supported here")),
        };
        nodes.push(make(post, &[&raw], &sums));
        if second != Second::None {
            let whole =
                self.store(&result, Vec::new(), vec![f64::from(u8::from(second == Second::Rest))]);
            let first = format!("{result}@first");
            nodes.push(make("Sub", &[&whole, &sums], &first));
            nodes.push(with_int(make("Concat", &[&first, &sums], &result), "axis", 1));
        }
        Ok(nodes)
    }

    fn layers(
        &mut self,
        node: &Node,
        values: &Values,
        outputs: usize,
        raw: &str,
    ) -> Result<Vec<Node>, String> {
        let trees = trees(node)?;
        let flat: Vec<Flat> =
            trees.iter().map(|(_, tree)| tree.flat()).collect::<Result<_, String>>()?;
        // Groups of a convolution are equally large: trees are filled up to the largest.
        let most = |count: fn(&Flat) -> usize| flat.iter().map(count).max().unwrap_or(0).max(1);
        let (decisions, leaves) = (most(|f| f.comparisons.len()), most(|f| f.leaves.len()));
        let x = node.operand(0).unwrap_or_default();
        let inputs = self.view(x)?.dims.iter().skip(1).product::<usize>();
        self.count(afford(flat.len(), [decisions, leaves, inputs, outputs])?)?;
        let share = share(node, flat.len())?;
        let of_tree = |(flat, (id, _)): (Flat, &(i64, Tree))| {
            let value = |leaf: &Leaf| values.get(&(*id, leaf.node)).cloned().unwrap_or_default();
            let values = flat.leaves.iter().map(value).collect();
            (flat, values)
        };
        let trees: Vec<_> = flat.into_iter().zip(&trees).map(of_tree).collect();
        let size = Size { decisions, leaves, inputs, outputs };
        // Layer by layer: what reads a tensor is about as many nodes further on for each of them, which a proof
        // pays for where it differs.
        let (mut layers, mut parts): ([Vec<Node>; 3], _) = (Default::default(), Vec::new());
        for (at, trees) in trees.chunks((BLOCK / leaves).max(1)).enumerate() {
            let part = format!("{raw}@{at}");
            let block = Block::new(size, trees, share)?;
            let nodes = self.block(x, size, block, &part);
            layers.iter_mut().zip(nodes).for_each(|(layer, nodes)| layer.extend(nodes));
            parts.push(part);
        }
        let mut nodes = layers.concat();
        parts.push(self.store(raw, vec![outputs], base(node, outputs)?));
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        nodes.push(make("Sum", &parts, raw));
        Ok(nodes)
    }

    /// The layers of one block: its decisions, its leaves, its sums, which are `part`.
    fn block(&mut self, x: &str, size: Size, block: Block, part: &str) -> [Vec<Node>; 3] {
        let Size { decisions, leaves, inputs, outputs } = size;
        let Block { trees, select, thresholds, paths, counts, sums } = block;
        let name = |what: &str| format!("{part}@{what}");
        let [select, thresholds, paths, counts, sums] = [
            self.store(part, vec![inputs, trees * decisions], select),
            self.store(part, vec![trees * decisions], thresholds),
            self.store(part, vec![trees * leaves, decisions, 1], paths),
            self.store(part, vec![trees * leaves], counts),
            self.store(part, vec![trees * leaves, outputs], sums),
        ];
        let (zero, long) =
            (self.store(part, Vec::new(), vec![0.0]), self.store_integers(part, &[0, -1, 1]));
        let flat_again = self.store_integers(part, &[0, -1]);
        let at_least = |of: &str, to: &str| make("GreaterOrEqual", &[of, &zero], to);
        let decided = vec![
            make("MatMul", &[x, &select], &name("below")),
            make("Add", &[&name("below"), &thresholds], &name("left")),
            at_least(&name("left"), &name("bits")),
        ];
        let count = make("Conv", &[&name("decisions"), &paths, &counts], &name("counts"));
        let reached = vec![
            make("Reshape", &[&name("bits"), &long], &name("decisions")),
            with_int(count, "group", trees as i64),
            at_least(&name("counts"), &name("reached")),
        ];
        let summed = vec![
            make("Reshape", &[&name("reached"), &flat_again], &name("leaves")),
            make("MatMul", &[&name("leaves"), &sums], part),
        ];
        [decided, reached, summed]
    }
}

/// Sizes of all blocks.
#[derive(Clone, Copy, Debug)]
struct Size {
    /// Of one tree, at most.
    decisions: usize,
    /// Of one tree, at most.
    leaves: usize,
    inputs: usize,
    outputs: usize,
}

/// The numbers of some trees' layers.
#[derive(Debug)]
struct Block {
    trees: usize,
    /// `[inputs, decisions]`
    select: Vec<f64>,
    /// `[decisions]`
    thresholds: Vec<f64>,
    /// `[leaves, decisions of one tree]`
    paths: Vec<f64>,
    /// `[leaves]`
    counts: Vec<f64>,
    /// `[leaves, outputs]`
    sums: Vec<f64>,
}

impl Block {
    /// Trees with the values of their leaves, each of which counts for `share`.
    fn new(size: Size, trees: &[(Flat, Vec<LeafValues>)], share: f64) -> Result<Self, String> {
        let Size { decisions, leaves, inputs, outputs } = size;
        let columns = trees.len() * decisions;
        let mut block = Self {
            trees: trees.len(),
            select: vec![0.0; inputs * columns],
            thresholds: vec![1.0; columns],
            paths: vec![0.0; trees.len() * leaves * decisions],
            counts: Vec::new(),
            sums: vec![0.0; trees.len() * leaves * outputs],
        };
        for (t, (flat, values)) in trees.iter().enumerate() {
            for (j, (feature, threshold)) in flat.comparisons.iter().enumerate() {
                if *feature >= inputs {
                    return Err(format!("feature {feature} of {inputs} is compared"));
                }
                block.select[feature * columns + t * decisions + j] = -1.0;
                block.thresholds[t * decisions + j] = f64::from(*threshold);
            }
            for (k, (leaf, values)) in flat.leaves.iter().zip(values).enumerate() {
                let row = t * leaves + k;
                let mut count = 0.5;
                for (j, holds) in &leaf.path {
                    block.paths[row * decisions + j] = if *holds { 1.0 } else { -1.0 };
                    count -= f64::from(u8::from(*holds));
                }
                block.counts.push(count);
                for (output, value) in values {
                    block.sums[row * outputs + output] += f64::from(*value) * share;
                }
            }
            // Trees with fewer leaves are filled up with some that nothing reaches.
            block.counts.resize((t + 1) * leaves, -1.0);
        }
        Ok(block)
    }
}

/// How many sums a classifier has, and what becomes of them. Where the leaves of two classes name one
/// only, the other one has the rest if values are shares, or the opposite if they are scores.
fn binary(labels: usize, values: &Values, post: &str) -> (usize, Second) {
    let all = || values.values().flatten();
    let first = all().next().map_or(0, |(output, _)| *output);
    if labels != 2 || all().any(|(output, _)| *output != first) {
        return (labels, Second::None);
    }
    let are_shares = post == "LOGISTIC" || all().all(|(_, value)| *value >= 0.0);
    (1, if are_shares { Second::Rest } else { Second::Opposite })
}

/// Weights of the layers of so many trees, each as large as the largest, if these are not too large.
fn afford(trees: usize, sizes: [usize; 4]) -> Result<usize, String> {
    let [decisions, leaves, inputs, outputs] = sizes;
    let widest =
        leaves.saturating_mul(decisions.max(outputs)).max(decisions.saturating_mul(inputs));
    if trees.saturating_mul(widest) > MAX_LEN {
        return Err("its trees have too many decisions: use fewer or smaller ones".to_owned());
    }
    let numbers = inputs.saturating_mul(decisions);
    let numbers = numbers.saturating_add(leaves.saturating_mul(decisions.saturating_add(outputs)));
    Ok(trees.saturating_mul(numbers))
}

/// What one tree of `trees` counts for.
fn share(node: &Node, trees: usize) -> Result<f64, String> {
    match node.text("aggregate_function") {
        "" | "SUM" => Ok(1.0),
        "AVERAGE" => Ok(1.0 / trees as f64),
        other => Err(format!("aggregate_function {other:?} is not supported")),
    }
}

/// What every output begins with.
fn base(node: &Node, outputs: usize) -> Result<Vec<f64>, String> {
    let base: Vec<f64> = node.numbers("base_values")?;
    match base.len() {
        0 => Ok(vec![0.0; outputs]),
        n if n == outputs => Ok(base),
        n => Err(format!("it has {n} base_values for {outputs} sums")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::Attribute;

    fn attribute(name: &str, change: impl FnOnce(&mut Attribute)) -> Attribute {
        let mut attribute = Attribute { name: name.to_owned(), ..Attribute::default() };
        change(&mut attribute);
        attribute
    }

    /// A node with one tree of `(id, mode, threshold, yes, no)`.
    fn ensemble(nodes: &[(i64, &str, f32, i64, i64)]) -> Node {
        let ints = |name: &str, of: fn(&(i64, &str, f32, i64, i64)) -> i64| {
            attribute(name, |a| a.ints = nodes.iter().map(of).collect())
        };
        let modes = |a: &mut Attribute| {
            a.strings = nodes.iter().map(|n| n.1.as_bytes().to_vec()).collect();
        };
        let all = vec![
            ints("nodes_treeids", |_| 0),
            ints("nodes_nodeids", |n| n.0),
            ints("nodes_featureids", |_| 0),
            ints("nodes_truenodeids", |n| n.3),
            ints("nodes_falsenodeids", |n| n.4),
            attribute("nodes_values", |a| a.floats = nodes.iter().map(|n| n.2).collect()),
            attribute("nodes_modes", modes),
        ];
        Node { attribute: all, ..Node::default() }
    }

    fn flat(nodes: &[(i64, &str, f32, i64, i64)]) -> Result<Flat, String> {
        trees(&ensemble(nodes))?[0].1.flat()
    }

    #[test]
    fn a_tree_begins_at_the_node_that_nobody_leads_to() {
        let leaf = |id| (id, "LEAF", 0.0, 0, 0);
        let flat = flat(&[leaf(1), leaf(2), (7, "BRANCH_LT", 1.5, 1, 2)]).unwrap();
        assert_eq!(flat.comparisons, [(0, 1.5f32.next_down())]);
        let paths: Vec<_> = flat.leaves.iter().map(|l| (l.node, l.path.clone())).collect();
        assert_eq!(paths, [(2, vec![(0, false)]), (1, vec![(0, true)])]);
    }

    #[test]
    fn layers_of_any_size_are_counted() {
        assert_eq!(afford(100, [63, 64, 30, 2]), Ok(100 * (30 * 63 + 64 * 65)));
        for sizes in [[1 << 40, 1, 1, 1], [1, 2, 1, 1 << 62], [1 << 14, 1 << 14, 1, 1]] {
            assert!(afford(2, sizes).is_err(), "{sizes:?}");
        }
    }

    /// Neither may end in a walk without end, or in one that grows twofold with each node.
    #[test]
    fn what_is_no_tree_is_refused() {
        let leaf = |id| (id, "LEAF", 0.0, 0, 0);
        let branch = |id, yes, no| (id, "BRANCH_LEQ", id as f32, yes, no);
        for (nodes, why) in [
            (vec![branch(0, 0, 1), leaf(1)], "one root"),
            (vec![branch(0, 1, 2), branch(1, 1, 2), leaf(2)], "two parents"),
            (vec![branch(0, 1, 1), leaf(1)], "two parents"),
            (vec![branch(0, 1, 2), leaf(1)], "no node 2"),
            (vec![branch(0, 1, 2), leaf(1), leaf(2), leaf(2)], "there twice"),
            (vec![branch(0, 1, 2), leaf(1), leaf(2), leaf(3)], "one root"),
        ] {
            let said = flat(&nodes).unwrap_err();
            assert!(said.contains(why), "{nodes:?}: {said}");
        }
    }
}
