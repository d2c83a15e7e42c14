"""Arrays and sparse matrices as nobody should pass them: the same numbers laid out in odd ways, and wrong ones.

An attack takes a sound value and a random generator. Those of `*_LAYOUTS` give the same numbers in another way, the
others whatever a bug or an attacker may bring.
"""

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

from row_layouts import with_int64_indices, with_unsorted_indices

Attack = Callable[[Any, np.random.Generator], Any]


class Odd(np.ndarray):
    """A subclass without anything of its own."""


def read_only(a, rng):
    a = a.copy()
    a.flags.writeable = False
    return a


def misaligned(a, rng):
    buffer = np.empty(a.nbytes + 1, dtype=np.uint8)
    result = buffer[1:].view(a.dtype).reshape(a.shape)
    result[...] = a
    return result


def amid_others(a, rng):
    larger = np.full([n + 2 for n in a.shape], a.flat[0] if a.size else 0, dtype=a.dtype)
    middle = larger[tuple(slice(1, n + 1) for n in a.shape)]
    middle[...] = a
    return middle


def widened(a, rng):
    wider = {"f": ("f8", "g"), "i": ("i8",), "u": ("u8",), "b": ("i1", "f4")}
    return a.astype(rng.choice(wider.get(a.dtype.kind, (a.dtype.str,))))


DENSE_LAYOUTS: dict[str, Attack] = {
    "strided": lambda a, rng: np.repeat(a, 2, axis=-1)[..., ::2],
    "with negative strides": lambda a, rng: np.flip(np.flip(a).copy()),
    "in Fortran order": lambda a, rng: np.asfortranarray(a),
    "of the other byte order": lambda a, rng: a.astype(a.dtype.newbyteorder()),
    "read-only": read_only,
    "misaligned": misaligned,
    "amid others": amid_others,
    "of a subclass": lambda a, rng: a.view(Odd),
    "masked without a mask": lambda a, rng: np.ma.masked_array(a),
    "of objects": lambda a, rng: a.astype(object),
    "of a wider type": widened,
    "a list": lambda a, rng: a.tolist(),
}

DTYPES = ("f2", "f4", "f8", "g", "i1", "u1", "i2", "i4", "u4", "i8", "u8", "?", "c8", "G")
ODD_TYPES = ("M8[s]", "m8[D]", "S3", "U3", "V4", "O", [("a", "i4"), ("b", "f4")])
VALUES = (np.nan, np.inf, -np.inf, 1e39, 3e38, -3e38, 1e-45, -0.0, -1, 0.5, 2**31, -(2**31), 2**62, 7)
OBJECTS = (None, "x", b"x", [1, 2], {}, 2**70, -(10**400), float("nan"), object(), 1j, np.datetime64("NaT", "s"), ())
NO_ARRAYS = (None, 1.5, "text", b"bytes", {}, set(), (), [], [[]], [[1.0], [1.0, 2.0]], object(), range(5), np.nan)


def in_numbers(a):
    """The array, or numbers of its shape in place of text."""
    return a if a.dtype.kind in "biuf" else np.arange(a.size).reshape(a.shape)


def cast(a, rng):
    with np.errstate(all="ignore"):
        return in_numbers(a).astype(str(rng.choice(DTYPES)))


def of_an_odd_type(a, rng):
    return np.resize(np.arange(a.size), a.shape).astype("i8").astype(ODD_TYPES[rng.integers(len(ODD_TYPES))])


def with_a_value(a, rng):
    value = VALUES[rng.integers(len(VALUES))]
    a = in_numbers(a).astype(np.float64)
    if a.size:
        a.flat[rng.integers(a.size)] = value
    return a


def with_an_integer(a, rng):
    a = in_numbers(a).astype(rng.choice(["i8", "i4"]))
    if a.size:
        a.flat[rng.integers(a.size)] = rng.choice([-1, a.size, 2**31 - 1, -(2**31)])
    return a


