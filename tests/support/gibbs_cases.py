"""Bayesian models of a few parameters, draws from their priors, and how far a chain's moments are from those."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import gamma, wishart

from fastfm_ext._reference.gibbs import GibbsFm
from fastfm_ext._reference.hierarchy import GibbsPriors, SideFeatures

# Light tails, so that fourth moments exist and errors of Monte Carlo can be told.
PRIORS = GibbsPriors(
    kind="normal-gamma", w0_precision=1, noise_shape=5, noise_rate=5, mean_precision=2, shape=5, rate=5,
    degrees=8, scale=1 / 6, tau_shape=5, tau_rate=5, cut_precision=1,
)  # fmt: skip
WISHART = PRIORS._replace(kind="normal-wishart")


@dataclass(frozen=True)
class GibbsCase:
    """A model of n_samples rows without its targets: the arguments of ``GibbsFm``."""

    X: np.ndarray
    groups: np.ndarray
    k: int
    priors: GibbsPriors = PRIORS
    sample_weight: np.ndarray | None = None
    side: SideFeatures | None = None
    n_classes: int = 0
    fit_intercept: bool = True
    fit_linear: bool = True

    def sampler(self, y, rng):
        """Return the reference sampler of this model."""
        return GibbsFm(y=np.asarray(y, dtype=float), rng=rng, **vars(self))

    def having(self, **changes):
        """Return this case with some arguments changed."""
        return replace(self, **changes)


# Values, several features of a group in a row, a row without features.
LITERAL = GibbsCase(
    np.array([[1, 0, 0.5, 1], [0, 1, 1, -1], [1, 1, 2, 0], [0, 0, 0, 0], [1, 0, 0, 1]], dtype=float),
    groups=np.array([0, 0, 1, 1]),
    k=2,
)
# Two blocks, of three block rows made of two side features, and of two block rows made of one; factors of rows.
CENTERED = GibbsCase(
    np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 1], [0, 0, 1, 1, 0], [1, 0, 0, 0, 2], [0, -0.5, 0, 1, 0]], dtype=float),
    groups=np.array([0, 0, 0, 1, 1]),
    k=2,
    side=SideFeatures(np.array([[1, 0, 0], [0.5, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -0.5]]), np.array([0, 0, 1])),
)
# Of some thousand differences in standard errors, which a few dozens of chains tell, none is larger by chance.
LARGEST_Z = 6
# Weights of mean 1: other ones count rows, and have no density of the targets to draw them from.
WEIGHTS = np.array([0.5, 1.5, 1.75, 0.25, 1])


TINY = GibbsCase(np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0], [0, 2, 1]], dtype=float), np.array([0, 0, 1]), k=1)
POSTERIORS = {
    "regression": (TINY, [1.0, -0.5, 1.5, -1.0]),
    "regression-wishart": (
        TINY.having(priors=WISHART, sample_weight=np.array([0.5, 1, 2, 0.5])),
        [1.0, -0.5, 1.5, -1.0],
    ),
    "probit": (TINY.having(n_classes=2), [1.0, 0, 1, 0]),
    "ordered-probit": (TINY.having(n_classes=3), [2.0, 0, 1, 0]),
}


def normals(mean, precision, rng):
    """Draw from N(mean, precision^-1) for each leading index: mean (..., k), precision (..., k, k)."""
    z = rng.standard_normal(np.broadcast_shapes(np.shape(mean), precision.shape[:-1]))
    return mean + np.linalg.solve(np.linalg.cholesky(precision).swapaxes(-1, -2), z[..., None])[..., 0]


def prior_of_hierarchy(case, k, kind, n, rng):
    """Draw a prior of groups and its theta n times: arrays of shape (n, ...) by their name in ``Hierarchy``."""
    prior, d = case.priors, len(case.groups)
    side = case.side or SideFeatures(np.zeros((d, 0)), np.zeros(0, dtype=int))
    n_groups, n_side_groups = case.groups.max() + 1, side.groups.max(initial=-1) + 1
    if kind == "normal-gamma":
        diagonal = gamma(prior.shape, scale=1 / prior.rate).rvs((n, n_groups, k), random_state=rng)
        precision = diagonal[..., None] * np.eye(k)
    else:
        law = wishart(k if prior.degrees is None else prior.degrees, np.eye(k) * prior.scale)
        precision = law.rvs(n * n_groups, random_state=rng).reshape(n, n_groups, k, k)
    mu = normals(np.zeros(k), prior.mean_precision * precision, rng)
    tau = gamma(prior.tau_shape, scale=1 / prior.tau_rate).rvs((n, n_side_groups), random_state=rng)
    owner = [case.groups[np.flatnonzero(f)[0]] for f in side.F.T]
    b = normals(np.zeros(k), tau[:, side.groups, None, None] * precision[:, owner], rng)
    theta = normals(mu[:, case.groups] + side.F @ b, precision[:, case.groups], rng)
    return {"mu": mu, "Lambda": precision, "b": b, "tau": tau, "theta": theta}


def prior_draws(case, n, rng):
    """Draw all parameters from the prior n times: arrays of shape (n, ...) by name."""
    prior = case.priors
    w = prior_of_hierarchy(case, 1, "normal-gamma", n, rng)
    V = prior_of_hierarchy(case, case.k, prior.kind, n, rng)
    draws = {"w0": rng.normal(0, prior.w0_precision**-0.5, n)} if case.fit_intercept else {"w0": np.zeros(n)}
    draws |= {"w": w["theta"][..., 0] if case.fit_linear else np.zeros((n, len(case.groups))), "V": V["theta"]}
    draws |= {"alpha": gamma(prior.noise_shape, scale=1 / prior.noise_rate).rvs(n, random_state=rng)}
    draws |= {"cuts": np.sort(rng.normal(0, prior.cut_precision**-0.5, (n, max(case.n_classes - 1, 0))), axis=1)}
    if case.n_classes:
        draws["alpha"] = np.ones(n)
    if case.n_classes == 2:
        draws["cuts"] = np.zeros((n, 1))
    return draws | {f"{name}_w": w[name] for name in PARTS} | {f"{name}_V": V[name] for name in PARTS}


PARTS = ["mu", "Lambda", "b", "tau"]


def state_of(model):
    """Return a sampler's parameters by the names of ``prior_draws``, copied."""
    state = {name: np.copy(getattr(model, name)) for name in ["w0", "w", "V", "alpha", "cuts"]}
    state |= {f"{name}_w": np.copy(getattr(model.hyper_w, name)) for name in PARTS}
    return state | {f"{name}_V": np.copy(getattr(model.hyper_V, name)) for name in PARTS}


