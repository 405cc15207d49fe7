//! Files as they arrive from outside: damaged in a few places.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, Index};

/// Longest stretch that one fault takes away or repeats.
const STRETCH: usize = 64;
/// Values of four bytes at the edges of what is counted with them.
const EDGES: [u32; 8] = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];

/// Something that happens to a file on its way.
#[derive(Clone, Debug)]
enum Fault {
    Byte(Index, u8),
    Word(Index, u32),
    Lost(Index, usize),
    Repeated(Index, usize),
    Ended(Index),
}

fn fault() -> impl Strategy<Value = Fault> {
    let at = any::<Index>();
    prop_oneof![
        8 => (at.clone(), any::<u8>()).prop_map(|(at, byte)| Fault::Byte(at, byte)),
        4 => (at.clone(), select(&EDGES[..])).prop_map(|(at, word)| Fault::Word(at, word)),
        2 => (at.clone(), 1..STRETCH).prop_map(|(at, len)| Fault::Lost(at, len)),
        2 => (at.clone(), 1..STRETCH).prop_map(|(at, len)| Fault::Repeated(at, len)),
        1 => at.prop_map(Fault::Ended),
    ]
}

impl Fault {
    fn happens_to(&self, bytes: &mut Vec<u8>) {
        let (Self::Byte(at, _)
        | Self::Word(at, _)
        | Self::Lost(at, _)
        | Self::Repeated(at, _)
        | Self::Ended(at)) = self;
        if bytes.is_empty() {
            return;
        }
        let at = at.index(bytes.len());
        let until = |len: usize| bytes.len().min(at + len);
        match *self {
            Self::Byte(_, byte) => bytes[at] = byte,
            Self::Word(_, word) => {
                for (place, byte) in bytes[at..].iter_mut().zip(word.to_le_bytes()) {
                    *place = byte;
                }
            }
            Self::Lost(_, len) => drop(bytes.drain(at..until(len))),
            Self::Repeated(_, len) => {
                let again = bytes[at..until(len)].to_vec();
                bytes.splice(at..at, again);
            }
            Self::Ended(_) => bytes.truncate(at),
        }
    }
}

/// One of some files, with one to six faults; or bytes that are no such file at all.
pub fn damaged(files: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let hurt = (select(files), vec(fault(), 1..=6)).prop_map(|(mut bytes, faults)| {
        faults.iter().for_each(|fault| fault.happens_to(&mut bytes));
        bytes
    });
    prop_oneof![15 => hurt, 1 => vec(any::<u8>(), 0..256)]
}
