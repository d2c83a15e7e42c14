"""Chains of the Gibbs sampler, the models that they are chains of, and the reference at a chain's state."""

import numpy as np
import scipy.sparse as sp

from fastfm_ext._engine.blocks import Block, Blocks, split
from fastfm_ext._learning.solvers.gibbs import Chain
from fastfm_ext._learning.solvers.hyperpriors import GroupPrior, Priors
from fastfm_ext._learning.solvers.likelihoods import Gaussian, OrderedProbit, Probit
from fastfm_ext._reference.hierarchy import SideFeatures
from fastfm_ext._validation.matrices import canonical_csr
from gibbs_cases import GibbsCase


def csr_of(X):
    return canonical_csr(sp.csr_array(X.astype(np.float32)))


def blocks_of(case):
    """Return a case's rows in blocks: fields are groups; in the centered form, groups are relations."""
    if case.side is None:
        return split(csr_of(case.X), case.groups.astype(np.int32))
    blocks, n_side = [], len(case.side.groups)
    for group in np.unique(case.groups):
        units, features = case.groups == group, np.flatnonzero(case.side.F[case.groups == group].any(axis=0))
        ids = case.X[:, units].argmax(axis=1).astype(np.int32)
        relation = csr_of(case.side.F[units][:, features])
        own = (n_side + np.flatnonzero(units)).astype(np.int32)
        blocks.append(Block(features.astype(np.int32), ids, int(units.sum()), None, relation, own))
    groups = np.concatenate([case.side.groups, case.side.groups.max() + 1 + case.groups]).astype(np.int32)
    return Blocks(len(case.X), len(groups), tuple(blocks), groups)


def likelihood_of(case, y):
    if case.n_classes == 0:
        return Gaussian(np.array(y, dtype=float), case.priors.noise_shape, case.priors.noise_rate)
    classes = np.array(y, dtype=np.int64)
    return Probit(classes) if case.n_classes == 2 else OrderedProbit(classes, case.n_classes)


def chain_of(case, y, blocks=None, **options):
    """Return a chain of this model."""
    names = ["kind", "w0_precision", "noise_shape", "noise_rate", "mean_precision", "shape", "rate"]
    weight = None if case.sample_weight is None else case.sample_weight.astype(np.float32)
    return Chain(
        blocks_of(case) if blocks is None else blocks,
        likelihood_of(case, y),
        weight,
        case.k,
        Priors(**{name: getattr(case.priors, name) for name in names}),
        fit_intercept=case.fit_intercept,
        fit_linear=case.fit_linear,
        **options,
    )


# --- states, by the names of ``prior_draws`` --------------------------------------------------------------------------


def relations_of(chain, case):
    """Give the number of each group's relation, its part of the model, and where its block rows are in the case."""
    numbers = sorted(chain._row_priors, key=lambda number: chain.model.parts[number].block.features[0])
    return [(number, chain.model.parts[number], case.groups == group) for group, number in enumerate(numbers)]


def side_owners(case):
    """Return the group that each side group belongs to."""
    first = [np.flatnonzero(case.side.groups == g)[0] for g in range(case.side.groups.max() + 1)]
    return [case.groups[np.flatnonzero(case.side.F[:, i])[0]] for i in first]


def state_of_chain(chain, case):
    """Return a copy of a chain's state."""
    parameters = chain.parameters()
    w, V = parameters.w.astype(float), parameters.V.astype(float)
    state = {"w0": np.array(chain.w0), "alpha": np.array(chain.noise), "w": w, "V": V}
    if case.n_classes:
        state["cuts"] = np.copy(getattr(chain.likelihood, "cuts", np.zeros(1)))
    priors = chain._groups
    if case.side is not None:
        relations = relations_of(chain, case)
        priors = [chain._row_priors[number] for number, _, _ in relations]
        state["w"] = np.concatenate([part.block_rows.w for _, part, _ in relations]).astype(float)
        state["V"] = np.concatenate([part.block_rows.V[:, : case.k] for _, part, _ in relations]).astype(float)
        owners = enumerate(side_owners(case))
        taus = np.array([[priors[g].tau_w[side], priors[g].tau_V[side]] for side, g in owners])
        side = slice(len(case.side.groups))
        state |= {"b_w": w[side, None], "b_V": V[side], "tau_w": taus[:, 0], "tau_V": taus[:, 1]}
    state |= {"mu_w": np.array([[prior.mu_w] for prior in priors]), "mu_V": np.array([prior.mu_V for prior in priors])}
    state["Lambda_w"] = np.array([[[prior.lambda_w]] for prior in priors])
    return state | {"Lambda_V": np.array([prior.lambda_V for prior in priors])}


