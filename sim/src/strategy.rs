//! What nodes may try.

/// How a group of nodes behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strategy {
    /// Answers what it takes, rightly.
    Honest,
    /// Is there half of the time, and takes work as if it were there.
    Lazy,
    /// Makes up this part of its answers instead of running the model.
    Lying(f64),
    /// Holds four times the work that it can do: most of its leases run out.
    Hoarding,
    /// The same stake and capacity under ten names.
    SybilSplit,
    /// A developer with workers, provers and a third of the validators orders from itself.
    SelfDealing,
    /// Validators with this part of the stake praise the group and slander the rest.
    Colluding(f64),
    /// Takes one batch in five on lease and proves it not.
    WithholdingProver,
    /// Always first, by leaving out every tenth layer: a tenth of its answers is wrong.
    FastButWrong,
    /// Makes up a fifth of its answers, and takes a new name when its trust has fallen.
    Whitewashing,
    /// Changes its key every day.
    KeySwapping,
    /// A third of the validators asks only easy questions of the group's model version.
    BribedProbes,
}

impl Strategy {
    /// Every case, honest first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        vec![
            Self::Honest,
            Self::Lazy,
            Self::Lying(0.01),
            Self::Lying(0.3),
            Self::Hoarding,
            Self::SybilSplit,
            Self::SelfDealing,
            Self::Colluding(0.3),
            Self::Colluding(0.45),
            Self::Colluding(0.6),
            Self::WithholdingProver,
            Self::FastButWrong,
            Self::Whitewashing,
            Self::KeySwapping,
            Self::BribedProbes,
        ]
    }

    /// What it is called.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Honest => "honest".into(),
            Self::Lazy => "lazy".into(),
            Self::Lying(p) => format!("lying, {:.0} %", p * 100.0),
            Self::Hoarding => "hoarding".into(),
            Self::SybilSplit => "sybil split".into(),
            Self::SelfDealing => "self-dealing".into(),
            Self::Colluding(p) => format!("colluding, {:.0} %", p * 100.0),
            Self::WithholdingProver => "withholding prover".into(),
            Self::FastButWrong => "fast but wrong".into(),
            Self::Whitewashing => "whitewashing".into(),
            Self::KeySwapping => "key swapping".into(),
            Self::BribedProbes => "bribed probes".into(),
        }
    }

    /// Whether the rules promise nothing against it: who has most of the validators' stake says what
    /// it likes of completion, uptime and speed.
    #[must_use]
    pub fn is_out_of_reach(self) -> bool {
        matches!(self, Self::Colluding(part) if part >= 0.5)
    }

    /// Part of the answers that are wrong.
    pub(crate) fn wrong(self) -> f64 {
        match self {
            Self::Lying(p) => p,
            Self::FastButWrong => 0.1,
            Self::Whitewashing => 0.2,
            _ => 0.0,
        }
    }

    /// Part of the time in which it is there.
    pub(crate) fn presence(self) -> f64 {
        match self {
            Self::Lazy => 0.5,
            _ => 0.99,
        }
    }

    /// Work held for each piece that it can do in the time of a lease.
    pub(crate) fn greed(self) -> f64 {
        match self {
            Self::Hoarding => 4.0,
            _ => 1.0,
        }
    }

    /// Speed that validators measure.
    pub(crate) fn speed(self) -> f64 {
        match self {
            Self::FastButWrong => 1.0,
            Self::Lying(p) => 0.5 + p / 2.0,
            _ => 0.5,
        }
    }
}
