"""Container of a model file: a zip of uncompressed members, one JSON manifest and aligned .npy arrays.

The file
--------
A zip archive whose members are not compressed:

- ``manifest.json``: name and version of the format, version of the library, and for each part its class, its metadata
  and a table of its arrays (dtype and shape);
- ``<part>/<array>.npy``: the arrays, little-endian and in C order, each starting at a multiple of 64 bytes, so that
  they can be mapped into memory. ``numpy.load`` reads the file as an ``.npz``.

Version 2 is version 1 with models of centered columns or targets, whose predictions an earlier reader would get wrong;
files without them are of version 1. Version 5 has factors in 16 bits (uint16): the bits of
parameters in float16, and of the optimizer's state for them in bfloat16.

Loading runs no code from the file and looks up no class by a name in it: the caller passes the class of each part,
which its own ``_from_state`` builds. Every size is checked against the file before memory is taken. Every checksum is
compared, except those of mapped arrays, which would have to be read for that.
"""

from __future__ import annotations

import contextlib
import json
import math
import mmap as mmap_module
import os
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Mapping
from io import BufferedIOBase
from types import TracebackType
from typing import IO, Any, NamedTuple, Protocol, Self, cast

import numpy as np

from fastfm_ext._common.arrays import AnyArray
from fastfm_ext._common.checks import public_name
from fastfm_ext._common.files import FileLike, is_path, name_of, reading, writing
from fastfm_ext._common.version import VERSION
from fastfm_ext.model_io.plain_json import from_json, to_json

FORMAT = "fastfm-ext model"
FORMAT_VERSION = 5
FIRST_FORMAT_VERSION = 1  # of parts that do not say in `_format_version` that they need a later one
MANIFEST = "manifest.json"
_ALIGNMENT = 64
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_MAX_DIMS = 32
# Well below 2 GiB, where zipfile would switch to its large format unasked.
_ZIP64_FROM = 2**30
# Fixed-size, platform-independent types; the header of a member must say the same as the manifest.
_DTYPE = re.compile(r"\|[biu]1|<[iu][248]|<f[248]|<U[1-9][0-9]{0,8}|\|S[1-9][0-9]{0,8}")
_ARRAY_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class ModelFileError(ValueError):
    """The file cannot be loaded: it is not a model file, is damaged or incomplete, or is too new.

    Examples
    --------
    >>> import io
    >>> from fastfm_ext import ModelFileError, load_model
    >>> try:
    ...     load_model(io.BytesIO(b"something else"))
    ... except ModelFileError as error:
    ...     print(error)
    BytesIO: not a fastfm-ext model file. Such files are written by fastfm_ext.model_io.save_model.
    """


class Part(Protocol):
    """An object that can be saved: its state as plain values and arrays, and a way back."""

    def _to_state(self) -> tuple[dict[str, Any], dict[str, AnyArray]]: ...

    @classmethod
    def _from_state(cls, meta: dict[str, Any], arrays: dict[str, AnyArray]) -> Self: ...


def write_parts(target: FileLike, parts: Mapping[str, Part]) -> None:
    """Write parts under their names, replacing what is at a path in one step, or to a binary file object.

    Raises
    ------
    TypeError
        If the state of a part holds a value or an array that a file cannot, or the file is open in text mode.
    OSError
        If the file cannot be written.
    """
    members: dict[str, AnyArray] = {}
    entries: dict[str, Any] = {}
    for slot, part in parts.items():
        meta, arrays = part._to_state()
        table = {}
        for name, array in arrays.items():
            plain = members[f"{slot}/{name}.npy"] = _storable(array, slot, name)
            table[name] = {"dtype": plain.dtype.str, "shape": list(plain.shape)}
        entries[slot] = {"class": public_name(type(part)), "meta": to_json(meta, slot), "arrays": table}
    manifest = {
        "format": FORMAT,
        "format_version": max(getattr(part, "_format_version", FIRST_FORMAT_VERSION) for part in parts.values()),
        "library_version": VERSION,
        "parts": entries,
    }
    with writing(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _write_member(archive, file, MANIFEST, [json.dumps(manifest, allow_nan=False).encode()])
        for member, array in members.items():
            _write_member(archive, file, member, [_npy_header(array.dtype.str, array.shape), _bytes_of(array)])


def _storable(array: AnyArray, slot: str, name: str) -> AnyArray:
    """Return the array little-endian and in C order."""
    if not _ARRAY_NAME.fullmatch(name):
        raise ValueError(f"{slot} has an array named {name!r}; use letters, digits, '_', '.' and '-' only.")
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and sys.byteorder == "big"):
        array = array.astype(array.dtype.newbyteorder("<"))
    if not _DTYPE.fullmatch(array.dtype.str):
        raise TypeError(f"{slot}.{name} is an array of dtype {array.dtype}, which a model file cannot hold.")
    return np.asarray(array, order="C")


