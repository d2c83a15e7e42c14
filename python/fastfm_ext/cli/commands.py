"""The commands but ``movielens``: their options, and the settings that follow."""

import argparse
import gc
import importlib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from fastfm_ext.cli.columns import KINDS, SIDES, Columns, read_config
from fastfm_ext.cli.settings import (
    EXPORTS,
    FORMS,
    PREDICTION_KINDS,
    TASKS,
    ExportSettings,
    FitSettings,
    InspectSettings,
    PredictSettings,
    RecommendSettings,
    StreamOptions,
)
from fastfm_ext.cli.words import column, fraction, integer, n_jobs, number

_FORMAT_HELP = (
    "form of the files (default: by the ending of the name, .csv .tsv .parquet .libsvm .svm .libfm .libffm .ffm, also "
    "with .gz .xz .bz2 .zst behind it; else by the first line)"
)
_FIT_EPILOG = f"""\
files:
  csv, tsv, parquet   a table; say what to predict (--target) and which columns describe the user, the item and the
                      situation. Without any, all other columns are used: numbers with a fraction as numeric ones, all
                      others as categories.
  libsvm, libffm      numbered features, "label id:value ..." or "label field:id:value ...", as libFM, libffm and
                      xLearn read them. Ids are used as they are; fields are passed over, since an FM needs none.

columns:
  NAME                      a category: a feature for each value
  NAME:KIND[:OPTION=VALUE,...]  KIND is one of {", ".join(KINDS)}; for what they do and their options see the
                      functions of these names in fastfm_ext.encoding. Examples: age:numeric  genres:multi:sep=|

the same in a file (--config); flags win over it:
  [columns]
  target = "stars"
  user = ["user_id", {{column = "age", kind = "numeric"}}]
  item = ["film_id", {{column = "genres", kind = "multi", sep = "|"}}]
  [settings]
  n_factors = 8
  early_stopping = false

examples:
  fastfm-ext fit train.libsvm --validation valid.libsvm --model clicks.fastfm
  fastfm-ext fit ratings.csv --target stars --user user_id --item film_id genres:multi --model films.fastfm
  fastfm-ext fit logs/ --stream --cache /tmp --checkpoint clicks.checkpoint --max-iter 5 --model clicks.fastfm
"""
_PREDICT_EPILOG = """\
One line a row, in the order of the rows, nothing else on standard output. Text may have labels or not.

examples:
  fastfm-ext predict clicks.fastfm test.libsvm > probabilities.txt
  fastfm-ext predict films.fastfm pairs.parquet --output stars.txt
"""
_RECOMMEND_EPILOG = """\
Prints CSV: user,rank,item,predicted. Users and items are named by the first column of their side; in text by the
label of the line, or by its number from 0 where there are no labels.

examples:
  fastfm-ext recommend films.fastfm users.csv --seen ratings.csv -n 20 --output top.csv
  fastfm-ext recommend clicks.fastfm users.libsvm --items items.libsvm
"""
_EXPORT_EPILOG = """\
features   of each feature its weight and its factors, and with an encoder its name and field
items      of each item its vector: of the items of training, or of those in --rows
users      of each user in --rows the vector, and the bias, which with the inner product makes the prediction

OUTPUT ends in .npz (numpy.load) or .parquet (pandas.read_parquet, polars, DuckDB and others). What stands in it is said
in the documentation of fastfm_ext.export_features and fastfm_ext.export_vectors.

examples:
  fastfm-ext export films.fastfm weights.parquet
  fastfm-ext export films.fastfm items.npz --what items
  fastfm-ext export films.fastfm users.parquet --what users --rows users.csv
"""
# Hyperparameters of the estimators: type, name of the value, help.
_SETTINGS: dict[str, tuple[Any, str, str]] = {
    "n_factors": (integer(0), "K", "length of the factor vectors (default: 16; 0: a linear model)"),
    "learning_rate": (number, "RATE", "step size (default: depends on task and solver)"),
    "max_iter": (integer(1), "N", "most epochs (default: 100; early stopping may end before)"),
    "l2_w": (number, "L2", "L2 on linear weights (default: depends on task and solver)"),
    "l2_V": (number, "L2", "L2 on factors (default: depends on task and solver)"),
    "l1_w": (number, "L1", "L1 on linear weights, with --solver ftrl (default: 0)"),
    "l1_V": (number, "L1", "L1 on factors, with --solver ftrl (default: 0)"),
    "clip_gradient": (number, "BOUND", "bound on the gradient of a row's loss, in the target's spread (default: none)"),
    "init_stdev": (number, "STDEV", "spread of the first factors (default: depends on task and solver)"),
    "validation_fraction": (fraction, "SHARE", "rows held out for early stopping (default: 0.1)"),
    "n_iter_no_change": (integer(1), "N", "stop after so many epochs without a gain (default: 5)"),
    "tol": (number, "TOL", "what counts as a gain, in units of the target's variance (default: 0.0001)"),
    "n_jobs": (n_jobs, "N", "threads, -1 for all (default: 1; with more, results vary a little)"),
    "random_state": (integer(0), "SEED", "seed of all that is random (default: 0)"),
}
_SWITCHES = {
    "early_stopping": "hold rows out and stop when they get no better (default: from 10,000 rows on)",
    "fit_intercept": "learn an intercept (default: yes)",
    "fit_linear": "learn linear weights (default: yes)",
    "shuffle": "visit the rows in a new order in each epoch (default: yes)",
}