def set_state(model, state):
    """Give a sampler the parameters of ``state_of``."""
    for name in ["w0", "w", "V", "alpha", "cuts"]:
        setattr(model, name, np.copy(state[name]) if np.ndim(state[name]) else float(state[name]))
    for name in PARTS:
        setattr(model.hyper_w, name, np.copy(state[f"{name}_w"]))
        setattr(model.hyper_V, name, np.copy(state[f"{name}_V"]))


def one_of(draws, i):
    """Return draw i of arrays of shape (n, ...)."""
    return {name: values[i] for name, values in draws.items()}


def stacked(states):
    """Return draws of shape (n, ...) from n states."""
    return {name: np.array([state[name] for state in states]) for name in states[0]}


def scores(case, draws):
    """Return the scores of all rows by every pair of features: (n, n_samples)."""
    X = case.X
    p = draws["w0"][:, None] + draws["w"] @ X.T
    for i in range(X.shape[1]):
        for j in range(i):
            p = p + np.sum(draws["V"][:, i] * draws["V"][:, j], axis=1)[:, None] * (X[:, i] * X[:, j])
    return p


def targets(case, draws, rng):
    """Draw targets given parameters: (n, n_samples)."""
    s = np.ones(len(case.X)) if case.sample_weight is None else case.sample_weight
    p = scores(case, draws)
    t = p + rng.standard_normal(p.shape) / np.sqrt(draws["alpha"][:, None] * s)
    if not case.n_classes:
        return t
    return (t[:, :, None] > draws["cuts"][:, None, :]).sum(axis=2).astype(float)


def coordinates(draws, y):
    """Return draws and their targets as rows of numbers: precisions by their logarithms, matrices by correlations."""
    columns = [y, *(draws[name] for name in ["w0", "w", "V", "cuts", "mu_w", "mu_V", "b_w", "b_V"] if name in draws)]
    columns += [np.log(draws[name]) for name in ["alpha", "tau_w", "tau_V"] if name in draws]
    for precision in [draws[name] for name in ["Lambda_w", "Lambda_V"] if name in draws]:
        diagonal = np.diagonal(precision, axis1=-2, axis2=-1)
        scaled = precision / np.sqrt(diagonal[..., None] * diagonal[..., None, :])
        columns += [np.log(diagonal), scaled[..., *np.triu_indices(diagonal.shape[-1], 1)]]
    return np.concatenate([column.reshape(len(y), -1) for column in columns], axis=1)


def accepted(draws, log_likelihood, rng):
    """Keep each draw in proportion to its likelihood: exact draws from the posterior, if the draws are the prior's."""
    return draws[np.log(rng.random(len(draws))) < log_likelihood - log_likelihood.max()]


def log_likelihood(case, y, draws):
    p = scores(case, draws)
    if case.n_classes:
        ends = np.full((len(p), 1), np.inf)
        c = np.concatenate([-ends, draws["cuts"], ends], axis=1)
        classes = np.array(y, dtype=int)
        with np.errstate(divide="ignore"):
            return np.log(ndtr(c[:, classes + 1] - p) - ndtr(c[:, classes] - p)).sum(axis=1)
    s = np.ones(len(y)) if case.sample_weight is None else case.sample_weight
    alpha = draws["alpha"][:, None]
    return np.sum(s / 2 * (np.log(alpha) - alpha * (y - p) ** 2), axis=1)


def posterior_draws(case, y, n, rng):
    """Draw parameters n times from the prior; return those that the targets let through, which are the posterior's."""
    prior = prior_draws(case, n, rng)
    kept = accepted(np.arange(n), log_likelihood(case, np.array(y), prior), rng)
    return {name: values[kept] for name, values in prior.items()}


def z_scores(exact, chains):
    """Return differences of first and second moments, in standard errors, of exact draws (n, m) and (n_chains, n, m).

    The moments are of normal scores, which have light tails whatever the draws have. Draws of one chain are correlated,
    so that its error comes from the differences of chains, or of stretches of one (Geweke, "Getting it right", 2004).
    """
    varies = exact.std(axis=0) > 0
    exact, chains = exact[:, varies], chains[..., varies]
    ordered = np.sort(exact, axis=0)
    i, j = np.triu_indices(exact.shape[1])

    def moments(x):
        columns = zip(ordered.T, x.T, strict=True)
        ranks = [np.searchsorted(a, b) + np.searchsorted(a, b, side="right") for a, b in columns]
        normal = ndtri((np.array(ranks).T + 1) / (2 * len(ordered) + 2))
        return np.concatenate([normal, normal[:, i] * normal[:, j]], axis=1)

    expected, means = moments(exact), np.array([moments(chain).mean(axis=0) for chain in chains])
    variance = expected.var(axis=0) / len(exact) + means.var(axis=0, ddof=1) / len(means)
    return (means.mean(axis=0) - expected.mean(axis=0)) / np.sqrt(variance)
