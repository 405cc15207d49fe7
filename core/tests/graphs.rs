//! What graphs tell of themselves holds for whatever they are run on.

use dn_core::quant::{execute, execute_batch, trace, MAX_ABS_ACCUMULATOR};
use dn_testing::{cases, graphs};
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases(300, 20_000))]

    #[test]
    fn accumulators_and_quotients_stay_in_their_ranges(case in graphs()) {
        let graph = &case.graph;
        prop_assert_eq!(graph.validate(), Ok(()));
        let outputs = execute_batch(graph, &case.inputs);
        for (input, output) in case.inputs.iter().zip(&outputs) {
            prop_assert_eq!(output.len(), graph.output_len());
            prop_assert_eq!(output, &execute(graph, input));
            let trace = trace(graph, input);
            for (i, node) in graph.nodes.iter().enumerate() {
                let (least, most) = graph.quotient_range(i);
                let (widest_least, widest_most) = graph.widest_quotient_range(i);
                prop_assert!(widest_least <= least && most <= widest_most);
                for (at, accumulator) in trace.accumulators[i].iter().enumerate() {
                    let o = at / node.shape.positions();
                    let accumulator = i64::from(*accumulator);
                    let (low, high) = node.accumulator_range(o);
                    prop_assert!((low..=high).contains(&accumulator));
                    prop_assert!(accumulator.abs() <= MAX_ABS_ACCUMULATOR);
                    let half = (1i64 << node.shift[o]) >> 1;
                    prop_assert!((least..=most).contains(&((accumulator + half) >> node.shift[o])));
                }
            }
        }
    }
}
