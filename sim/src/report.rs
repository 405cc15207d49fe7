//! Payoffs as a table and as a picture.

use std::fmt::Write as _;

use crate::market::Payoff;

/// One line per strategy: profit of a node and epoch, honest profit in the same world, advantage, trust.
#[must_use]
pub fn table(payoffs: &[Payoff]) -> String {
    let mut text = format!(
        "{:20}  {:>12}  {:>12}  {:>10}  {:>6}\n",
        "strategy", "profit, DN", "honest, DN", "advantage", "trust"
    );
    for p in payoffs {
        let mark = if p.strategy.is_out_of_reach() { "  out of reach" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:20}  {:12.4}  {:12.4}  {:+9.1} %  {:6.3}{mark}",
            p.strategy.name(),
            p.profit / 1e6,
            p.honest / 1e6,
            100.0 * p.advantage(),
            p.trust,
        );
    }
    text
}

const ROW: f64 = 26.0;
const LEFT: f64 = 170.0;
const WIDTH: f64 = 420.0;

/// An SVG with a bar per strategy: its profit as a part of the honest one, from -1 to 1.5.
#[must_use]
pub fn plot(payoffs: &[Payoff]) -> String {
    let height = ROW * (payoffs.len() as f64 + 1.5);
    let x = |part: f64| LEFT + WIDTH * (part.clamp(-1.0, 1.5) + 1.0) / 2.5;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"{height:.0}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"640\" height=\"{height:.0}\" fill=\"white\"/>\n"
    );
    for (i, p) in payoffs.iter().enumerate() {
        let y = ROW * (i as f64 + 0.5);
        let part = p.profit / p.honest;
        let (from, to) = (x(0.0).min(x(part)), x(0.0).max(x(part)));
        let color = if p.advantage() <= 0.01 { "#4a7ebb" } else { "#bb4a4a" };
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\">{}</text>\
             <rect x=\"{from:.1}\" y=\"{y:.0}\" width=\"{:.1}\" height=\"18\" fill=\"{color}\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\">{part:.2}</text>",
            LEFT - 8.0,
            y + 14.0,
            p.strategy.name(),
            to - from,
            to + 6.0,
            y + 14.0,
        );
    }
    for (part, name) in [(0.0, "0"), (1.0, "honest")] {
        let _ = writeln!(
            svg,
            "<line x1=\"{0:.1}\" y1=\"0\" x2=\"{0:.1}\" y2=\"{1:.0}\" stroke=\"black\"/>\
             <text x=\"{0:.1}\" y=\"{2:.0}\" text-anchor=\"middle\">{name}</text>",
            x(part),
            height - ROW,
            height - 8.0,
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy::Strategy;

    #[test]
    fn every_strategy_has_a_line_and_a_bar() {
        let of = |strategy| Payoff { strategy, profit: 1.0, honest: 2.0, trust: 0.5 };
        let payoffs: Vec<Payoff> = Strategy::all().into_iter().map(of).collect();
        let (table, plot) = (table(&payoffs), plot(&payoffs));
        for strategy in Strategy::all() {
            assert!(table.contains(&strategy.name()) && plot.contains(&strategy.name()));
        }
        assert_eq!(plot.matches("height=\"18\"").count(), payoffs.len());
    }
}
