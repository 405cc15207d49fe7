//! Whatever the graph: a plan with the rows that were estimated, and witnesses without an objection.

use std::sync::Arc;

use dn_core::statement::Form;
use dn_core::{Scoring, Width};
use dn_testing::{cases, graphs};
use proptest::prelude::*;
use proptest::sample::select;

use super::checker::Checker;
use super::soundness::objections;
use super::weakening::challenges;
use crate::field::CoreFr;
use crate::plan::{count_rows, Frame, Plan};
use crate::witness::{Slot, Witness};

/// Rows of the largest plan that is tried: others say nothing that these do not, and take longer.
const MAX_ROWS: usize = 1 << 14;

proptest! {
    #![proptest_config(cases(24, 2_000))]

    #[test]
    fn soundness_row_21_any_graph_with_a_plan_has_witnesses(
        case in graphs(),
        width in select(&Width::ALL[..]),
        form in select(&[Form::Listed, Form::Digest][..]),
        scoring in select(&[Scoring::Classes, Scoring::None][..]),
    ) {
        let graph = &case.graph;
        let frame = Frame::of(case.inputs.len(), width).with(form).scored(scoring);
        // Readers of one tensor may ask for grids that differ, which no plan has.
        let Ok(rows) = count_rows(graph, &[frame]) else { return Ok(()) };
        if rows[0] > MAX_ROWS {
            return Ok(());
        }
        let plan = Arc::new(Plan::new(graph, frame).unwrap());
        prop_assert_eq!(plan.rows, rows[0]);
        let has_labels = scoring == Scoring::Classes && graph.output_len() > 1;
        let slots = case.inputs.iter().enumerate().map(|(i, input)| Slot {
            input: input.clone(),
            salt: CoreFr::from(i as u64 + 1),
            label: (has_labels && i % 2 == 0).then_some((i % graph.output_len()) as u16),
        });
        let witness = Witness::new(graph, &plan, &slots.collect::<Vec<_>>(), CoreFr::from(1u8));
        let c = Checker::new(&plan, challenges());
        prop_assert_eq!(objections(&c, &c.grid(&witness.unwrap())), Default::default());
    }
}