def add_commands(commands: Any) -> None:
    """Add the commands."""
    _add_fit(commands)
    _add_predict(commands)
    _add_recommend(commands)
    _add_inspect(commands)
    _add_export(commands)


def _add(commands: Any, name: str, what: str, epilog: str | None) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    return parser


def _add_fit(commands: Any) -> None:
    parser = _add(commands, "fit", "train a model on a file, and save it", _FIT_EPILOG)
    parser.add_argument("train", type=Path, metavar="TRAIN", help="file of the rows to train on")
    data = parser.add_argument_group("data")
    data.add_argument("--validation", type=Path, metavar="FILE", help="rows for early stopping, not held-out ones")
    data.add_argument("--test", type=Path, metavar="FILE", help="rows to print the errors on in the end")
    data.add_argument("--format", choices=FORMS, dest="form", help=_FORMAT_HELP)
    data.add_argument("--task", choices=TASKS, help="(default: classification if the target has two values)")
    data.add_argument("--target", metavar="COLUMN", help="column to predict")
    data.add_argument("--weight", metavar="COLUMN", help="column of the weights of the rows")
    for side, what in zip(SIDES, ("the user", "the item", "the situation"), strict=True):
        data.add_argument(f"--{side}", type=column, nargs="+", metavar="COLUMN", help=f"columns that describe {what}")
    data.add_argument("--config", type=Path, metavar="TOML", help="columns and settings from a file; flags win over it")
    training = parser.add_argument_group("training")
    training.add_argument("--solver", choices=("adagrad", "sgd", "ftrl"), help="(default: adagrad)")
    for name, (kind, metavar, what) in _SETTINGS.items():
        flags = ["--seed"] if name == "random_state" else [f"--{name.replace('_', '-')}"]
        training.add_argument(*flags, type=kind, metavar=metavar, dest=name, help=what)
    for name, what in _SWITCHES.items():
        flag = f"--{name.replace('_', '-')}"
        training.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=what)
    _add_stream(parser)
    output = parser.add_argument_group("output")
    output.add_argument("-m", "--model", type=Path, metavar="FILE", help="save the model (with encoder and items) here")
    output.add_argument("--quiet", action="store_true", help="print errors on validation and test rows only")
    parser.set_defaults(run=lambda arguments: _fit(parser, arguments))


def _add_stream(parser: argparse.ArgumentParser) -> None:
    stream = parser.add_argument_group(
        "data larger than memory",
        "TRAIN, also a folder of files, is gone through once for what is in it, then for each epoch. Nothing is "
        "held out: for early stopping name a file with --validation; without one, --max-iter is 1 by default.",
    )
    stream.add_argument("--stream", action="store_true", help="hold only some of the rows in memory")
    stream.add_argument(
        "--buffer-rows", type=integer(1), metavar="N", help="rows that are shuffled and trained on together (65536)"
    )
    stream.add_argument("--cache", type=Path, metavar="DIR", help="keep the rows there for the epochs after the first")
    stream.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="save to it now and then; if it is there, go on from it"
    )
    stream.add_argument(
        "--checkpoint-every", type=number, metavar="SECONDS", help="time between two checkpoints (default: 300)"
    )