def with_an_object(a, rng):
    a = a.astype(object)
    if a.size:
        a.flat[rng.integers(a.size)] = OBJECTS[rng.integers(len(OBJECTS))]
    return a


def of_another_shape(a, rng):
    axis = int(rng.integers(a.ndim))
    rows = [rng.integers(0, n, size=rng.choice([0, 1, n - 1, n + 1])) if n else [] for n in a.shape]
    kinds = (
        lambda: np.zeros((), a.dtype),
        lambda: a[..., None],
        lambda: a[None],
        lambda: a.T,
        lambda: a.reshape(-1),
        lambda: np.take(a, np.asarray(rows[axis], dtype=int), axis=axis),
        lambda: np.broadcast_to(a[:1], a.shape),
        lambda: np.zeros([0 if n == axis else size for n, size in enumerate(a.shape)], a.dtype),
    )
    return kinds[rng.integers(len(kinds))]()


def masked(a, rng):
    return np.ma.masked_array(a, mask=rng.random(a.shape) < rng.choice([0.1, 1.0]))


DENSE_ATTACKS: dict[str, Attack] = {
    "cast": cast,
    "of an odd type": of_an_odd_type,
    "with a value": with_a_value,
    "with an integer": with_an_integer,
    "with an object": with_an_object,
    "of another shape": of_another_shape,
    "masked": masked,
    "a numpy.matrix": lambda a, rng: np.asmatrix(a) if a.ndim < 3 else a,
    "no array": lambda a, rng: NO_ARRAYS[rng.integers(len(NO_ARRAYS))],
    "a generator": lambda a, rng: (x for x in a),
    "dates": lambda a, rng: np.full(a.shape, datetime.date(2020, 1, 1), dtype=object),
    "sparse": lambda a, rng: sp.coo_array(a) if a.dtype.kind in "biuf" else sp.coo_array((2, 3)),
}


# --- sparse --------------------------------------------------------------------------------------------------------


def unchecked(kind, parts, shape):
    """A sparse matrix over these arrays, whatever they are: what a user's own code can make of one."""
    result = kind((1, 1))
    result._shape = shape
    for name, part in parts.items():
        setattr(result, name, part)
    return result


def parts_of(X):
    return {"data": X.data.copy(), "indices": X.indices.copy(), "indptr": X.indptr.copy()}


def with_laid_out_parts(X, rng):
    layouts = [DENSE_LAYOUTS[name] for name in ("strided", "with negative strides", "read-only", "misaligned")]
    parts = {name: layouts[rng.integers(len(layouts))](part, rng) for name, part in parts_of(X).items()}
    return unchecked(sp.csr_array, parts, X.shape)


def with_mixed_integers(X, rng):
    parts = parts_of(X)
    for name in ("indices", "indptr"):
        parts[name] = parts[name].astype(rng.choice(["i4", "i8"]))
    return unchecked(sp.csr_array, parts, X.shape)


def with_a_zero(X, rng):
    X = X.tocoo()
    return sp.coo_array((np.append(X.data, X.dtype.type(0)), [np.append(c, 0) for c in X.coords]), shape=X.shape)


def with_spare_room(X, rng):
    parts = parts_of(X)
    parts["indices"] = np.append(parts["indices"], np.int32(10**6))
    parts["data"] = np.append(parts["data"], parts["data"].dtype.type(1))
    return unchecked(sp.csr_array, parts, X.shape)


SPARSE_LAYOUTS: dict[str, Attack] = {
    "in another format": lambda X, rng: X.asformat(rng.choice(["csc", "coo", "lil", "dok", "dia", "bsr"])),
    "an old matrix": lambda X, rng: sp.csr_matrix(X),
    "with 64-bit indices": lambda X, rng: with_int64_indices(X),
    "with indices and indptr of different types": with_mixed_integers,
    "unsorted": lambda X, rng: with_unsorted_indices(X.copy()),
    "with odd arrays": with_laid_out_parts,
    "with a zero": with_a_zero,
    "with spare room": with_spare_room,
    "of a wider type": lambda X, rng: X.astype(np.float64) if X.dtype.kind == "f" else X.astype(np.int64),
}

