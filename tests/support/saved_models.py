"""Model files as each released version has written them, and what their parts answered then.

For a release: ``python tests/support/saved_models.py --write`` makes the folder of the version that is
installed. Folders of versions that are out are never written again: they stand for the files that people have.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

import fastfm_ext
import golden_cases
from fastfm_ext import FMEncoder, ItemIndex, load_model, multi, numeric, save_model
from fastfm_ext.encoding import binned, crossed, hashed

FOLDER = Path(__file__).parents[1] / "saved"
ANSWERS = "answers.json"

TABLE = {
    "user": ["ann", "bob", "cat", "ann"],
    "age": [20.0, 40.0, None, 31.0],
    "url": ["x", "y", None, "z"],
    "genres": ["a|b", "b", "a", "c|a"],
    "price": [1.0, 2.0, 9.0, 4.0],
}


def parts() -> dict[str, dict[str, Any]]:
    """What is saved in each file."""
    models = golden_cases.models()
    user = ["user", numeric("age"), hashed("url", 16)]
    encoder = FMEncoder(user=user, item=[multi("genres"), binned("price", 3), crossed("user", "genres")]).fit(TABLE)
    files = {name.replace(", ", "-").replace(" ", "-"): {"model": model} for name, model in models.items()}
    vectors = models["softmax, adagrad"].item_vector(golden_cases.SIDES[1])
    files["index"] = {"index": ItemIndex().fit(vectors, [f"item {n}" for n in range(10)])}
    files["encoder"] = {"encoder": encoder}
    return files


def answers(saved: Any) -> dict[str, Any]:
    """What the parts of a file say."""
    if saved.model is not None:
        return golden_cases.numbers_of(saved.model)
    if saved.encoder is not None:
        X = saved.encoder.transform(TABLE)
        return {"names": saved.encoder.get_feature_names_out().tolist(), "rows": X.toarray().ravel().tolist()}
    ids, scores = saved.index.search(np.ones((1, 1 + golden_cases.SHARED["n_factors"])), n=3)
    return {"ids": ids[0].tolist(), "scores": scores[0].astype(float).tolist()}


def write() -> Path:
    folder = FOLDER / fastfm_ext.__version__
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in parts().items():
        save_model(folder / f"{name}.fm", **file)
    found = {path.name: answers(load_model(path)) for path in sorted(folder.glob("*.fm"))}
    (folder / ANSWERS).write_text(json.dumps(golden_cases.rounded(found), indent=1) + "\n", encoding="utf-8")
    return folder


if __name__ == "__main__":
    if "--write" not in sys.argv:
        sys.exit(__doc__)
    print(f"wrote {write()}")
