//! Several columns to a commitment: [`dn_core::groups`].

use std::io;

use dn_circuits::assignment::SecondPhase;
use dn_circuits::Plan;
use dn_core::groups::{Group, Part, Place, PIECES};
use dn_vector::column::{inner_product, pack, powers_in_order, reverse_bits, unpack};
use dn_vector::Column;
use ff::Field;
use halo2_proofs::halo2curves::bn256::{Fr, G1Affine, G1};
use halo2_proofs::halo2curves::group::Curve as _;
use halo2_proofs::transcript::TranscriptWrite as _;
use rand_chacha::ChaCha20Rng;
use rayon::prelude::*;

use super::arithmetic::Arithmetic;
use super::circuit::{draw, write_points, Circuit, Writer};
use super::grid::Grid;
use super::group_opening::{flatten, GroupOpening, Term};
use super::opening::Polynomial;
use super::scheme::{Openings, Polynomials};

/// Groups and what they are committed to by.
#[derive(Debug)]
pub(crate) struct Merged<A: Arithmetic> {
    grid: Grid<A>,
    groups: Vec<Group>,
}

impl<A: Arithmetic> Merged<A> {
    pub(crate) fn new(grid: Grid<A>, groups: Vec<Group>) -> Self {
        Self { grid, groups }
    }

    fn of(&self, part: Part) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(move |g| g.part == part)
    }

    /// Commitments to the groups of fixed columns of a plan.
    pub(crate) fn commit_fixed(&self, plan: &Plan) -> Vec<G1Affine> {
        let groups: Vec<&Group> = self.of(Part::Fixed).collect();
        let commit = |group: &&Group| {
            let column = |p: &Place| {
                let mut column: Vec<Fr> = plan.fixed_column(p.column).collect();
                column.resize(1 << plan.k, Fr::ZERO);
                turn(&mut column, p.rotation);
                column
            };
            let columns: Vec<Vec<Fr>> = group.places.iter().map(column).collect();
            self.grid.commit(&columns.iter().map(Vec::as_slice).collect::<Vec<_>>()).to_affine()
        };
        groups.par_iter().map(commit).collect()
    }

    /// Values in the order in which places count them.
    fn terms<'a>(
        &self,
        v: Fr,
        values: &[Fr],
        columns: &Columns<'a, A>,
    ) -> Vec<Vec<Term<'a, A::Fr>>> {
        let mut places: Vec<Vec<Term<'a, A::Fr>>> = Vec::new();
        places.resize_with(self.grid.places(), Vec::new);
        let mut turned = columns.turned.iter();
        for (group, weight) in self.groups.iter().zip(powers_in_order(v, self.groups.len())) {
            for (terms, place) in places.iter_mut().zip(&group.places) {
                let polynomial = match group.part {
                    Part::Phase(_) => Polynomial::Coefficients(&columns.advice[place.column]),
                    Part::Quotient => Polynomial::Coefficients(&columns.pieces[place.column]),
                    Part::Fixed if place.rotation == 0 => {
                        Polynomial::Values(&columns.fixed[place.column])
                    }
                    Part::Fixed => {
                        Polynomial::Values(turned.next().expect("a column for each query"))
                    }
                };
                let (here, before) = (values[place.here], place.before.map(|i| values[i]));
                terms.push(Term { polynomial, weight, here, before });
            }
        }
        places
    }

    /// The fixed columns that are queried in another row, shifted, in the order of their places.
    fn turned(&self, fixed: &[Column<A::Fr>]) -> Vec<Column<A::Fr>> {
        let places = self.of(Part::Fixed).flat_map(|g| &g.places).filter(|p| p.rotation != 0);
        let turned = |place: &Place| {
            let mut column = unpack::<A::Fr>(&fixed[place.column]);
            turn(&mut column, place.rotation);
            pack::<A::Fr>(&column)
        };
        places.map(turned).collect()
    }
}

/// Columns that are opened.
struct Columns<'a, A: Arithmetic> {
    advice: &'a [Column<A::Fr>],
    pieces: &'a [Column<A::Fr>],
    fixed: &'a [Column<A::Fr>],
    turned: &'a [Column<A::Fr>],
}

/// Row `rotation` comes to row 0.
fn turn(column: &mut [Fr], rotation: i32) {
    let by = rotation.unsigned_abs() as usize % column.len();
    if rotation < 0 {
        column.rotate_right(by);
    } else {
        column.rotate_left(by);
    }
}

