//! Bindings of the contracts, generated from the artifacts under `sdk/abi`.
#![allow(missing_docs, reason = "generated; the documentation stands in contracts/src/interfaces")]
#![allow(clippy::too_many_arguments, reason = "generated")]
#![allow(unreachable_pub, reason = "generated")]

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    DnToken,
    "abi/DnToken.json"
);

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    Staking,
    "abi/Staking.json"
);

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    ModelRegistry,
    "abi/ModelRegistry.json"
);

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    DefaultVerifier,
    "abi/DefaultVerifier.json"
);

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    NarrowVerifier,
    "abi/NarrowVerifier.json"
);

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    WideVerifier,
    "abi/WideVerifier.json"
);

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    MergedDefaultVerifier,
    "abi/MergedDefaultVerifier.json"
);

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    MergedNarrowVerifier,
    "abi/MergedNarrowVerifier.json"
);

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    MergedWideVerifier,
    "abi/MergedWideVerifier.json"
);

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    VerifierRouter,
    "abi/VerifierRouter.json"
);

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    InferenceRollup,
    "abi/InferenceRollup.json"
);

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    Epochs,
    "abi/Epochs.json"
);

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    Validators,
    "abi/Validators.json"
);

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    Emission,
    "abi/Emission.json"
);

alloy::sol!(
    #[sol(rpc)]
    #[derive(Debug)]
    KeyCheck,
    "abi/KeyCheck.json"
);

/// `Probes`, with the rollup's types as it names them.
pub mod probes {
    alloy::sol!(
        #[sol(rpc)]
        #[derive(Debug)]
        Probes,
        "abi/Probes.json"
    );
}
