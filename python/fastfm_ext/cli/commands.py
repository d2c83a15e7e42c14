"""Commands of the console: their options and help, and the settings that they hand to their jobs."""

import argparse
import gc
import importlib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from fastfm_ext._common.files import is_pipe
from fastfm_ext._learning.solvers.registry import SOLVERS
from fastfm_ext.cli.columns import KINDS, SIDES, TableColumns, read_config
from fastfm_ext.cli.film_settings import DemoSettings, MovielensSettings
from fastfm_ext.cli.hyperparameters import add_hyperparameters, add_hyperparameters_of_rankings
from fastfm_ext.cli.options import READ, STANDARD
from fastfm_ext.cli.outputs import check_outputs, paths_of
from fastfm_ext.cli.pipes import Spool
from fastfm_ext.cli.settings import (
    CsvSettings,
    EvaluateSettings,
    ExportSettings,
    FitSettings,
    FitStreamSettings,
    InspectSettings,
    PredictSettings,
    RecommendSettings,
)
from fastfm_ext.cli.words import column

_FIT_EPILOG = f"""\
files:
  csv, tsv, parquet   a table; say what to predict (--target) and which columns describe the user, the item and the
                      situation. Without any, all other columns are used, by what they hold: numbers with a fraction
                      as numeric ones, most others as categories; the command prints what it chose. Ids and categories
                      are the text that stands there: 007 and 7 are two.
  libsvm, libffm      numbered features, "label id:value ..." or "label field:id:value ...", as libFM, libffm and
                      xLearn read them. Ids are used as they are; fields are passed over, since an FM needs none.
  -                   standard input, here and for the other commands; it and other pipes are read whole first.

columns:
  NAME                a category: a feature for each value
  NAME:KIND[:OPTION=VALUE,...]
                      KIND is one of {", ".join(KINDS)}; for what they do and
                      their options see the functions of these names in fastfm_ext.encoding. Examples: age:numeric
                      genres:multi:sep=,  tags:multi:sep=;,min_count=5  (quote ; and | in a shell; \\t is a tab)

rankings (--task ranking):
  A row of TRAIN is an event: the first column of --user has chosen that of --item (default: user_id and item_id). With
  --users and --items, tables with the same columns of ids, all their columns are features, unless --user or --item
  lists more than the ids. --test takes held-out events.

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
  fastfm-ext fit ratings.csv --target stars --user user_id --item film_id --bayesian --test new.csv
  fastfm-ext fit clicks.csv --task ranking --user user_id --item film_id --items films.csv --model films.fastfm
  fastfm-ext fit logs/ --stream --cache /tmp --checkpoint clicks.checkpoint --max-iter 5 --model clicks.fastfm
"""
_PREDICT_EPILOG = """\
One line a row, in the order of the rows, nothing else on standard output. Text may have labels or not.

examples:
  fastfm-ext predict clicks.fastfm test.libsvm > probabilities.txt
  fastfm-ext predict films.fastfm pairs.parquet --output stars.txt
  fastfm-ext predict films.fastfm pairs.parquet --std
"""
_EVALUATE_EPILOG = """\
Prints errors as fit --test does; of a ranking, how well its first places hold the items of held-out events.

examples:
  fastfm-ext evaluate films.fastfm held_out.csv -k 10 20
  fastfm-ext evaluate stars.fastfm test.csv --target stars
"""
_RECOMMEND_EPILOG = """\
Prints CSV: user,rank,item,predicted. Users and items are named by the first column of their side; in text by the
label of the line as it is written, a number or a word, or by the line's number from 0 where there are no labels.
A model of fit --task ranking prints user,rank,item,score and the title, if its items have one; users of whom it knows
nothing get what is popular, and a warning says so.

examples:
  fastfm-ext recommend films.fastfm --user 42 43
  fastfm-ext recommend films.fastfm users.csv --seen ratings.csv -n 20 --output top.csv
  fastfm-ext recommend clicks.fastfm users.libsvm --items items.libsvm
"""
_EXPORT_EPILOG = """\
features   of each feature its weight and its factors, and with an encoder its name and field
items      of each item its vector: of the items of training, or of those in --rows
users      of each user in --rows the vector, and the bias, which with the inner product makes the prediction

OUTPUT ends in .npz (numpy.load), .parquet (pandas.read_parquet, polars, DuckDB and others), or .onnx: a graph that
predicts, or with --what items or users one that computes their vectors. What stands in it is said in the documentation
of fastfm_ext.export_features, fastfm_ext.export_vectors and fastfm_ext.write_onnx.

examples:
  fastfm-ext export films.fastfm weights.parquet
  fastfm-ext export films.fastfm items.npz --what items
  fastfm-ext export films.fastfm users.parquet --what users --rows users.csv
  fastfm-ext export films.fastfm films.onnx
"""
_DEMO_EPILOG = """\
Serves a page to this machine alone, and opens it in a browser where there is a desktop. MODEL is a file of
fit --task ranking or of FMRecommender.save. Without one, the films of MovieLens are downloaded once, as by the command
movielens, and a recommender is trained on them. The server keeps nothing about anybody: likes stand in the address of
the page.

examples:
  fastfm-ext demo
  fastfm-ext demo films.fastfm --port 0 --no-browser
"""