/// Cuts the quotient, of degree `2 n - 3`, behind `n - 2` coefficients, and blinds the cut: with `b + b' X` for `blinders`
/// the pieces are `q mod X^(n-2) + X^(n-2) (b + b' X)` and `q div X^(n-2) - b - b' X`.
fn cut(low: &[Fr], high: &[Fr], blinders: [Fr; 2]) -> [Vec<Fr>; PIECES] {
    let end = low.len() - 2;
    let first = low[..end].iter().copied().chain(blinders).collect();
    let mut second: Vec<Fr> = low[end..].iter().chain(&high[..end]).copied().collect();
    second.iter_mut().zip(blinders).for_each(|(x, b)| *x -= b);
    [first, second]
}

impl<A: Arithmetic> Openings<A> for Merged<A> {
    fn commit_first(&self, columns: &[Vec<Fr>]) -> Vec<G1> {
        let groups: Vec<&Group> = self.of(Part::Phase(0)).collect();
        let commit = |group: &&Group| {
            let column = |p: &Place| columns[p.column].as_slice();
            self.grid.commit(&group.places.iter().map(column).collect::<Vec<_>>())
        };
        groups.par_iter().map(commit).collect()
    }

    fn commit_second(&self, columns: &SecondPhase) -> Vec<G1> {
        let lanes = columns.helpers.len();
        let in_phase_1 = self.of(Part::Phase(0)).map(|g| g.places.len()).sum::<usize>();
        // A helper is the sum of two columns that are cheap to commit to.
        let summand = |i: usize, place: &Place| match place.column - in_phase_1 {
            helper if helper < lanes => columns.helpers[helper][i].as_slice(),
            column if i == 0 => columns.accumulators[column - lanes].as_slice(),
            _ => &[],
        };
        let groups: Vec<&Group> = self.of(Part::Phase(1)).collect();
        let commit = |group: &&Group| {
            let summands = |i| {
                let columns: Vec<&[Fr]> = group.places.iter().map(|p| summand(i, p)).collect();
                self.grid.commit(&columns)
            };
            summands(0) + summands(1)
        };
        groups.par_iter().map(commit).collect()
    }

    fn mask(
        &self,
        _circuit: &Circuit<A>,
        _rng: &mut ChaCha20Rng,
        _transcript: &mut Writer,
    ) -> io::Result<Vec<Vec<Fr>>> {
        Ok(Vec::new())
    }

    fn send_quotient(
        &self,
        circuit: &Circuit<A>,
        pieces: Vec<Column<A::Fr>>,
        rng: &mut ChaCha20Rng,
        transcript: &mut Writer,
    ) -> io::Result<Vec<Column<A::Fr>>> {
        let in_order = |piece: &Column<A::Fr>| {
            let mut coefficients = unpack::<A::Fr>(piece);
            reverse_bits(&mut coefficients);
            coefficients
        };
        let whole: Vec<Vec<Fr>> = pieces.par_iter().map(in_order).collect();
        drop(pieces);
        let blinders = [(); 2].map(|()| Fr::random(&mut *rng));
        let mut pieces = cut(&whole[0], &whole[1], blinders);
        drop(whole);
        pieces.iter_mut().for_each(|piece| reverse_bits(piece));
        let pieces: Vec<Column<A::Fr>> = pieces.iter().map(|p| pack::<A::Fr>(p)).collect();
        let values: Vec<Vec<Fr>> =
            pieces.par_iter().map(|p| unpack::<A::Fr>(&circuit.domain.evaluate(p))).collect();
        let values: Vec<&[Fr]> = values.iter().map(Vec::as_slice).collect();
        write_points(transcript, &[self.grid.commit(&values)])?;
        Ok(pieces)
    }

    fn open(
        &self,
        circuit: &Circuit<A>,
        plan: &Plan,
        polynomials: &Polynomials<'_, A>,
        transcript: &mut Writer,
    ) -> io::Result<()> {
        let x = draw(transcript);
        let Polynomials { advice, pieces, .. } = *polynomials;
        let points = circuit.points(x);
        let values = circuit.values(plan, advice, points);
        let of_piece = |piece: &Column<A::Fr>| inner_product::<A::Fr>(piece, &values.at_x);
        let mut claimed = [values.advice, values.fixed].concat();
        claimed.push(of_piece(&pieces[1]));
        claimed.iter().try_for_each(|v| transcript.write_scalar(*v))?;
        claimed.push(of_piece(&pieces[0]));
        let v = draw(transcript);
        let turned = self.turned(&values.columns);
        let columns = Columns { advice, pieces, fixed: &values.columns, turned: &turned };
        let terms = self.terms(v, &claimed, &columns);
        let rows = (circuit.omega, circuit.rows());
        let opening = GroupOpening::new(&circuit.domain, rows, &terms, points);
        drop(terms);
        drop((turned, values.columns));
        write_points(transcript, &[self.grid.commit_cells(&flatten::<A::Fr>(opening.first()))])?;
        let u = draw(transcript);
        let second = opening.second(u);
        drop(opening);
        write_points(transcript, &[self.grid.commit_cells(&flatten::<A::Fr>(&second))])
    }
}
