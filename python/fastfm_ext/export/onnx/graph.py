"""Graph under construction: nodes, constants, inputs and outputs of an ONNX model, each value by its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastfm_ext._common.arrays import AnyArray, Int64
from fastfm_ext._common.extras import require

# Those of ONNX 1.9 (2021): every operator used here is as old, so that old runtimes and those of other vendors read it.
OPSET, ML_OPSET, IR_VERSION = 14, 2, 7
ML_DOMAIN = "ai.onnx.ml"
# A file of Protocol Buffers holds less than 2 GiB; what is beside the constants takes little.
MOST_BYTES = 2**31 - 2**20
# What stands for a missing integer, as NumPy's NaT does.
NO_INTEGER = int(np.iinfo(np.int64).min)
# An array of integers may have so many places for each that is there.
MOST_GAPS = 8


class Graph:
    """Nodes in the order of their computation; every method returns the name of a value, for later nodes to take.

    Inputs are declared first, since any name may be that of a column.

    Raises
    ------
    ImportError
        If the package onnx is not installed.
    """

    def __init__(self) -> None:
        self._onnx = require("onnx", "onnx")
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._taken: set[str] = set()
        self._uses_ml = False
        self._n_bytes = 0
        self._small: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def input(self, name: str, dtype: Any, *shape: str) -> str:
        """Declare an input by its NumPy type and the names of its dimensions."""
        self._inputs.append(self._declared(name, dtype, shape))
        self._taken.add(name)
        return name

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs."""
        return [declared.name for declared in self._inputs]

    def output(self, name: str, value: str, dtype: Any, *shape: str | int) -> None:
        """Declare a value as an output under this name, with an underscore behind it if an input has it."""
        name = self._unused(name)
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append(self._declared(name, dtype, shape))

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Add a constant, one for all small ones that are equal.

        Raises
        ------
        ValueError
            If a file could not hold all constants.
        """
        array = np.asarray(values, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size <= 8 and array.dtype != object else None
        if key is not None and key in self._small:
            return self._small[key]
        self._count(array.nbytes)
        name = self._unused(f"constant_{len(self._constants)}")
        self._constants.append(
            self._onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        )
        if key is not None:
            self._small[key] = name
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output."""
        return self.nodes(operator, *inputs, n_outputs=1, **attributes)[0]

    def nodes(self, operator: str, *inputs: str, n_outputs: int, **attributes: Any) -> list[str]:
        """Add a node of several outputs."""
        self._uses_ml |= attributes.get("domain") == ML_DOMAIN
        outputs = [self._unused(f"value_{len(self._nodes)}_{number}") for number in range(n_outputs)]
        self._nodes.append(self._onnx.helper.make_node(operator, list(inputs), outputs, **attributes))
        return outputs

    def cast(self, value: str, dtype: Any) -> str:
        """Convert a value to a NumPy type."""
        return self.node("Cast", value, to=self._type_of(dtype))

    def unsqueezed(self, value: str, axis: int) -> str:
        """Add a dimension of length 1."""
        return self.node("Unsqueeze", value, self.constant([axis], np.int64))

    def summed(self, value: str, axis: int, *, keep: bool = False) -> str:
        """Sum over a dimension, which goes unless it is to be kept."""
        return self.node("ReduceSum", value, self.constant([axis], np.int64), keepdims=int(keep))

    def looked_up(self, keys: str, table: Mapping[Any, int], default: int) -> str:
        """Return the int64 that a table has for each key, all int or all str, or the default.

        Integers that lie close together are indices of an array, which is found faster than by a hash.
        """
        names, values = list(table), np.fromiter(table.values(), dtype=np.int64, count=len(table))
        by_text = bool(names) and isinstance(names[0], str)
        if not by_text:
            integers = np.array(names, dtype=np.int64)
            is_there = integers > NO_INTEGER
            # In Python's integers, since a difference may be beyond 64 bits.
            near = integers[is_there].tolist()
            if near and max(near) - min(near) < MOST_GAPS * len(names):
                found = self._at(keys, integers[is_there], values[is_there], default)
                of_missing = table.get(NO_INTEGER, default)
                if of_missing == default:
                    return found
                is_missing = self.node("Equal", keys, self.constant(NO_INTEGER, np.int64))
                return self.node("Where", is_missing, self.constant(of_missing, np.int64), found)
        # Numbers of 10 bytes at most, and texts after their lengths.
        self._count(10 * len(names) + sum(len(name.encode()) + 5 if by_text else 10 for name in names))
        options = {"keys_strings" if by_text else "keys_int64s": names, "values_int64s": values.tolist()}
        return self.node("LabelEncoder", keys, domain=ML_DOMAIN, default_int64=default, **options)

    def _at(self, keys: str, integers: Int64, values: Int64, default: int) -> str:
        """Return the value of each key that is among the integers, (n,), or the default."""
        low, high = int(integers.min()), int(integers.max())
        array = np.full(high - low + 1, default, dtype=np.int64)
        array[integers - low] = values
        first = self.constant(low, np.int64)
        within = self.node("Min", self.node("Max", keys, first), self.constant(high, np.int64))
        found = self.node("Gather", self.constant(array), self.node("Sub", within, first))
        return self.node("Where", self.node("Equal", within, keys), found, self.constant(default, np.int64))

    def model(self, producer_version: str, metadata: Mapping[str, str]) -> Any:
        """Return the checked ``onnx.ModelProto``."""
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, "fastfm_ext", self._inputs, self._outputs, self._constants)
        opsets = [helper.make_opsetid("", OPSET)] + [helper.make_opsetid(ML_DOMAIN, ML_OPSET)] * self._uses_ml
        model = helper.make_model(
            graph,
            producer_name="fastfm-ext",
            producer_version=producer_version,
            opset_imports=opsets,
            ir_version=IR_VERSION,
        )
        helper.set_model_props(model, dict(metadata))
        self._onnx.checker.check_model(model)
        return model

    def _count(self, n_bytes: int) -> None:
        self._n_bytes += n_bytes
        if self._n_bytes > MOST_BYTES:
            raise ValueError(
                f"the tables of the model take more than {MOST_BYTES / 1e9:.1f} GB, which an ONNX file cannot hold. "
                "Serve it with load_model(path, mmap=True), or train fewer features or factors."
            )

    def _unused(self, name: str) -> str:
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def _declared(self, name: str, dtype: Any, shape: tuple[str | int, ...]) -> Any:
        return self._onnx.helper.make_tensor_value_info(name, self._type_of(dtype), list(shape))

    def _type_of(self, dtype: Any) -> int:
        # Of any text, the type of Python objects is what ONNX takes for strings.
        kind = np.dtype(object if np.dtype(dtype).kind in "OU" else dtype)
        return int(self._onnx.helper.np_dtype_to_tensor_dtype(kind))


def text_array(values: AnyArray) -> AnyArray:
    """Return texts, (n,), as the objects that ONNX takes for strings."""
    return np.array(values.tolist(), dtype=object)
