"""Factorization machine for classification."""

from sklearn.base import ClassifierMixin

from fastfm_ext._estimators.conventions import ScikitLearnEstimator
from fastfm_ext._estimators.plain_classifier import PlainClassifier


class FMClassifier(ClassifierMixin, PlainClassifier, ScikitLearnEstimator):
    """Factorization machine for classification: clicks, purchases, categories.

    Learns the log odds ``p(x) = w0 + sum_i w_i x_i + 1/2 sum_f [(sum_i v_if x_i)^2 - sum_i v_if^2 x_i^2]`` by
    per-sample gradient descent on the log loss plus L2, over sparse rows.

    More than two classes have parameters of their own each, and are learned one against the rest or as one softmax
    (`multi_class`). The unit and the zero of a numeric feature do not matter: values far from 0 or from 1 are brought
    near while training.

    Settings are given for rows of a squared norm up to 40, as one-hot rows have (160 for AdaGrad). Where rows are
    longer, as those of a few hundred standardised columns are, steps shrink and the L2 of factors grows with the norm.

    Parameters
    ----------
    n_factors : int, default=16
        Length k of each feature's factor vector v_i; 0 leaves the pair term out. 4, 8 and multiples of 16 waste no
        memory.
    multi_class : {"ovr", "multinomial"}, default="ovr"
        How more than two classes are learned: "ovr" learns each one against the rest, by the log loss of two classes,
        and "multinomial" all at once, by the log loss of the softmax of their scores, in one thread. Two classes are
        the same for both.
    class_weight : dict, "balanced" or None, default=None
        What the rows of each class count, multiplied with `sample_weight`: a dict of classes to numbers above 0 (1 for
        a class that it lacks), or "balanced" for ``n_samples / (n_classes * np.bincount(y))``, for `fit` alone.
        Rows held out of X by `early_stopping` count in the same way; rows given as `X_val`, `y_val` count as
        `sample_weight_val` says, so that the validation loss is the one of the data.
    negative_sampling_rate : float, optional
        The share w of the rows of ``classes_[0]`` that were kept to train on, at random, all others having been thrown
        away. Predictions are then those of all rows: the odds of the rows trained on times w (He et al. 2014, section
        6.3). Rows held out of X count as X does; `X_val` and a stream's `validation` are taken to hold all rows. For
        two classes, and in place of a `class_weight`. `partial_fit` takes each batch to be of the present rate.
    solver : {"adagrad", "sgd", "ftrl", "adam"}, default="adagrad"
        Per-sample descent with AdaGrad's step sizes, with a constant one, FTRL-Proximal, or Adam, whose averages move
        when their feature is visited. AdaGrad needs least tuning and is the better choice where some features are
        frequent and others rare; SGD takes half the memory, and Adam 2.5 times as much; FTRL can make parameters
        exactly 0.
    dtype : {"float32", "float16"}, default="float32"
        Type of the factors in memory and in files, for AdaGrad only. "float16" takes half the memory, and less time
        where parameters are larger than the caches. Factors are rounded at random, so that no small step is lost; their
        sums of squared gradients are in bfloat16, all else is float32. Numeric columns have to be of about unit size.
    learning_rate : float, optional
        Default: 0.05 for AdaGrad, 0.01 for SGD, 0.1 for FTRL, 0.003 for Adam.
    max_iter : int, default=100
        Most epochs (passes over the rows). `fit` gives a ConvergenceWarning if they end while it still gains.
    l2_w, l2_V : float, optional
        L2 on linear weights and on factors, paid by a row's features each time it is visited: each row's loss grows
        by ``l2_w/2 sum w_i^2 + l2_V/2 sum |v_i|^2`` over its own features. With FTRL, L2 on the
        parameters is paid once, not at each visit. Default: 0.01 and 0.01 for AdaGrad, 0.003 and 0.01 for SGD,
        3.0 and 100.0 for FTRL, 0.001 and 0.01 for Adam.
    l2_exponent : float, default=1.0
        How L2 is shared by frequency: a feature in n rows pays in proportion to ``n**l2_exponent`` in an epoch. 1 is
        the same at each visit, as ALS-WR weighs it, and 0 the same for all features, as in ridge regression and
        Bayesian models. All features together pay what they do with 1. In `partial_fit` and `fit_stream`, n counts the
        rows so far. For all but FTRL.
    adaptive_l2 : bool, default=False
        Learn factors of `l2_w` and `l2_V` while training, on the rows that early stopping holds out, or on `X_val`: one
        for each field where X is what an `FMEncoder` has made, else one for all. Better on some data and worse on
        other: compare the least "val_loss" of `history_` with the default's. For `fit` alone, and all but FTRL.
    l1_w, l1_V : float, default=0.0
        L1 on linear weights and on factors, for FTRL only: the larger, the more of them are exactly 0.
    clip_gradient : float, optional
        Lets no row pull harder than this: bounds the derivative of a row's log loss, ``P(y = 1) - y``, which is below 1
        already. So that a few rows with wrong labels do less harm. Default: no bound.
    init_stdev : float, optional
        Standard deviation of the first factors. Default: 0.03 for AdaGrad, 0.03 for SGD, 0.03 for FTRL, 0.03 for
        Adam.
    fit_intercept, fit_linear : bool, default=True
        Whether to learn w0, and w. Without either, columns far from zero are not centered, and learn slowly.
    shuffle : bool, default=True
        Visit the rows in a new random order in each epoch; otherwise in the order they come.
    early_stopping : bool or "auto", default="auto"
        True: hold out `validation_fraction` of the rows, validate after each epoch, and stop at the best one. "auto"
        does so from 10,000 rows on; with fewer, down to 30, each of five folds is held out once, and the geometric mean
        of their losses finds the number of epochs, for `refit` to make. Rows given to `fit` as `X_val`, `y_val` are
        used in any case, and nothing is held out then.
    validation_fraction : float, default=0.1
        Share of the rows to hold out, chosen at random, the same share of each class.
    n_iter_no_change : int, default=5
        Stop after this many epochs in which the validation loss (without validation rows: the training loss) has not
        fallen by more than `tol`; with folds, after six times as many.
    tol : float, default=1e-4
        In units of the loss.
    refit : bool, default=True
        Give back what early stopping held out: train anew on all rows, from the same start, for `best_epoch_` epochs.
        The model is then that of ``early_stopping=False`` with `best_epoch_` as `max_iter` and `n_iter_no_change`. By
        default, since test errors fall (RMSE by 0.8 % on MovieLens 100K, log loss by 4 % on Frappe), for 1.3 to 2.2
        times the time. `X_val` is never trained on. Without it, the best epoch's parameters are kept, and fewer than
        10,000 rows are not held out.
    warm_start : bool, default=False
        Whether `fit` goes on from the last fit's parameters. After a refit these have seen all rows, so that held-out
        ones of the same data tell nothing: pass `X_val` then, or ``early_stopping=False``.
    n_jobs : int, optional
        Threads; -1 takes all cores. With more than one, a fit is reproducible to the bit for the same number of threads
        where the parameters of all features take up to 4 MB with the optimizer's state; larger ones are updated without
        locks (Hogwild), and it is not. Prediction always is.
    random_state : int, RandomState or None, default=None
        Seed of the first factors, the hold-out and the row order. The same seed gives bit-equal models on one machine
        with one thread.
    verbose : int or "bar", default=0
        1 prints a line for each epoch, "bar" shows a progress bar for fits of more than two seconds (needs tqdm, in
        the extra ``progress``), and 0 is silence.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    w0_ : float, or ndarray of shape (n_classes,)
    w_ : ndarray of shape (n_features,) or (n_classes, n_features), float32
    V_ : ndarray of shape (n_features, n_factors) or (n_classes, n_features, n_factors), float32
        The first shapes for two classes, whose score is the log odds of ``classes_[1]``.
    n_iter_ : int
        Epochs in `history_`: those of the last `fit` without its refit, and one for each `partial_fit` since.
    best_epoch_ : int
        The epoch, from 1, that was best for the held-out rows: its parameters were kept, or the refit made so many.
    history_ : dict of str to list of float
        "train_loss" (mean over an epoch, each row before its own step), "val_loss" (empty without validation rows) and
        "seconds", one value an epoch: of the training before a refit, and as means over folds where there are some.
        The loss is the mean log loss; with "ovr" and more than two classes, summed over the classes.
    progressive_ : dict of str to list
        Progressive validation, after `partial_fit` and `fit_stream`: one value for each call, or for each period of the
        stream's first epoch (each buffer, where no periods are named). "period", "rows" and "loss", the mean of the
        rows' losses, each before the model has trained on the row: an honest figure of one pass, as in `history_`.
        Of two classes also "rate", the share of the second one, and "normalized_entropy", "calibration_ratio" and "auc"
        (McMahan et al. 2013, section 5.1; He et al. 2014).
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only after a fit on a data frame.

    Raises
    ------
    DivergenceError
        From `fit` and `partial_fit`, when training diverges.

    References
    ----------
    Rendle, "Factorization Machines" (ICDM 2010). Duchi, Hazan, Singer, "Adaptive Subgradient Methods for Online
    Learning and Stochastic Optimization" (JMLR 2011). McMahan et al., "Ad Click Prediction: a View from the Trenches"
    (KDD 2013). He et al., "Practical Lessons from Predicting Clicks on Ads at Facebook" (ADKDD 2014). Kingma, Ba,
    "Adam: A Method for Stochastic Optimization" (ICLR 2015). Niu, Recht, Re, Wright, "Hogwild!" (NIPS 2011). Zhou,
    Wilkinson, Schreiber, Pan, "Large-Scale Parallel Collaborative Filtering for the Netflix Prize" (AAIM 2008), and
    Rendle, Krichene, Zhang, Koren, "Revisiting the Performance of iALS on Item Recommendation Benchmarks" (RecSys
    2022), for `l2_exponent`. Rendle, "Learning Recommender Systems with Adaptive Regularization" (WSDM 2012).

    Examples
    --------
    >>> import numpy as np
    >>> from fastfm_ext import FMClassifier
    >>> X = np.array([[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1]] * 10)
    >>> y = np.array(["like", "skip", "skip", "like"] * 10)  # neither feature decides it alone
    >>> model = FMClassifier(n_factors=4, random_state=0).fit(X, y)
    >>> model.predict(X[:4]).tolist()
    ['like', 'skip', 'skip', 'like']
    """
