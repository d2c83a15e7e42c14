"""Factorization machine that ranks items for users."""

from __future__ import annotations

from typing import Any, Literal, Self

from fastfm_ext._common.arrays import Float32
from fastfm_ext._estimators.listeners import Callback
from fastfm_ext.ranking.base import RankingEstimator
from fastfm_ext.ranking.newcomers import NewcomersMixin


class FMRanker(NewcomersMixin, RankingEstimator):
    """Factorization machine that ranks items for users, from implicit feedback: clicks, plays, purchases, check-ins.

    Learns from two feature matrices, of users (with the context of the request, if there is any) and of items, and
    from who chose what. Ids alone are the simplest case: then it is matrix factorization with item biases. With
    features, users and items without a history are ranked, too. The score of item t for user u is

    ``own(t) + <S_u, S_t>``,  ``S_u = sum_i v_i x_i`` over the user's features, ``S_t`` over the item's, and
    ``own(t) = sum_i w_i x_i + 1/2 sum_f [(sum_i v_if x_i)^2 - sum_i v_if^2 x_i^2]`` over the item's,

    the terms of a factorization machine that differ between items. By default, with the softmax loss, it is

    ``own(t) + <S_u, S_t> / (temperature |S_u| |S_t|)``,  ``own(t) = sum_i w_i x_i``:

    so that how often an item is chosen shows in own(t) alone. Either is the inner product of `user_vector` and
    `item_vector`. Of a numeric column whose mean is far from zero, x_i is here the value less its mean among the users,
    or among the items, of training; without cosines, the same formula with `w_`, `V_` and values as they are ranks
    alike. What a user chose is learned against items drawn at random from those that the user did not choose; or, by
    least squares, against all items.

    Parameters
    ----------
    n_factors : int, default=64
        Length k of each feature's factor vector v_i; 0 ranks by popularity and features of the items alone.
    loss : {"softmax", "bpr", "warp", "warp-kos", "squared"}, default="softmax"
        ``"softmax"``, over the chosen and many drawn items, ranks best and costs most. ``"bpr"`` compares the chosen
        item with a drawn one; ``"warp"`` draws until an item scores within 1 of the chosen one, and weighs it by the
        rank that this suggests; ``"warp-kos"`` does so for one of several choices of the user, the k-th by score
        (k-order statistic). ``"squared"`` wants a score of 1 for what was chosen and, with a small weight, 0 for every
        pair (implicit alternating least squares); it is the fastest by far, draws nothing, and adds newcomers on either
        side exactly.
    similarity : {"cosine", "dot"}, optional
        What the factors of user and item add to a score: ``"cosine"`` their cosine over the temperature, for softmax
        only, ``"dot"`` their inner product. Default: ``"cosine"`` for softmax, unless most features of users' or of
        items' rows are numeric columns with negative values, once they are centered; else ``"dot"``.
    temperature : float, optional
        By which cosines are divided: a lower one tells items further apart, and learns noise sooner. From 0.001 to
        1000. Default: with early stopping, the best for the held-out interactions among nine from 0.025 to 0.4,
        found by a few short trainings, and twice that where most items have no feature of their own; without, 0.12.
    user_history : bool, default=False
        Whether users are represented by what they chose: to S_u, beside the features in `X_user` (which may be None),
        are added ``|H|^(-1/2) sum_{j in H} h_j``, h_j being factors that each item has for this, and H what the user
        chose, less the choices that are learned from at the moment. Whoever comes after training is then served by a
        sum of vectors, and the model does not grow with the number of users. For cosines only. Rows must be users, not
        requests, which would have but their own choices as a history; ids of users among the features would know the
        rest.
    n_negatives : int, optional
        Items drawn to stand against a choice. Default: 1024 for cosines, which 256 visits share, to up to 8 choices of
        one user each (with as many as there are items, all take part, and nothing is drawn); 256 for softmax without,
        shared between up to ``n_negatives / 32`` choices of one user (more rank better, at about the same cost); 2 for
        BPR; at most 50 for WARP and WARP-kos.
    n_positives, kth_positive : int, optional
        For ``loss="warp-kos"``: how many choices of the user a visit looks at, up to 64, one of them in its turn and
        the others at random; and which of them it learns, from 1 for the one of the highest score to `n_positives`.
        Default: 10 and 5, as LightFM's n and k.
    popularity : float, optional
        Items are drawn in proportion to ``(1 + n)**popularity``, n being how many users chose them: 0 draws evenly.
        Below 10. Softmax corrects its scores for it (log q), so that only the noise of the draws changes. Default:
        0.5 for cosines, 0.25 for BPR, else 0.
    unobserved_weight : float, optional
        For ``loss="squared"``: the weight of the square of every pair's score, where a choice weighs 1 on average.
        Default: 20 times the share of all pairs that were chosen, at most 1; so all pairs together weigh 20 times as
        much as the choices.
    learning_rate : float, optional
        Of AdaGrad; with cosines, half of it for the weights w. Default: 0.1 for softmax, 0.2 for BPR, 0.05 for WARP
        and WARP-kos.
    max_iter : int, optional
        Most epochs (passes over the interactions; for ``"squared"``, steps on all users and then on all items).
        Default: 30 for cosines, whose step sizes fall to 0 over them along half a cosine wave; else 100, and `fit`
        gives a ConvergenceWarning if they end while it still gains.
    l2_w, l2_V : float, optional
        L2 on linear weights and on factors, paid at each visit: for each choice, its loss grows by
        ``l2/2 |theta|^2`` over the features of the user and of the item, and the mean of it over the drawn items. For
        ``"squared"``, the loss has ``l2 m_i |theta_i|^2``, m_i being the weight of all pairs that feature i has a part
        in. Default: 0 and 0 for cosines, 0.1 and 0.1 for softmax without, 0.01 and 0.03 for BPR, 0.001 and 0.01 for
        WARP and WARP-kos, 0.001 and 0.001 for squared.
    init_stdev : float, optional
        Standard deviation of the first factors. Default: 0.01 for cosines, 0.1 for softmax without, 0.05 for BPR, 0.02
        for WARP and WARP-kos, 0.01 for squared. With cosines, `fit` adds them to a spectral start: factors of length
        ``0.1 sqrt(n_factors)`` from a truncated singular value decomposition of the interactions, by features.
    fit_linear : bool, default=True
        Whether to learn w, the biases of items and their features.
    early_stopping : bool or "auto", default="auto"
        True: hold out `validation_fraction` of each user's interactions, rank after each epoch, and stop at the best
        one. "auto" does so from 10,000 interactions on; with fewer, down to 2,000, each of five folds is held out once,
        and the mean over them finds the number of epochs, for `refit` to make.
    validation_fraction : float, default=0.1
        Share of each user's interactions to hold out, chosen at random.
    validation_metric : str, default="ndcg@20"
        "recall@k" or "ndcg@k" over all items that a user does not have in training, for up to 5,000 users.
    n_iter_no_change : int, default=5
        Stop after this many epochs in which the metric has not risen (without early stopping: the training loss not
        fallen) by more than `tol`; with folds, after six times as many. With cosines, all epochs are made, since the
        last ones, of small steps, gain most, and the best of them counts.
    tol : float, default=1e-4
    refit : bool, default=True
        Give back what early stopping held out: train anew on all interactions, from the same start, for `best_epoch_`
        epochs. The model is then that of ``early_stopping=False`` with `best_epoch_` as `max_iter` and
        `n_iter_no_change`. By default, since Recall@20 rises (by 5 % on Gowalla), for 1.6 to 2.6 times the time.
        Without it, the best epoch's parameters are kept, and of fewer than 10,000 interactions nothing is held out.
    warm_start : bool, default=False
        Whether `fit` goes on from the last fit's parameters, at its temperature. After a refit these have seen all
        interactions, so that held-out ones of the same data tell nothing: set ``early_stopping=False`` then.
    n_jobs : int, optional
        Threads; -1 takes all cores. With more than one, threads update the parameters without locks (Hogwild), and a
        fit is no longer reproducible to the bit; but ``"squared"`` gives the same bits with any number of threads.
    random_state : int, RandomState or None, default=None
        Seed of the first factors, the hold-out, the order of visits and the draws. The same seed gives bit-equal models
        on one machine with one thread, or by ``"squared"``.
    verbose : int or "bar", default=0
        1 prints a line for each epoch, "bar" shows a progress bar for fits of more than two seconds (needs tqdm, in
        the extra ``progress``), and 0 is silence.

    Attributes
    ----------
    w_ : ndarray of shape (n_features,), float32
    V_ : ndarray of shape (n_features, n_factors), float32
    temperature_ : float or None
        The temperature that the model was trained with; None for the inner product.
    w0_ : float
        0: it would be the same for all items.
    n_iter_ : int
        Epochs in `history_`: those of the last `fit` without its refit, and one for each `partial_fit` since.
    best_epoch_ : int
        The epoch, from 1, that was best for the held-out interactions: its parameters were kept, or the refit made so
        many.
    history_ : dict of str to list of float
        "train_loss" (mean over an epoch's interactions, on the way; for ``"squared"``, that of all pairs, L2 included,
        over the weight of the interactions), "val_score" (the validation metric, empty without
        early stopping) and "seconds", one value an epoch: of the training before a refit, and as means over folds where
        there are some.
    unobserved_weight_ : float
        The weight that `unobserved_weight` names, or its default for this data; by ``loss="squared"`` alone.
    n_features_in_ : int
    n_items_in_ : int
        With `user_history`, the items that a history may hold: those of `interactions`.
    history_V_ : ndarray of shape (n_items, n_factors), float32
        With `user_history`, the factors h_j of items in histories.

    Raises
    ------
    DivergenceError
        From `fit` and `partial_fit`, when training diverges.

    Notes
    -----
    The defaults of BPR and WARP were chosen on validation choices of Gowalla, MovieLens 100K, 1M and latest-small, and
    Frappe, with 32 factors, so that none of these ranks much worse than with settings of its own; those of least
    squares on Gowalla, MovieLens 100K and 1M, Frappe and Last.fm, with 64.

    Least squares minimises ``sum_chosen c_ut (p_ut - 1)^2 + a0 sum_all p_ut^2`` and L2, where
    ``p_ut = own(u) + own(t) + <S_u, S_t>`` and ``own(u) = sum_i w_i x_i``, by turns of users and items: row by row
    where these have ids of their own, else by conjugate gradients on all features of the side. Users who chose nothing
    are left out. Early stopping matters: on some data, the second sweep is the best. More factors want a larger `l2_V`:
    256 ranked best with 0.004 on Gowalla.

    An item that a user has in training is never drawn against that user, held-out items may be. A user who chose every
    item teaches nothing and is left out.

    References
    ----------
    Rendle, "Factorization Machines" (ICDM 2010). Rendle, Freudenthaler, Gantner, Schmidt-Thieme, "BPR: Bayesian
    Personalized Ranking from Implicit Feedback" (UAI 2009). Weston, Bengio, Usunier, "WSABIE: Scaling Up To Large
    Vocabulary Image Annotation" (IJCAI 2011). Weston, Yee, Weiss, "Learning to Rank Recommendations with the k-Order
    Statistic Loss" (RecSys 2013). Jean, Cho, Memisevic, Bengio, "On Using Very Large Target Vocabulary for
    Neural Machine Translation" (ACL 2015), for the sampled softmax. Duchi, Hazan, Singer, "Adaptive Subgradient
    Methods" (JMLR 2011). Bengio, Senecal, "Adaptive Importance Sampling to Accelerate Training of a Neural
    Probabilistic Language Model" (IEEE TNN 2008), for the drawn items as an estimate of all. Mao, Zhu, Wang, Dai,
    Dong, Xiao, He, "SimpleX: A Simple and Strong Baseline for Collaborative Filtering" (CIKM 2021), for cosines.
    Loshchilov, Hutter, "SGDR" (ICLR 2017), for the step sizes. Kabbur, Ning, Karypis, "FISM: Factored Item Similarity
    Models for Top-N Recommender Systems" (KDD 2013), for users as what they chose. Hu, Koren, Volinsky,
    "Collaborative Filtering for Implicit Feedback Datasets" (ICDM 2008), Bayer, He, Kanagal, Rendle, "A Generic
    Coordinate Descent Framework for Learning from Implicit Feedback" (WWW 2017) and Rendle, Krichene, Zhang, Koren,
    "Revisiting the Performance of iALS on Item Recommendation Benchmarks" (RecSys 2022), for least squares.

    Examples
    --------
    Two kinds of users and of items, known by their ids alone:

    >>> import numpy as np
    >>> from fastfm_ext import FMRanker
    >>> features = np.eye(10)  # 4 users, then 6 items
    >>> chosen = np.array(
    ...     [[1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1]]
    ... )
    >>> model = FMRanker(n_factors=4, random_state=0).fit(features[:4], features[4:], chosen)
    >>> items = model.item_vector(features[4:])
    >>> scores = model.user_vector(features[:4]) @ items.T
    >>> bool(scores[0, 2] > scores[0, 5] and scores[2, 5] > scores[2, 2])
    True
    >>> newcomer = model.fold_in(
    ...     [4, 5], items
    ... )  # a user who came after training, and chose the last two items
    >>> int(np.argmax(np.where([0, 0, 0, 0, 1, 1], -np.inf, items @ newcomer)))
    3

    The same, with users represented by what they chose:

    >>> model = FMRanker(n_factors=4, user_history=True, random_state=0).fit(
    ...     None, np.eye(6), chosen
    ... )
    >>> newcomer = model.user_vector(model.with_history([[0, 0, 0, 0, 1, 1]]))[0]
    >>> int(
    ...     np.argmax(
    ...         np.where([0, 0, 0, 0, 1, 1], -np.inf, model.item_vector(np.eye(6)) @ newcomer)
    ...     )
    ... )
    3
    """

    def __init__(
        self,
        n_factors: int = 64,
        *,
        loss: Literal["softmax", "bpr", "warp", "warp-kos", "squared"] = "softmax",
        similarity: Literal["cosine", "dot"] | None = None,
        temperature: float | None = None,
        user_history: bool = False,
        n_negatives: int | None = None,
        n_positives: int | None = None,
        kth_positive: int | None = None,
        popularity: float | None = None,
        unobserved_weight: float | None = None,
        learning_rate: float | None = None,
        max_iter: int | None = None,
        l2_w: float | None = None,
        l2_V: float | None = None,
        init_stdev: float | None = None,
        fit_linear: bool = True,
        early_stopping: bool | Literal["auto"] = "auto",
        validation_fraction: float = 0.1,
        validation_metric: str = "ndcg@20",
        n_iter_no_change: int = 5,
        tol: float = 1e-4,
        refit: bool = True,
        warm_start: bool = False,
        n_jobs: int | None = None,
        random_state: Any = None,
        verbose: int | Literal["bar"] = 0,
    ) -> None:
        self.n_factors = n_factors
        self.loss = loss
        self.similarity = similarity
        self.temperature = temperature
        self.user_history = user_history
        self.n_negatives = n_negatives
        self.n_positives = n_positives
        self.kth_positive = kth_positive
        self.popularity = popularity
        self.unobserved_weight = unobserved_weight
        self.learning_rate = learning_rate
        self.max_iter = max_iter  # type: ignore[assignment]
        self.l2_w = l2_w
        self.l2_V = l2_V
        self.init_stdev = init_stdev
        self.fit_linear = fit_linear
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.validation_metric = validation_metric
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.refit = refit
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X_user: Any, X_item: Any, interactions: Any, *, callback: Callback | None = None) -> Self:
        """Train the model.

        Parameters
        ----------
        X_user : {array-like, sparse matrix} of shape (n_users, n_features)
            The features of each user, or of each request: the user with its context. With `user_history`, those beside
            what the user chose, or None.
        X_item : {array-like, sparse matrix} of shape (n_items, n_features)
            The features of each item, in the same columns as far as they mean the same; usually other columns.
        interactions : {array-like, sparse matrix} of shape (n_users, n_items)
            Who chose what: 1, or another positive number as the weight of the choice, and 0 (or nothing) elsewhere.
            A weight multiplies the loss of the choice and its share of L2; only what weights are relative to each
            other matters, and they are divided by their mean.
        callback : callable, optional
            Called after each epoch with a `FitProgress`. Where it returns True, training ends; with early stopping,
            the best epoch's parameters are kept. An error in it ends the fit, too, and the estimator is as it was
            before.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that cannot be trained on; the message names the argument.
        DivergenceError
            When a score stops being finite or the loss explodes. The estimator then has the parameters of the best
            epoch, if one was validated before; else it is as it was before.
        """
        return self._fit((X_user, X_item, interactions), callback=callback)

    def partial_fit(self, X_user: Any, X_item: Any, interactions: Any) -> Self:
        """Train one epoch on these interactions, going on from what has been learned.

        With cosines, its steps are half of `learning_rate`, that of the middle of a `fit`, and at the temperature of
        before.

        Parameters
        ----------
        X_user, X_item, interactions
            As in `fit`. Users and items may be others than before, in the same columns of features. What is missing in
            `interactions` counts as not chosen, so let the rows hold all that their users chose.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For input that cannot be trained on, another number of features than before, a changed `n_factors`, or
            ``loss="squared"``, which learns from all interactions at once.
        DivergenceError
            When a score stops being finite. After an error, the model is as it was before the call.
        """
        self._check_params()
        if not self._solver.trains_on_batches:
            raise ValueError(
                f"partial_fit needs a loss that learns from some interactions at a time; got loss={self.loss!r}, which "
                "learns from all at once. Call fit with warm_start=True, or fold_in and fold_in_items for what is new."
            )
        return self._partial_fit((X_user, X_item, interactions))

    @property
    def w0_(self) -> float | Float32:
        """0: it would be the same for all items."""
        w0: float | Float32 = self._per_output(lambda params, units: params.w0)
        return w0

    @property
    def w_(self) -> Float32:
        """Linear weights of the features as they are, centered or not: (n_features,)."""
        if self._similarity.temperature is not None:
            w: Float32 = self._per_output(lambda params, units: params.w)
            return w[: self.n_features_in_]
        return self._per_output(lambda params, units: units.ranking_weights(params))  # type: ignore[no-any-return]
