"""Number of threads that `n_jobs` stands for."""

import sys


def n_threads_of(n_jobs: int | None) -> int:
    """Return the number of threads for an `n_jobs` of scikit-learn's meaning, as joblib counts them.

    Parameters
    ----------
    n_jobs : int or None
        Negative numbers count from all cores down: -1 is all of them. None is 1, or what ``joblib.parallel_config``
        says.

    Examples
    --------
    >>> from fastfm_ext._common.threads import n_threads_of
    >>> n_threads_of(None), n_threads_of(3)
    (1, 3)
    """
    # Nobody can have configured what is not loaded, and loading it takes as long as a small fit.
    if n_jobs in (None, 1) and "joblib" not in sys.modules:
        return 1
    from joblib import effective_n_jobs

    return int(effective_n_jobs(n_jobs))
