"""Training on streams of batches that are larger than memory: `fit_stream`."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Callable, Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from fastfm_ext._common.checks import is_integer, is_real
from fastfm_ext._common.interrupt import DeferredInterrupt
from fastfm_ext._engine.parameters import Parameters
from fastfm_ext._estimators.rows import BaseFM
from fastfm_ext._learning import loop
from fastfm_ext._learning.stream.buffers import batches_of
from fastfm_ext._learning.stream.checkpoint import StreamPosition, read_checkpoint, remove_leftovers
from fastfm_ext._learning.stream.fit import StreamFit, StreamSettings
from fastfm_ext._learning.stream.progress import Lines, StreamProgress
from fastfm_ext._learning.stream.rows import checksum, first_batches, handed_over, learn_units

# Hyperparameters that two runs of one fit may differ in: they play no part in fit_stream, or not in what is learned.
_MAY_DIFFER = {"max_iter", "early_stopping", "validation_fraction", "n_jobs", "verbose", "warm_start"}


class StreamedFM(BaseFM):
    """Base of the estimators that train on streams, too."""

    def fit_stream(
        self,
        batches: Iterable[Any] | Callable[[], Iterable[Any]],
        n_epochs: int = 1,
        *,
        validation: Any = None,
        classes: ArrayLike | None = None,
        buffer_rows: int = 65_536,
        read_ahead: int = 1,
        cache: str | os.PathLike[str] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float = 300.0,
        progress: Callable[[StreamProgress], None] | None = None,
    ) -> Self:
        """Train on a stream of batches, of which only a few are in memory at a time.

        Rows are gathered in a buffer, shuffled there, and trained on, while a thread reads the next ones. The model
        depends on the rows and their order, not on the size of the batches. With `shuffle` off it is the one that
        `fit` learns from the same rows in the same order; what `fit` learns from all rows before the first step (the
        spread of the target, the unit of each numeric feature, the first w0) is learned here from the first
        `buffer_rows` rows.

        Parameters
        ----------
        batches : iterable or callable
            Gives tuples ``(X, y)`` or ``(X, y, sample_weight)``, X of any kind that `fit` takes: a list, a source of
            `fastfm_ext.streaming`, or a function without arguments that begins anew at each call. A generator can be
            gone through only once, which is enough for one epoch, and for several with a `cache`. A sparse X may be
            narrower than others, or wider: then the model grows, see `grow`.
        n_epochs : int, default=1
            Most passes over the stream.
        validation : tuple, iterable or callable, optional
            Rows to validate on after each epoch: one tuple ``(X, y[, sample_weight])``, or a stream like `batches`. The
            best epoch's parameters are kept, and training stops when the validation loss has not fallen for
            `n_iter_no_change` epochs. Nothing is held out of the stream: `early_stopping` plays no part.
        classes : array-like, optional
            For classifiers: all classes that will come. Needed if the first `buffer_rows` rows do not hold every class.
        buffer_rows : int, default=65_536
            Rows that are shuffled and trained on together. Memory holds about four buffers, beside the model (twice
            with `validation`).
        read_ahead : int, default=1
            Buffers that are read ahead. 0 reads in the calling thread, for iterators that may not leave it.
        cache : path-like, optional
            A folder, made if need be. The first epoch writes the rows there, and later ones read them from there: much
            faster, from the second epoch on shuffled over the whole stream, and the stream is gone through only once.
            Takes 8 bytes a value (4 where all are 1) and some 20 a row. Removed at the end.
        checkpoint : path-like, optional
            A file to save to now and then; it can also be loaded with `load_model`. If it exists, training goes on
            from there. The same call, made again after a crash, gives to the bit the model that an unbroken run would
            have given (one thread, the same machine); one that is complete gives its model at once, and more epochs go
            on from it. It is not removed at the end.
        checkpoint_every : float, default=300.0
            Seconds between two checkpoints. One more is written at the end.
        progress : callable, optional
            Called after each buffer with a `StreamProgress`. With ``verbose=1``, a line is printed every ten seconds
            and after each epoch.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For rows that cannot be trained on; the message names the batch, or the file. For a checkpoint of other
            settings or of another stream.
        ModelFileError
            For a damaged checkpoint.
        DivergenceError
            When training diverges. With `validation`, the estimator then has the best epoch's parameters, if there was
            one before.
        KeyboardInterrupt
            After Ctrl-C, at the end of the buffer: the estimator is then trained as far as it got, with the best
            epoch's parameters if there is `validation`, and the checkpoint is up to date. A second Ctrl-C does not
            wait, and writes none.

        After any other error the estimator is as it was before.

        See Also
        --------
        partial_fit : One batch at a time, with the loop in your hands.
        fastfm_ext.streaming : Batches from files.

        Examples
        --------
        >>> import numpy as np
        >>> from fastfm_ext import FMRegressor
        >>> def batches():  # begins anew for each epoch
        ...     rng = np.random.default_rng(0)
        ...     for _ in range(20):
        ...         X = rng.integers(0, 2, size=(100, 5))
        ...         yield X, X[:, 0] + 2 * X[:, 1] * X[:, 2]
        >>> model = FMRegressor(n_factors=2, random_state=0).fit_stream(batches, n_epochs=20)
        >>> model.predict([[1, 1, 1, 0, 0]]).round().tolist()
        [3.0]
        """
        self._check_params()
        listeners: list[Callable[[StreamProgress], None]] = [] if progress is None else [progress]
        if self.verbose:
            listeners.append(Lines())
        settings = StreamSettings(
            n_epochs, buffer_rows, read_ahead, _path(cache), _path(checkpoint), checkpoint_every, tuple(listeners)
        )
        _check_settings(settings, batches, validation)
        before = dict(self.__dict__)
        fit = None
        try:
            with DeferredInterrupt() as interrupt:
                fit = self._begin_stream(batches, validation, classes, settings, interrupt)
                fit.run()
        except BaseException as error:
            leaves_a_model = isinstance(error, (KeyboardInterrupt, loop.DivergenceError))
            if not (leaves_a_model and fit is not None and fit.is_published):
                self._put_back(before)
            raise
        finally:
            self.__dict__.pop("_announced_classes", None)
        return self

    def _put_back(self, before: dict[str, Any]) -> None:
        self.__dict__.clear()
        self.__dict__.update(before)

    def _begin_stream(
        self, stream: Any, validation: Any, classes: Any, settings: StreamSettings, interrupt: DeferredInterrupt
    ) -> StreamFit:
        """Return a fit that stands at its beginning, or where the checkpoint says."""
        validation = [validation] if isinstance(validation, tuple) else validation
        fixed = self._fixed_settings(stream, validation, settings)
        if settings.cache is not None:
            os.makedirs(settings.cache, exist_ok=True)
        found = None
        if settings.checkpoint is not None:
            remove_leftovers(settings.checkpoint)
            found = read_checkpoint(settings.checkpoint, type(self), fixed)
        if found is not None:
            model, position = found
            hyperparameters = self.get_params(deep=False)
            self._put_back(hyperparameters | {k: v for k, v in vars(model).items() if k not in hyperparameters})
            if classes is not None:
                self._announce_classes(classes, first=False)
            self._to_unit_size(self._outputs)
            return StreamFit(self, self._outputs, stream, validation, position, settings, interrupt)
        batches = batches_of(stream)
        first = first_batches(batches, settings.buffer_rows)
        outputs, position = self._first_outputs(first, classes, fixed, settings)
        begun = itertools.chain(handed_over(first), batches)
        return StreamFit(self, outputs, stream, validation, position, settings, interrupt, begun)

    def _first_outputs(
        self, first: list[Any], classes: Any, fixed: dict[str, Any], settings: StreamSettings
    ) -> tuple[list[Parameters], StreamPosition]:
        """Learn the units from the first rows; return the parameters to begin with, and the beginning of the stream."""
        continues = self.warm_start and hasattr(self, "_outputs")
        if classes is not None:
            self._announce_classes(classes, first=not continues)
        rows = learn_units(self, first, settings.buffer_rows, learned=continues)
        seed = self._seed()
        rng = np.random.default_rng(seed)
        if continues:
            rng = np.random.default_rng([seed, self.n_features_in_])  # not what the first features were drawn from
            outputs = self._outputs_to_go_on_with()
        else:
            everything = np.arange(rows.X.n_rows, dtype=np.int64)
            outputs = self._initial_outputs(rows, everything, self._options(), rng)
        loss = loop.mean_loss_of_bias(outputs, rows, self._loss)
        return outputs, StreamPosition(
            settings=fixed,
            seed=seed,
            generator=dict(rng.bit_generator.state),
            typical_loss=max(loss, 0.5 * self._target_unit() ** 2),
            first_rows=checksum(rows, settings.buffer_rows),
            cache_name=f"rows-{secrets.token_hex(8)}",
        )

    def _fixed_settings(self, stream: Any, validation: Any, settings: StreamSettings) -> dict[str, Any]:
        """Return by name what must be the same when a fit is taken up again."""
        fixed: dict[str, Any] = {k: v for k, v in self._plain_params().items() if k not in _MAY_DIFFER}
        fixed |= {"buffer_rows": settings.buffer_rows, "cache": settings.cache is not None}
        fixed |= {"validation": validation is not None}
        describe = getattr(stream, "describe", None)
        return fixed | ({"batches": describe()} if callable(describe) else {})


def _path(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.path.abspath(os.fsdecode(path))


def _check_settings(settings: StreamSettings, stream: Any, validation: Any) -> None:
    """Raise ValueError for arguments that make no sense."""
    for name, low in (("n_epochs", 1), ("buffer_rows", 1), ("read_ahead", 0)):
        value = getattr(settings, name)
        if not is_integer(low)(value):
            raise ValueError(f"{name} must be an integer of at least {low}; got {value!r}.")
    if not is_real(0)(settings.checkpoint_every):
        raise ValueError(
            f"checkpoint_every must be a finite number of seconds of at least 0; got {settings.checkpoint_every!r}."
        )
    if settings.n_epochs > 1 and settings.cache is None and _is_spent_once(stream):
        raise ValueError(
            f"batches can be gone through only once, and n_epochs is {settings.n_epochs}. Pass a function that begins "
            "anew at each call, or name a folder as cache."
        )
    if settings.n_epochs > 1 and _is_spent_once(validation):
        raise ValueError(
            "validation can be gone through only once, and is needed after each epoch. Pass a function that begins "
            "anew at each call, or a list of batches."
        )


def _is_spent_once(stream: Any) -> bool:
    return hasattr(stream, "__next__")
