"""Pipelines of scikit-learn in model files: the order of the steps as a part, and each step as another."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Self

from fastfm_ext._common.arrays import AnyArray

SLOT = "pipeline"
# A step that does nothing has no part of its own.
_EMPTY_STEPS = ("passthrough", None)


def is_pipeline(model: Any) -> bool:
    """Return whether this is scikit-learn's Pipeline, and not of a class derived from it."""
    # Without the library's import there is no Pipeline, so this imports none.
    module = sys.modules.get("sklearn.pipeline")
    return module is not None and type(model) is module.Pipeline


class SavedPipeline:
    """The steps of a Pipeline, of which a file has each as a part of its own.

    Attributes
    ----------
    steps : list of tuple
        Name of each step, and that of its part; of an empty step ``"passthrough"`` or None.
    options : dict
        `verbose` and `memory`.
    """

    def __init__(self, steps: list[tuple[str, str | None]], options: dict[str, Any]) -> None:
        self.steps = steps
        self.options = options

    @classmethod
    def taken_apart(cls, pipeline: Any, slot_of: Callable[[Any], str | None]) -> dict[str, Any]:
        """Return the parts of a Pipeline by their names.

        Parameters
        ----------
        pipeline : Pipeline
        slot_of : callable
            Names the part that a step can be; None for a step of another library.

        Raises
        ------
        TypeError
            If a step is of another library, or the memory is an object.
        ValueError
            If two steps would be the same part.
        """
        steps: list[tuple[str, str | None]] = []
        parts: dict[str, Any] = {}
        for name, step in pipeline.steps:
            slot = step if step in _EMPTY_STEPS else slot_of(step)
            if slot is None and step is not None:
                raise TypeError(
                    f"step {name!r} of the Pipeline is a {type(step).__name__}, which a model file cannot hold: only "
                    "FMEncoder, FMClassifier and FMRegressor. Save those by themselves, as save_model(path, "
                    "model, encoder=encoder), and the others with their own library."
                )
            if slot in parts:
                raise ValueError(f"step {name!r} is the second {slot} of the Pipeline, and a model file holds one.")
            if step not in _EMPTY_STEPS:
                parts[str(slot)] = step
            steps.append((name, slot))
        if not (pipeline.memory is None or isinstance(pipeline.memory, str)):
            raise TypeError(
                f"the memory of the Pipeline is a {type(pipeline.memory).__name__}, which a model file cannot hold; "
                "set it to None or to the name of a folder"
            )
        options = {"verbose": bool(pipeline.verbose), "memory": pipeline.memory}
        return {SLOT: cls(steps, options)} | parts

    def put_together(self, parts: Mapping[str, Any]) -> Any:
        """Undo `taken_apart`.

        Raises
        ------
        KeyError
            If a part is missing.
        """
        from sklearn.pipeline import Pipeline

        steps = [(name, slot if slot in _EMPTY_STEPS else parts[str(slot)]) for name, slot in self.steps]
        return Pipeline(steps, **self.options)

    def _to_state(self) -> tuple[dict[str, Any], dict[str, AnyArray]]:
        return {"steps": self.steps, "options": self.options}, {}

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> Self:
        steps, options = meta["steps"], meta["options"]
        are_steps = isinstance(steps, list) and all(
            isinstance(step, tuple)
            and len(step) == 2
            and isinstance(step[0], str)
            and (step[1] is None or isinstance(step[1], str))
            for step in steps
        )
        if not are_steps or not steps or len({name for name, _ in steps}) != len(steps):
            raise ValueError(f"a Pipeline of the steps {steps!r}")
        if set(options) != {"verbose", "memory"} or not isinstance(options["verbose"], bool):
            raise ValueError(f"a Pipeline with the options {options!r}")
        if options["memory"] is not None and not isinstance(options["memory"], str):
            raise ValueError(f"a Pipeline with the options {options!r}")
        return cls(steps, options)