def _write_member(archive: zipfile.ZipFile, file: IO[bytes], name: str, chunks: list[bytes | memoryview]) -> None:
    # A fixed date: the same model gives the same bytes.
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.file_size = sum(len(chunk) for chunk in chunks)
    large = info.file_size >= _ZIP64_FROM
    # zipfile appends 20 bytes of its own for a large member.
    start = file.tell() + _LOCAL_HEADER.size + len(name) + (20 if large else 0)
    info.extra = _alignment_field(start)
    with archive.open(info, "w", force_zip64=large) as member:
        for chunk in chunks:
            member.write(chunk)


def _alignment_field(start: int) -> bytes:
    """Build the zip extra field (0xD935, as Android's zipalign) that moves data from `start` to an aligned offset."""
    n_padding = -(start + 6) % _ALIGNMENT
    return struct.pack("<HHH", 0xD935, 2 + n_padding, _ALIGNMENT) + bytes(n_padding)


def _npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Build the header of a .npy file, version 1.0, padded so that the data are aligned too."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    n_padding = -(10 + len(text) + 1) % _ALIGNMENT
    text += b" " * n_padding + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def _bytes_of(array: AnyArray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


class _Extent(NamedTuple):
    """The bytes of a member: offset in the file, number, and checksum."""

    offset: int
    size: int
    crc: int


class ModelFileReader:
    """Read the members of a model file; a context manager.

    Every fault of the file, whatever it is, is a `ModelFileError`.

    Attributes
    ----------
    path : str
        For messages.
    slots : list of str
        Names of the parts.
    """

    def __init__(self, file: FileLike) -> None:
        self.path = name_of(file)
        self._can_be_mapped = is_path(file)
        with contextlib.ExitStack() as opened:
            self._file = opened.enter_context(reading(file))
            self._size = self._file.seek(0, os.SEEK_END)
            self._members = self._read_directory()
            self._parts = self._check_manifest(self._read_manifest())
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._opened.close()

    @property
    def slots(self) -> list[str]:
        """Names of the parts in the file."""
        return list(self._parts)

    def class_name(self, slot: str) -> str:
        """Return the name of the class that wrote a part."""
        if slot not in self._parts:
            raise ModelFileError(f"{self.path}: the file holds no {slot}, only {', '.join(self._parts)}.")
        name = self._parts[slot].get("class")
        if not isinstance(name, str):
            raise self.damaged(f"the {slot} has no class")
        return name

    def build(self, slot: str, cls: type[Any], *, mmap: bool) -> Any:
        """Build a part from its state; with `mmap`, from read-only views of the mapped file."""
        if self.class_name(slot) != public_name(cls):
            raise self.unknown_class(slot)
        arrays = self._arrays(slot, mmap=mmap)
        try:
            return cls._from_state(self._parts[slot]["meta"], arrays)
        except (ImportError, MemoryError, OSError):
            raise
        # A mapped file's arrays are unchecked, so any error that a class raises is the file's fault.
        except Exception as error:
            raise self.damaged(f"the {slot} cannot be rebuilt: {type(error).__name__}: {error}") from error

    def unknown_class(self, slot: str) -> ModelFileError:
        """Build the error for a part of a class that the reader does not know."""
        return ModelFileError(
            f"{self.path}: the part {slot!r} is of the class {self.class_name(slot)!r}, which this version of "
            "fastfm-ext cannot load. Upgrade it, or check where the file comes from."
        )

    def not_ours(self) -> ModelFileError:
        """Build the error for a file of another kind."""
        return ModelFileError(
            f"{self.path}: not a fastfm-ext model file. Such files are written by fastfm_ext.model_io.save_model."
        )

    def damaged(self, reason: str) -> ModelFileError:
        """Build the error for a file that is ours, but damaged."""
        return ModelFileError(
            f"{self.path}: the model file is damaged or incomplete ({reason}). Copy it again from where it was saved, "
            "or save the model again."
        )

    def _arrays(self, slot: str, *, mmap: bool) -> dict[str, AnyArray]:
        table = self._parts[slot].get("arrays")
        if not isinstance(table, dict):
            raise self.damaged(f"{slot} has no table of arrays")
        mapped = None
        if mmap:
            if not self._can_be_mapped:
                raise ValueError("mmap=True needs the path of the file; a file object cannot be mapped.")
            mapped = mmap_module.mmap(self._file.fileno(), self._size, access=mmap_module.ACCESS_READ)
        return {name: self._array(f"{slot}/{name}.npy", entry, mapped) for name, entry in table.items()}

    def _array(self, member: str, entry: Any, mapped: mmap_module.mmap | None) -> AnyArray:
        dtype, shape = self._dtype_and_shape(member, entry)
        header = _npy_header(dtype.str, shape)
        extent = self._extent(member)
        count = math.prod(shape)
        if extent.size != len(header) + count * dtype.itemsize:
            raise self.damaged(f"{member} has the wrong size")
        self._file.seek(extent.offset)
        if self._file.read(len(header)) != header:
            raise self.damaged(f"{member} has a wrong header")
        if mapped is not None and count:
            array = np.frombuffer(mapped, dtype, count, extent.offset + len(header)).reshape(shape)
            # Files of ours are aligned. The kernels may not read numbers at other addresses.
            array = array if array.flags.aligned else array.copy()
        else:
            array = np.empty(shape, dtype)
            content = _bytes_of(array)
            if (
                cast(BufferedIOBase, self._file).readinto(content) != len(content)
                or zlib.crc32(content, zlib.crc32(header)) != extent.crc
            ):
                raise self.damaged(f"{member} has a wrong checksum")
        # NumPy raises a SystemError for other numbers, as soon as the text is read.
        if dtype.kind == "U" and (array.reshape(-1).view(np.uint32) > sys.maxunicode).any():
            raise self.damaged(f"{member} holds text of no known characters")
        return array

    def _dtype_and_shape(self, member: str, entry: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
        dtype, shape = (entry.get("dtype"), entry.get("shape")) if isinstance(entry, dict) else (None, None)
        if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
            raise self.damaged(f"{member} has the type {dtype!r}")
        if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape) or len(shape) > _MAX_DIMS:
            raise self.damaged(f"{member} has the shape {shape!r}")
        # NumPy limits the other dimensions of an empty array, which the size of the file does not.
        if math.prod(n for n in shape if n) * np.dtype(dtype).itemsize > 2**62:
            raise self.damaged(f"{member} is too large")
        return np.dtype(dtype), tuple(shape)

    def _read_directory(self) -> dict[str, zipfile.ZipInfo]:
        self._file.seek(0)
        is_zip = self._file.read(4) == b"PK\x03\x04"
        try:
            with zipfile.ZipFile(self._file) as archive:
                members = {info.filename: info for info in archive.infolist()}
        # For a damaged directory zipfile raises more than BadZipFile, and does not document it.
        except Exception as error:
            raise (self.damaged(str(error)) if is_zip else self.not_ours()) from error
        if MANIFEST not in members:
            raise self.not_ours()
        return members

    def _extent(self, member: str) -> _Extent:
        info = self._members.get(member)
        if info is None:
            raise self.damaged(f"{member} is missing")
        if info.header_offset < 0:  # zipfile does not check this
            raise self.damaged(f"{member} is not where it should be")
        self._file.seek(info.header_offset)
        header = self._file.read(_LOCAL_HEADER.size)
        if len(header) != _LOCAL_HEADER.size or not header.startswith(b"PK\x03\x04"):
            raise self.damaged(f"{member} is not where it should be")
        n_name, n_extra = _LOCAL_HEADER.unpack(header)[-2:]
        offset = info.header_offset + _LOCAL_HEADER.size + n_name + n_extra
        if offset + info.file_size > self._size:
            raise self.damaged(f"{member} is cut off")
        return _Extent(offset, info.file_size, info.CRC)

    def _read_manifest(self) -> dict[str, Any]:
        extent = self._extent(MANIFEST)
        self._file.seek(extent.offset)
        text = self._file.read(extent.size)
        if zlib.crc32(text) != extent.crc:
            raise self.damaged(f"{MANIFEST} has a wrong checksum")
        try:
            manifest = from_json(json.loads(text))
        except (ValueError, TypeError, RecursionError) as error:
            raise self.damaged(f"{MANIFEST} cannot be read: {error}") from error
        if not isinstance(manifest, dict):
            raise self.not_ours()
        return manifest

    def _check_manifest(self, manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Return the entries of the parts, after the checks that all files must pass."""
        if manifest.get("format") != FORMAT:
            raise self.not_ours()
        version = manifest.get("format_version")
        if type(version) is not int or version < 1:
            raise self.damaged(f"format version {version!r}")
        if version > FORMAT_VERSION:
            writer, reader = manifest.get("library_version"), VERSION
            raise ModelFileError(
                f"{self.path}: written by fastfm-ext {writer} in format {version}, but this fastfm-ext {reader} reads "
                f"formats up to {FORMAT_VERSION}: upgrade it to load this file."
            )
        parts = manifest.get("parts")
        if not isinstance(parts, dict) or not parts:
            raise self.damaged("no parts")
        for slot, entry in parts.items():
            if not isinstance(entry, dict) or not isinstance(entry.get("meta"), dict):
                raise self.damaged(f"the {slot} has no metadata")
        return parts
