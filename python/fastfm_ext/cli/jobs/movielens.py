"""Job of ``fastfm-ext movielens``: training on film ratings, the test error, and films for one user."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import train_test_split

from fastfm_ext._common.extras import require
from fastfm_ext._common.files import replacing
from fastfm_ext.cli.counts import counted
from fastfm_ext.cli.film_settings import MovielensSettings
from fastfm_ext.cli.jobs.film_ratings import load_ratings
from fastfm_ext.encoding.declare import multi, numeric
from fastfm_ext.encoding.encoder import FMEncoder
from fastfm_ext.fm.regressor import FMRegressor
from fastfm_ext.model_io.saved import save_model
from fastfm_ext.plotting.learning_curve import plot_learning_curve
from fastfm_ext.retrieval.index import ItemIndex

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.utils import Bunch


@dataclass(frozen=True)
class Split:
    """Encoded ratings for training and for test: features, (n_rows, n_features), and ratings, (n_rows,)."""

    X_train: Any
    y_train: NDArray[np.float64]
    X_test: Any
    y_test: NDArray[np.float64]

    def clip(self, predictions: NDArray[Any]) -> NDArray[np.float64]:
        """Clip predictions, (n_rows,), to the range of the training ratings."""
        return np.clip(predictions.astype(np.float64), self.y_train.min(), self.y_train.max())

    def test_rmse(self, predictions: NDArray[Any]) -> float:
        """Return the RMSE of clipped predictions of the test rows, (n_rows,)."""
        return float(root_mean_squared_error(self.y_test, self.clip(predictions)))


def run(settings: MovielensSettings) -> None:
    """Do the whole job, printing as it goes."""
    _check_outputs(settings)
    data = load_ratings(settings)
    user_row = find_user(data.users, settings.user)
    encoder, split = _encode(data, settings)
    if not settings.quiet:
        _print_summary(data, encoder, split)
    model = _train(split, settings)
    if not settings.quiet:
        print()
    _print_errors(model, split)
    index = ItemIndex(kind="exact")
    index.fit(model.item_vector(encoder.transform(data.movies, side="item")), ids=data.movies["movie_id"].tolist())
    _print_films(best_films(data, user_row, encoder, model, index, split, settings.top), user_row, data.ratings)
    if settings.save is not None:
        save_model(settings.save, model, encoder=encoder, index=index)
        print(f"model, encoder and index saved to {settings.save}")
    if settings.plot is not None:
        _plot(model, settings.plot)


def find_user(users: pd.DataFrame, wanted: str | None) -> pd.DataFrame:
    """Return the one row of this user, or of the first user.

    Raises
    ------
    ValueError
        If there is no such user; the message says which ids exist.
    """
    if wanted is None:
        return users.iloc[:1]
    found = users[users["user_id"].astype(str) == wanted]
    if not found.empty:
        return found
    ids = users["user_id"]
    if ids.dtype.kind in "iu":
        existing = f"ids from {ids.min()} to {ids.max()}"
    else:
        existing = "such as " + ", ".join(map(repr, ids.head(3)))
    raise ValueError(f"--user {wanted}: no such user; the data has {counted(len(users), 'user')}, {existing}")


def best_films(
    data: Bunch,
    user_row: pd.DataFrame,
    encoder: FMEncoder,
    model: FMRegressor,
    index: ItemIndex,
    split: Split,
    n: int,
) -> pd.DataFrame:
    """Return the `n` best films for a user that this user has not rated, best first, with predicted ratings."""
    X_user = encoder.transform(user_row, side="user")
    seen = data.ratings.loc[data.ratings["user_id"] == user_row["user_id"].iloc[0], "movie_id"].tolist()
    vectors, bias = model.user_vectors_and_bias(X_user)
    ids, scores = index.search(vectors, n=min(n, len(index)), exclude=[seen])
    # The index fills up with scores of minus infinity when a user has rated nearly everything.
    found = scores[0] > -np.inf
    films: pd.DataFrame = data.movies.set_index("movie_id").loc[ids[0][found].tolist()].reset_index()
    return films.assign(predicted=split.clip(bias + scores[0][found]))


def _check_outputs(settings: MovielensSettings) -> None:
    """Raise an error before the training if an output could not be made after it."""
    if settings.plot is not None:
        _format_of_plot(settings.plot)


def _encode(data: Bunch, settings: MovielensSettings) -> tuple[FMEncoder, Split]:
    """Split the ratings, and encode them by an encoder of the training rows."""
    n_test = int(np.ceil(len(data.ratings) * settings.test_size))
    if len(data.ratings) - n_test < 2:
        raise ValueError(
            f"{counted(len(data.ratings), 'rating')}: too few to train and test with --test-size {settings.test_size}"
        )
    frame = data.ratings.merge(data.users, on="user_id", how="left").merge(data.movies, on="movie_id", how="left")
    train, test = train_test_split(frame, test_size=n_test, random_state=settings.seed)
    user: list[Any] = ["user_id", *(column for column in ("gender", "occupation") if column in frame)]
    if "age" in frame:
        user.append(numeric("age"))
    encoder = FMEncoder(user=user, item=["movie_id", multi("genres", sep="|")])
    X_train = encoder.fit_transform(train)
    split = Split(X_train, train["rating"].to_numpy(), encoder.transform(test), test["rating"].to_numpy())
    return encoder, split


def _train(split: Split, settings: MovielensSettings) -> FMRegressor:
    model = FMRegressor(
        early_stopping=True,
        n_jobs=settings.n_jobs,
        random_state=settings.seed,
        verbose=0 if settings.quiet else 1,
    )
    chosen = {"n_factors": settings.n_factors, "max_iter": settings.max_iter}
    model.set_params(**{name: value for name, value in chosen.items() if value is not None})
    return model.fit(split.X_train, split.y_train)


def _print_summary(data: Bunch, encoder: FMEncoder, split: Split) -> None:
    films, users = counted(len(data.movies), "film"), counted(len(data.users), "user")
    print(f"{counted(len(data.ratings), 'rating')} of {films} by {users}")
    print(f"source: {data.origin}")
    print(f"{counted(split.X_train.shape[1], 'feature')} of {', '.join(encoder.field_names_)}")
    print(f"{counted(len(split.y_train), 'rating')} to train on, {len(split.y_test):,} to test with\n", flush=True)


def _print_errors(model: FMRegressor, split: Split) -> None:
    ridge = Ridge().fit(split.X_train, split.y_train)
    mean = np.full(len(split.y_test), split.y_train.mean())
    low, high = split.y_train.min(), split.y_train.max()
    print(f"test RMSE ({counted(len(split.y_test), 'rating')}, predictions clipped to {low:g}..{high:g})")
    print(f"  mean of the training ratings  {split.test_rmse(mean):.4f}")
    print(f"  ridge regression              {split.test_rmse(ridge.predict(split.X_test)):.4f}")
    best = f"best epoch {model.best_epoch_} of {model.n_iter_}"
    print(f"  factorization machine         {split.test_rmse(model.predict(split.X_test)):.4f}  ({best})")


def _print_films(films: pd.DataFrame, user_row: pd.DataFrame, ratings: pd.DataFrame) -> None:
    user = user_row["user_id"].iloc[0]
    n_rated = int((ratings["user_id"] == user).sum())
    if films.empty:
        print(f"\nuser {user} has rated every film: nothing is left to recommend")
        return
    print(f"\ntop {counted(len(films), 'film')} for user {user}, without the {n_rated} this user has rated")
    titles = [title if len(title) <= 60 else title[:59] + "\u2026" for title in films["title"]]
    width = max(map(len, titles))
    for rank, (title, film) in enumerate(zip(titles, films.itertuples(), strict=True), start=1):
        print(f"{rank:4d}  {film.predicted:.2f}  {title:{width}s}  {film.genres}".rstrip())


def _format_of_plot(path: Path) -> str:
    """Return the format that the ending of a plot's name stands for, PNG without one."""
    form = path.suffix.removeprefix(".").lower() or "png"
    require("matplotlib", "plot")
    known = require("matplotlib.backend_bases", "plot").FigureCanvasBase.get_supported_filetypes()
    if form not in known:
        raise ValueError(f"--plot {path}: the ending .{form} is none of .{', .'.join(sorted(known))}")
    return form


def _plot(model: FMRegressor, path: Path) -> None:
    ax = plot_learning_curve(model.history_, best_epoch=model.best_epoch_)
    ax.set_ylabel("half the mean squared error")
    figure: Any = ax.figure  # a new one, so not a SubFigure, which can't be saved
    with replacing(path) as file:
        figure.savefig(file, format=_format_of_plot(path), dpi=150)
    print(f"learning curve saved to {path}")