PLACES = (-1, -5, 2**31 - 1, -(2**31), 2**40, -(2**62), 1000, 100, 5, 3)


def with_wrong_places(X, rng):
    """CSR, CSC or BSR with one or more numbers of `indices` or `indptr` replaced."""
    kind = [sp.csr_array, sp.csc_array, sp.csr_matrix, sp.bsr_array][rng.integers(4)]
    parts = parts_of(X.asformat({sp.csc_array: "csc"}.get(kind, "csr")))
    name = str(rng.choice(["indices", "indptr"]))
    places = parts[name].astype(rng.choice(["i8", parts[name].dtype.str]))
    for at in rng.integers(len(places), size=rng.choice([1, 1, 3])) if len(places) else ():
        with np.errstate(all="ignore"):
            places[at] = np.array(rng.choice([*PLACES, X.shape[0], X.shape[1], X.nnz])).astype(places.dtype)
    parts[name] = places
    if kind is sp.bsr_array:
        parts["data"] = parts["data"].reshape(-1, 1, 1)
    return unchecked(kind, parts, X.shape)


def with_a_wrong_part(X, rng):
    parts = parts_of(X)
    name = str(rng.choice(list(parts)))
    attacks = [attack for a, attack in DENSE_ATTACKS.items() if a not in ("sparse", "dates", "a generator")]
    parts[name] = attacks[rng.integers(len(attacks))](parts[name], rng)
    return unchecked(sp.csr_array, parts, X.shape)


def with_wrong_coordinates(X, rng):
    X = X.tocoo()
    coords = [c.astype(np.int64) for c in X.coords]
    if X.nnz:
        coords[rng.integers(2)][rng.integers(X.nnz)] = rng.choice(PLACES)
    result = sp.coo_array(X.shape)
    result.coords, result.data = tuple(coords), X.data
    return result


def of_a_wrong_shape(X, rng):
    rows, columns = X.shape
    shapes = [(rows, 2**31 + 5), (rows, 2**40), (rows, 1), (1, columns), (rows, 0), (0, columns), (rows + 7, columns)]
    return unchecked(sp.csr_array, parts_of(X), shapes[rng.integers(len(shapes))])


def with_a_number(X, rng):
    X = X.astype(np.float64)
    if X.nnz:
        X.data[rng.integers(X.nnz)] = VALUES[rng.integers(len(VALUES))]
    return X


SPARSE_ATTACKS: dict[str, Attack] = {
    "with wrong places": with_wrong_places,
    "with a wrong part": with_a_wrong_part,
    "with wrong coordinates": with_wrong_coordinates,
    "of a wrong shape": of_a_wrong_shape,
    "with a number": with_a_number,
    "cast": lambda X, rng: X.astype(str(rng.choice(DTYPES[1:]))),
    "empty": lambda X, rng: sp.csr_array([X.shape, (0, X.shape[1]), (X.shape[0], 0), (0, 0)][rng.integers(4)]),
    "transposed": lambda X, rng: X.T,
    "of one dimension": lambda X, rng: sp.coo_array(X.toarray()[0]),
    "dense": lambda X, rng: DENSE_ATTACKS["of another shape"](X.toarray(), rng),
    "no array": DENSE_ATTACKS["no array"],
}


def attacked(value: Any, rng: np.random.Generator, layout: bool) -> tuple[str, Any]:
    """The value after an attack by chance, one on its layout alone or any other, and the attack's name."""
    if sp.issparse(value):
        attacks = SPARSE_LAYOUTS if layout else SPARSE_ATTACKS
    else:
        attacks = DENSE_LAYOUTS if layout else DENSE_ATTACKS
    name = str(rng.choice(list(attacks)))
    return name, attacks[name](value, rng)