def add_commands(commands: Any) -> None:
    """Add the commands to the subparsers of the program."""
    _add_fit(commands)
    _add_job(commands, "predict", PredictSettings, "print a prediction for each row of a file", _PREDICT_EPILOG)
    _add_job(commands, "recommend", RecommendSettings, "print the best items of each user", _RECOMMEND_EPILOG)
    what = "print how well a model does on held-out rows or events"
    _add_job(commands, "evaluate", EvaluateSettings, what, _EVALUATE_EPILOG)
    _add_job(commands, "inspect", InspectSettings, "print what a model file or a data file holds")
    what = "write what a model has learned as NumPy arrays or Parquet"
    _add_job(commands, "export", ExportSettings, what, _EXPORT_EPILOG)
    _add_movielens(commands)
    _add_demo(commands)


def _add_job(commands: Any, job: str, settings: Any, what: str, epilog: str | None = None) -> None:
    """Add a command whose options are the settings of the job with its name."""
    parser = _add(commands, job, what, epilog)
    _add_options(parser, settings)
    _add_options(parser.add_argument_group("CSV and TSV"), CsvSettings)
    parser.set_defaults(
        run=lambda arguments: run_job(job, settings(**_given(settings, arguments), csv=_csv(arguments)))
    )


def _csv(arguments: argparse.Namespace) -> CsvSettings:
    return CsvSettings(**_given(CsvSettings, arguments))


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


def _add_options(parser: Any, settings: Any, *names: str) -> None:
    """Add the options of these settings to a parser or a group, or all if none is named.

    An option that is not given leaves no trace, so that the dataclass alone has the defaults.
    """
    for setting in fields(settings):
        if not setting.metadata or (names and setting.name not in names):
            continue
        words = dict(setting.metadata)
        words.pop("role", None)
        flags = words.pop("flags")
        if not flags:
            parser.add_argument(setting.name, **words)
            continue
        if isinstance(setting.default, str | int | float) and setting.default is not False:
            words["help"] += f" (default: {_shown(setting.default)})"
        parser.add_argument(*flags, dest=setting.name, default=argparse.SUPPRESS, **words)


def _shown(default: Any) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default)


