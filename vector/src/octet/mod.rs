//! Eight elements of a field of BN254 side by side.
//!
//! A value may be held as any representative up to a multiple of the modulus, its *bound*. Callers
//! keep track: each operation says what it takes and gives.

mod modulus;
mod portable;

#[cfg(target_arch = "x86_64")]
mod ifma;

#[cfg(target_arch = "x86_64")]
pub use ifma::Ifma;
pub use modulus::Modulus;
pub use portable::Portable;

/// Elements in one value.
pub const LANES: usize = 8;

/// The largest bound that operands of a multiplication may multiply to.
pub const PRODUCT_BOUND: u32 = 80;
/// The bound of a product and of a reduced value.
pub const REDUCED: u32 = 2;

/// Eight elements side by side.
pub trait Octet: Copy + std::fmt::Debug + Send + Sync + 'static {
    /// The field.
    type Field: Modulus;
    /// The same in 32 bytes an element.
    type Packed: Copy + Send + Sync + std::fmt::Debug + 'static;
    /// Two elements, coordinates of a point, in 64 bytes.
    type Pair: Copy + Send + Sync + std::fmt::Debug + 'static;

    /// Runs `f` with the instructions that this type's operations compile to: `f`, and every closure in
    /// it that works on octets, must be `#[inline(always)]`. Elsewhere operations are correct, but slow.
    fn run<R>(f: impl FnOnce() -> R) -> R;

    /// Takes eight elements. Bound 1.
    fn load(elements: &[Self::Field]) -> Self;
    /// Writes eight elements. Bound 80 or less.
    fn store(self, elements: &mut [Self::Field]);
    /// One element, eight times. Bound 1.
    fn splat(element: Self::Field) -> Self;
    /// Bound 2, or 1 where a value of bound 1 was packed.
    fn unpack(packed: &Self::Packed) -> Self;
    /// Bound 16 or less.
    fn pack(self) -> Self::Packed;

    /// Bounds add up, to 80 or less.
    #[must_use]
    fn add(self, other: Self) -> Self;
    /// `-self` for a value of `bound` 64 or less. Bound: the next power of two.
    #[must_use]
    fn neg(self, bound: u32) -> Self;
    /// Bounds multiply to 80 or less; bound 2.
    #[must_use]
    fn mul(self, other: Self) -> Self;
    /// From bound 16 or less to bound 2.
    #[must_use]
    fn reduce(self) -> Self;

    /// `self - other` for an `other` of `bound` 64 or less. Adds the next power of two to the bound, to 80
    /// or less.
    #[must_use]
    fn sub(self, other: Self, bound: u32) -> Self;
    /// `self` less three others, whose bounds add up to `bound` or less, 64 at most. Adds the next power of
    /// two to the bound, to 80 or less.
    #[must_use]
    fn sub_all(self, others: [Self; 3], bound: u32) -> Self;
    /// `-self` in lanes whose bit is set, for a value of bound 2. Bound 2.
    #[must_use]
    fn neg_where(self, lanes: u8) -> Self;

    /// The last element of `before`, then the first seven of this.
    #[must_use]
    fn behind(self, before: Self) -> Self;
    /// Blocks of `HALF` elements in turn from two values: even blocks, odd blocks. `HALF` is 1, 2 or 4.
    fn split<const HALF: usize>(a: Self, b: Self) -> (Self, Self);
    /// Undoes [`Self::split`].
    fn join<const HALF: usize>(low: Self, high: Self) -> (Self, Self);

    /// A pair of elements.
    fn pair(x: Self::Field, y: Self::Field) -> Self::Pair;
    /// The elements of a pair.
    fn elements(pair: &Self::Pair) -> [Self::Field; 2];
    /// The pair with the second element negated.
    fn mirror(pair: &Self::Pair) -> Self::Pair;
    /// Asks the memory for a pair that is read soon.
    fn prefetch(pair: &Self::Pair);
    /// First and second elements of eight pairs. Bound 2.
    fn load_pairs(pairs: [&Self::Pair; LANES]) -> (Self, Self);
    /// Writes eight pairs of values of bound 16 or less.
    fn store_pairs(x: Self, y: Self, pairs: &mut [Self::Pair; LANES]);
}

/// Setting this variable keeps programs from the machine's vector instructions.
const PORTABLE: &str = "DEEPNODE_PORTABLE";

/// Whether programs compute with [`Ifma`] here: the machine has it and nobody said otherwise.
#[must_use]
pub fn uses_ifma() -> bool {
    has_ifma() && std::env::var_os(PORTABLE).is_none()
}

/// Whether [`Ifma`] runs on this machine.
#[must_use]
pub fn has_ifma() -> bool {
    #[cfg(target_arch = "x86_64")]
    return ifma::is_supported();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

#[cfg(test)]
mod tests;