def _fit(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    columns, parameters = ({}, {}) if arguments.config is None else read_config(arguments.config)
    flags = vars(arguments)
    columns |= {name: flags[name] for name in ("target", "weight", *SIDES) if flags[name] is not None}
    stream = {f.name: flags[f.name] for f in fields(StreamOptions) if flags[f.name] is not None}
    if stream and not arguments.stream:
        parser.error(f"--{next(iter(stream)).replace('_', '-')} goes with --stream")
    chosen = {name: flags[name] for name in ("solver", *_SETTINGS, *_SWITCHES) if flags[name] is not None}
    settings = FitSettings(
        train=arguments.train,
        validation=arguments.validation,
        test=arguments.test,
        form=arguments.form,
        model=arguments.model,
        task=arguments.task,
        columns=Columns(**columns),
        parameters={"random_state": 0} | parameters | chosen,
        stream=StreamOptions(**stream) if arguments.stream else None,
        quiet=arguments.quiet,
    )
    run_job("fit_stream" if arguments.stream else "fit", settings)


def _add_predict(commands: Any) -> None:
    parser = _add(commands, "predict", "print a prediction for each row of a file", _PREDICT_EPILOG)
    parser.add_argument("model", type=Path, metavar="MODEL", help="file that fit has saved")
    parser.add_argument("data", type=Path, metavar="FILE", help="rows to predict, of the form that fit was given")
    parser.add_argument("--format", choices=FORMS, dest="form", help=_FORMAT_HELP)
    parser.add_argument(
        "--kind",
        choices=PREDICTION_KINDS,
        help="value (of a regressor), probability (of the second class in sorted order; of each if there are more than "
        "two), class, or score (the probability's logit); default: value or probability",
    )
    _add_output(parser, "predictions")
    _set_job(parser, "predict", PredictSettings)


def _add_recommend(commands: Any) -> None:
    parser = _add(commands, "recommend", "print the best items of each user", _RECOMMEND_EPILOG)
    parser.add_argument("model", type=Path, metavar="MODEL", help="file that fit has saved")
    parser.add_argument("users", type=Path, metavar="USERS", help="file of the users, with their columns or features")
    parser.add_argument("--items", type=Path, metavar="FILE", help="items to choose from (default: those of training)")
    parser.add_argument("--seen", type=Path, metavar="TABLE", help="pairs of user and item to leave out")
    parser.add_argument("--format", choices=FORMS, dest="form", help=_FORMAT_HELP)
    parser.add_argument("-n", "--top", type=integer(1), default=10, metavar="N", help="items a user (default: 10)")
    _add_output(parser, "recommendations")
    _set_job(parser, "recommend", RecommendSettings)


def _add_output(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help=f"write the {what} here, not to stdout")
    parser.add_argument("--quiet", action="store_true", help="print nothing else")


def _add_inspect(commands: Any) -> None:
    parser = _add(commands, "inspect", "print what a model file or a data file holds", None)
    parser.add_argument("file", type=Path, metavar="FILE", help="a model file, or a file of rows")
    parser.add_argument("--format", choices=FORMS, dest="form", help="form of a file of rows (default: as for fit)")
    parser.add_argument(
        "-n",
        "--top",
        type=integer(0),
        default=10,
        metavar="N",
        help="largest weights to list (default: 10)",
    )
    parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object, for scripts")
    _set_job(parser, "inspect", InspectSettings)


def _add_export(commands: Any) -> None:
    parser = _add(commands, "export", "write what a model has learned as NumPy arrays or Parquet", _EXPORT_EPILOG)
    parser.add_argument("model", type=Path, metavar="MODEL", help="file that fit has saved")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="file to write, .npz or .parquet")
    parser.add_argument("--what", choices=EXPORTS, default="features", help="(default: features)")
    parser.add_argument("--rows", type=Path, metavar="FILE", help="users or items, with their columns or features")
    parser.add_argument("--format", choices=FORMS, dest="form", help=_FORMAT_HELP)
    parser.add_argument("--quiet", action="store_true", help="print nothing")
    _set_job(parser, "export", ExportSettings)


def _set_job(parser: argparse.ArgumentParser, job: str, settings: Callable[..., Any]) -> None:
    """Run the job with the options as its settings, which have the same names."""

    def run(arguments: argparse.Namespace) -> None:
        run_job(job, settings(**{name: value for name, value in vars(arguments).items() if name != "run"}))

    parser.set_defaults(run=run)


def run_job(job: str, settings: Any) -> None:
    """Load the module of a job, and with it all libraries that it needs, and run it."""
    # What libraries make when they are loaded stays; to look for garbage in it takes a seventh of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        run = importlib.import_module(f"fastfm_ext.cli.jobs.{job}").run
    finally:
        if was_enabled:
            gc.enable()
    run(settings)