def set_state_of_chain(chain, case, state):
    """Put a chain into a state, as if it had come there."""
    chain.w0, chain.noise, chain._scores = float(state["w0"]), float(state["alpha"]), None
    if case.n_classes > 2:
        chain.likelihood.cuts = np.copy(state["cuts"])
    chain._groups = [prior_at(state, group) for group in range(len(chain._groups))]
    for part in chain.model.parts:
        names = ("w", "V") if case.side is None else ("b_w", "b_V")
        for to, name in zip([part.features.w[:, None], part.features.V[:, : case.k]], names, strict=True):
            to[...] = state[name][part.block.features].reshape(to.shape)
    for group, (number, part, units) in enumerate(relations_of(chain, case)):
        part.block_rows.w[...], part.block_rows.V[:, : case.k] = state["w"][units], state["V"][units]
        sums = [case.side.F[units] @ state[name] + state[mu][group] for name, mu in [("b_w", "mu_w"), ("b_V", "mu_V")]]
        chain._means[number].w[...], chain._means[number].V[:, : case.k] = sums[0][:, 0], sums[1]
        chain._row_priors[number] = prior_at(state, group)
    for part in chain.model.parts:
        chain.model.follow(part)


def prior_at(state, group):
    group %= len(state["mu_w"])  # where groups are those of features of relations, nobody reads their own
    mu_w, lambda_w = float(state["mu_w"][group, 0]), float(state["Lambda_w"][group, 0, 0])
    return GroupPrior(
        mu_w, lambda_w, state["mu_V"][group], state["Lambda_V"][group], state["tau_w"].copy(), state["tau_V"].copy()
    )


def reference_at(chain, case, y):
    """Return the reference at the state of a chain of numbers, not centered."""
    model, state = case.sampler(y, np.random.default_rng(0)), state_of_chain(chain, case)
    model.w0, model.w, model.V, model.alpha = float(state["w0"]), state["w"], state["V"], float(state["alpha"])
    for name in ["mu", "Lambda"]:
        setattr(model.hyper_w, name, state[f"{name}_w"])
        setattr(model.hyper_V, name, state[f"{name}_V"])
    return model


# --- rows that take every way through the kernels --------------------------------------------------------------------


def one_hot(rng, sizes, n_rows):
    """Return one feature of each field a row, and the field of each feature."""
    X = np.concatenate([np.eye(size)[rng.integers(0, size, n_rows)] for size in sizes], axis=1)
    return X, np.repeat(np.arange(len(sizes)), sizes)


def pair(rng):
    """Two fields, more rows a feature than a panel holds."""
    return one_hot(rng, [3, 4], 300)


def fields(rng):
    """Four fields; one of them has a feature that no row has."""
    X, groups = one_hot(rng, [5, 4, 3, 3], 80)
    X[:, 6] = 0
    return X, groups


def joined(rng):
    """Small fields, of which two groups are joined, and one that stays alone."""
    return one_hot(rng, [2, 2, 2, 2, 2, 2, 3], 80)


def valued(rng):
    """Fields of values, one with a number for all rows; rows that lack some fields, and one that lacks all."""
    X, groups = one_hot(rng, [5, 4, 1], 80)
    X = X * rng.normal(size=X.shape) * (rng.random(X.shape) < 0.8)
    X[0] = 0
    return X, groups


def sets(rng):
    """A field of one feature a row, one of sets, one of sets with values; rows that lack some."""
    X, groups = one_hot(rng, [6, 4, 4], 80)
    X[:, 6:10] = (rng.random((10, 4)) < 0.5)[rng.integers(0, 10, 80)]
    X[:, 10:] = (rng.normal(size=(7, 4)) * (rng.random((7, 4)) < 0.6))[rng.integers(0, 7, 80)]
    return X, groups


ROWS = {rows.__name__: rows for rows in [pair, fields, joined, valued, sets]}


def case_of(name, k, **changes):
    """Return a case with rows of that name, and targets."""
    rng = np.random.default_rng(11)
    X, groups = ROWS[name](rng)
    X = X.astype(np.float32).astype(float)
    return GibbsCase(X, groups, k, **changes), rng.normal(size=len(X)).astype(np.float32).astype(float)


# Each row in a block row of two relations, whose features are of three groups.
RELATIONS = GibbsCase(
    np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 1], [0, 0, 1, 1, 0], [1, 0, 0, 0, 1], [0, 1, 0, 1, 0]], dtype=float),
    groups=np.array([0, 0, 0, 1, 1]),
    k=2,
    side=SideFeatures(np.array([[1, 0, 0], [0.5, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -0.5]]), np.array([0, 1, 2])),
)
