"""The peers: how each is installed, what it can do, and the settings that its search tries.

Every search has the same budget: six settings for each loss, around values that are good for the library on other data
or in its documentation, and the best is the one of least validation loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

Settings = dict[str, float]

CHECKOUT = "this checkout"


def grid(**values: Sequence[float]) -> list[Settings]:
    """Return every combination of the values."""
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


@dataclass(frozen=True)
class PeerSpec:
    """A peer.

    Attributes
    ----------
    name : str
        For tables and plots.
    adapter : str
        The file in ``adapters/``, without ``.py``; empty where there is nothing to run.
    requirements : sequence of str
        What pip installs into the peer's environment; `CHECKOUT` stands for this repository.
    grids : mapping of str to list of dict
        For each loss ("squared", "logistic") the settings to search; empty where qualities can't be compared.
    defaults : mapping of str to dict
        For each loss the settings of the throughput runs.
    threads : sequence of int
        The numbers of threads to time.
    row_limits : mapping of str to int
        Workloads with fewer training rows than the others get in the throughput runs, because the peer is slow.
    max_columns : int
        The most nonzeros of a row that the peer's model is for.
    build_requirements : sequence of str
        Installed first, and the build then not isolated: for packages whose build does not say what it needs.
    note : str
        For the reader of the table.
    """

    name: str
    adapter: str
    requirements: Sequence[str]
    grids: Mapping[str, list[Settings]] = field(default_factory=dict)
    defaults: Mapping[str, Settings] = field(default_factory=dict)
    threads: Sequence[int] = (1,)
    row_limits: Mapping[str, int] = field(default_factory=dict)
    max_columns: int = 10**6
    build_requirements: Sequence[str] = ()
    note: str = ""

    @property
    def environment(self) -> str:
        """Name of the environment, which peers of the same package share."""
        return "fastfm-ext" if CHECKOUT in self.requirements else self.requirements[0].partition("==")[0]


COMMON = ("numpy==2.4.6", "scipy==1.17.1")
SCIKIT_LEARN = "scikit-learn==1.9.1"
MODERN_FM_L2 = [{"l2_linear": 0.01, "l2_factors": 0.05}, {"l2_linear": 0.003, "l2_factors": 0.03}]

PEERS = [
    PeerSpec(
        "fastfm-ext",
        "fastfm_ext_fm",
        (CHECKOUT, *COMMON, SCIKIT_LEARN),
        grids={
            "squared": [
                rate | l2
                for rate, l2 in product(
                    grid(learning_rate=(0.05, 0.1, 0.2)), [{"l2_w": 0.01, "l2_V": 0.05}, {"l2_w": 0.003, "l2_V": 0.03}]
                )
            ],
            "logistic": [
                rate | l2 | {"init_stdev": 0.1}
                for rate, l2 in product(
                    grid(learning_rate=(0.1, 0.2, 0.4)),
                    [{"l2_w": 0.001, "l2_V": 0.003}, {"l2_w": 0.001, "l2_V": 0.01}],
                )
            ],
        },
        defaults={"squared": {}, "logistic": {}},
        threads=(1, 2),
    ),
    PeerSpec(
        "modern-fm",
        "modern_fm_fm",
        ("modern-fm==1.1.2", *COMMON, SCIKIT_LEARN),
        grids={
            "squared": [
                rate | l2 | {"init_scale": 0.01}
                for rate, l2 in product(grid(learning_rate=(0.05, 0.1, 0.2)), MODERN_FM_L2)
            ],
            "logistic": [
                rate | l2 | {"init_scale": 0.1}
                for rate, l2 in product(
                    grid(learning_rate=(0.1, 0.2, 0.4)),
                    [{"l2_linear": 0.001, "l2_factors": 0.003}, {"l2_linear": 0.001, "l2_factors": 0.01}],
                )
            ],
        },
        defaults={"squared": {}, "logistic": {}},
        threads=(1, 2),
    ),
    PeerSpec(
        "modern-fm, batches of 512",
        "modern_fm_fm",
        ("modern-fm==1.1.2", *COMMON, SCIKIT_LEARN),
        defaults={"squared": {"batch_size": 512}, "logistic": {"batch_size": 512}},
        threads=(1, 2),
        note="faster, and learns less in an epoch; the search of the time to quality leaves it out",
    ),
    PeerSpec(
        "LightFM",
        "lightfm_mf",
        ("rectools-lightfm==1.17.3", *COMMON, SCIKIT_LEARN),
        defaults={"squared": {}},
        threads=(1, 2),
        max_columns=2,
        note="logistic loss over rating >= 4; users and items only, and no RMSE to compare",
    ),
    PeerSpec(
        "myFM",
        "myfm_fm",
        ("myfm==0.4.0", *COMMON),
        grids={loss: grid(init_stdev=(0.03, 0.1, 0.3), alpha_0=(1.0, 10.0)) for loss in ("squared", "logistic")},
        defaults={"squared": {}, "logistic": {}},
        row_limits={"ctr1": 20_000},
        note="Gibbs sampling: an epoch is a sweep; probit instead of logistic",
    ),
    PeerSpec(
        "xLearn",
        "xlearn_fm",
        ("xlearn==0.40a1", *COMMON),
        grids={
            "squared": grid(lr=(0.02, 0.1, 0.2), **{"lambda": (0.00002, 0.002)}),
            "logistic": grid(lr=(0.1, 0.2, 0.5), **{"lambda": (0.00001, 0.0001)}),
        },
        defaults={"squared": {}, "logistic": {}},
        note="rows are scaled to length 1; losses as it prints them",
    ),
    PeerSpec(
        "Vowpal Wabbit --lrq",
        "vowpal_wabbit_lrq",
        ("vowpalwabbit==9.11.9", *COMMON),
        grids={"squared": grid(learning_rate=(0.03, 0.1, 0.3), l2=(0.0, 1e-6))},
        defaults={"squared": {}, "logistic": {}},
        row_limits={"ctr1": 5_000, "frappe": 20_000},
        note="a pass over its cache file; visits each pair of features, too slowly to search settings on Frappe",
    ),
    PeerSpec(
        "NumPy mini-batch",
        "numpy_minibatch",
        (CHECKOUT, *COMMON, SCIKIT_LEARN),
        grids={
            "squared": grid(learning_rate=(0.03, 0.1, 0.3), l2=(0.003, 0.03), init_stdev=(0.1,)),
            "logistic": grid(learning_rate=(0.03, 0.1, 0.3), l2=(0.0, 0.0003), init_stdev=(0.1,)),
        },
        defaults={
            "squared": {"learning_rate": 0.1, "l2": 0.01, "init_stdev": 0.1},
            "logistic": {"learning_rate": 0.1, "l2": 0.0001, "init_stdev": 0.1},
        },
        note="batches of 4,096",
    ),
    PeerSpec(
        "scikit-learn SGD (linear)",
        "sklearn_sgd",
        (SCIKIT_LEARN, *COMMON),
        grids={loss: grid(eta0=(0.003, 0.01, 0.1), alpha=(1e-6, 1e-5)) for loss in ("squared", "logistic")},
        defaults={"squared": {}, "logistic": {}},
        note="no pairs: the floor",
    ),
    PeerSpec(
        "fastFM",
        "",
        ("fastfm==0.2.10",),
        build_requirements=("cython<3", "numpy<2", "scipy", "scikit-learn", "setuptools", "wheel"),
    ),
    PeerSpec("libFM", "", ()),
]

# Peers that no package of pip's holds, and why.
NOT_PACKAGED = {
    "libFM": "its source has to be fetched and built by hand: pip's package `libfm` is a last.fm client, and `pywfm` "
    "wraps a libFM binary that it does not bring along"
}