def _given(settings: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the values of these settings that the command line has."""
    values = vars(arguments)
    return {s.name: values[s.name] for s in fields(settings) if s.metadata and s.name in values}


def _add_fit(commands: Any) -> None:
    parser = _add(commands, "fit", "train a model on a file, and save it", _FIT_EPILOG)
    _add_options(parser, FitSettings, "train")
    data = parser.add_argument_group("data")
    _add_options(data, FitSettings, "validation", "test", "form", "task")
    data.add_argument("--target", metavar="COLUMN", help="column to predict")
    data.add_argument("--weight", metavar="COLUMN", help="column of the weights of the rows")
    for side, what in zip(SIDES, ("the user", "the item", "the situation"), strict=True):
        data.add_argument(f"--{side}", type=column, nargs="+", metavar="COLUMN", help=f"columns that describe {what}")
    _add_options(data, FitSettings, "users", "items", "title", "config")
    _add_options(data, CsvSettings)
    training = parser.add_argument_group("training")
    _add_options(training, FitSettings, "model_kind", "bayesian")
    rankings = parser.add_argument_group("training of rankings")
    hyperparameters = [*add_hyperparameters(training), *add_hyperparameters_of_rankings(rankings)]
    stream = parser.add_argument_group(
        "data larger than memory",
        "TRAIN, also a folder of files, is read once for its features and then once for each epoch, with --cache\n"
        "only for the first. Nothing is held out: for early stopping name a file with --validation; without one,\n"
        "--max-iter is 1 by default.",
    )
    stream.add_argument("--stream", action="store_true", help="hold only some of the rows in memory")
    _add_options(stream, FitStreamSettings)
    _add_options(parser.add_argument_group("output"), FitSettings, "model", "progress", "quiet")
    parser.set_defaults(run=lambda arguments: _fit(parser, arguments, hyperparameters))


def _fit(parser: argparse.ArgumentParser, arguments: argparse.Namespace, hyperparameters: list[str]) -> None:
    given = _given(FitSettings, arguments)
    columns, chosen = _columns_and_settings(given)
    flags = vars(arguments)
    columns |= {name: flags[name] for name in ("target", "weight", *SIDES) if flags[name] is not None}
    chosen |= {name: flags[name] for name in hyperparameters if flags[name] is not None}
    stream = _given(FitStreamSettings, arguments)
    if stream and not arguments.stream:
        parser.error(f"--{next(iter(stream)).replace('_', '-')} goes with --stream")
    whole = {solver.name for solver in SOLVERS if not solver.trains_on_batches}
    if arguments.stream and chosen.get("solver") in whole:
        parser.error(f"--solver {chosen['solver']} needs all rows at once, and does not go with --stream")
    if arguments.stream and given.get("bayesian"):
        parser.error("--bayesian needs all rows in memory; leave --stream out")
    kind = given.get("model_kind", "fm")
    if kind != "fm" and (given.get("bayesian") or given.get("task") == "ranking"):
        other = "--bayesian" if given.get("bayesian") else "--task ranking"
        parser.error(f"--model-kind {kind} does not go with {other}, which is for factorization machines")
    if "validation" in given and given.get("bayesian"):
        parser.error("--validation is for early stopping, which --bayesian does without; name the file with --test")
    settings = FitSettings(
        **given,
        csv=_csv(arguments),
        columns=TableColumns(**columns),
        hyperparameters={"random_state": 0} | chosen,
        stream=FitStreamSettings(**stream) if arguments.stream else None,
    )
    if settings.task == "ranking":
        if arguments.stream:
            parser.error("--stream does not go with --task ranking")
        if settings.bayesian:
            parser.error("--bayesian does not go with --task ranking, for which there is no Bayesian model")
        run_job("fit_ranking", settings)
    else:
        run_job("fit_stream" if arguments.stream else "fit", settings)


def _columns_and_settings(given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the columns and settings of the file that --config names; a pipe is taken out of `given`, once read."""
    if "config" not in given:
        return {}, {}
    path = given["config"]
    if str(path) != STANDARD and not is_pipe(path):
        return read_config(path)
    del given["config"]
    return read_config(Path("/dev/stdin") if str(path) == STANDARD else path)


def _add_movielens(commands: Any) -> None:
    parser = commands.add_parser(
        "movielens",
        help="train on film ratings, print the test error and recommend films",
        description="Train a factorization machine on film ratings, print its test error beside simple baselines, and "
        "recommend films to one user. The ratings are MovieLens (downloaded once) or your own files of that form.",
        allow_abbrev=False,
    )
    for group, names in {
        "data": ("variant", "data_home", "ratings", "movies", "test_size"),
        "training": ("n_factors", "max_iter", "n_jobs", "seed"),
        "output": ("user", "top", "save", "plot", "quiet"),
    }.items():
        _add_options(parser.add_argument_group(group), MovielensSettings, *names)
    parser.set_defaults(run=lambda arguments: _movielens(parser, arguments))


def _movielens(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    given = _given(MovielensSettings, arguments)
    _check_films(parser, given)
    run_job("movielens", MovielensSettings(**given))


def _check_films(parser: argparse.ArgumentParser, given: dict[str, Any]) -> None:
    """End with a message if these settings do not say where the films come from."""
    if ("ratings" in given) != ("movies" in given):
        parser.error("--ratings and --movies go together; only one of them was given")
    if "ratings" in given and ("variant" in given or "data_home" in given):
        parser.error("--variant and --data-home choose a download; they cannot go with --ratings")


def _add_demo(commands: Any) -> None:
    parser = _add(
        commands, "demo", "open a page that recommends what goes with what you like, and says why", _DEMO_EPILOG
    )
    _add_options(parser, DemoSettings, "model")
    films = parser.add_argument_group("films, without a MODEL")
    _add_options(films, DemoSettings, "variant", "data_home", "ratings", "movies", "seed", "save")
    _add_options(parser.add_argument_group("server"), DemoSettings, "host", "port", "no_browser", "quiet")
    parser.set_defaults(run=lambda arguments: _demo(parser, arguments))


def _demo(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    given = _given(DemoSettings, arguments)
    of_films = [name for name in ("variant", "data_home", "ratings", "movies", "seed", "save") if name in given]
    if given.get("model") is not None and of_films:
        parser.error(f"--{of_films[0].replace('_', '-')} is for a recommender of films; it cannot go with a MODEL")
    _check_films(parser, given)
    run_job("demo", DemoSettings(**given))


def run_job(job: str, settings: Any) -> None:
    """Check the outputs of a job, read the pipes among its inputs, load the libraries that it needs, and run it."""
    check_outputs(settings)
    with Spool(getattr(getattr(settings, "stream", None), "cache", None)) as spool:
        read = [named for named in paths_of(settings) if named.role == READ and named.path is not None]
        files = {named.name: spool.file_of(named.option, named.path) for named in read if named.path is not None}
        _load_job(job)(replace(settings, **files))


def _load_job(job: str) -> Any:
    """Load the module of a job, and return the function that does it."""
    # Loading libraries makes many objects that stay; looking for garbage among them takes a seventh of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        run = importlib.import_module(f"fastfm_ext.cli.jobs.{job}").run
    finally:
        if was_enabled:
            gc.enable()
    return run
