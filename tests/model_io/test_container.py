import pickle
import zipfile

import numpy as np
import pytest

import model_parts
from fastfm_ext.model_io import ModelFileError, container, load_model, save_model
from fastfm_ext.model_io.container import FORMAT_VERSION, ModelFileReader
from model_parts import Picky, Weights, example, rewrite, save_and_load

# pytest finds fixtures among the names of the test's module.
path, registered_parts = model_parts.path, model_parts.registered_parts


class TestArrays:
    ARRAYS = (
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(20, dtype=np.int64)[::-3],
        np.arange(5, dtype=">i4"),
        np.array(2.5),
        np.empty((0, 10**6), dtype=np.float32),
        np.array([True, False]),
        np.array(["ä", "bcd"]),
        np.array([b"ab", b"c"]),
        np.arange(3, dtype=np.float16),
        np.array([2**64 - 1], dtype=np.uint64),
    )

    @pytest.mark.parametrize("mmap", [False, True], ids=["read", "mmap"])
    @pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.str}-{array.shape}")
    def test_round_trip(self, path, array, mmap):
        loaded = save_and_load(path, Weights(other=np.ones(1), array=array), mmap=mmap).arrays["array"]
        assert type(loaded) is np.ndarray
        assert (loaded.shape, loaded.dtype) == (array.shape, array.dtype.newbyteorder("<"))
        np.testing.assert_array_equal(loaded, array)

    @pytest.mark.parametrize("zip64_from", [container._ZIP64_FROM, 0], ids=["small", "zip64"])
    def test_mapped_arrays_are_aligned_read_only_views_of_the_file(self, path, monkeypatch, zip64_from):
        monkeypatch.setattr(container, "_ZIP64_FROM", zip64_from)
        sizes = {f"w{'x' * size}": np.arange(size, dtype=np.float32) for size in range(1, 40, 7)}
        for name, array in save_and_load(path, Weights(**sizes), mmap=True).arrays.items():
            assert array.ctypes.data % 64 == 0
            assert not array.flags.writeable
            assert not array.flags.owndata
            np.testing.assert_array_equal(array, sizes[name])

    def test_mapped_arrays_that_another_program_has_put_elsewhere_are_aligned_too(self, path):
        arrays = {f"w{'x' * size}": np.arange(size, dtype=np.float32) for size in range(1, 10)}
        save_model(path, Weights(**arrays))
        rewrite(path)
        for name, array in load_model(path, mmap=True).model.arrays.items():
            assert array.flags.aligned
            np.testing.assert_array_equal(array, arrays[name])

    def test_read_arrays_are_writable_and_survive_the_file(self, path):
        loaded = save_and_load(path, example())
        path.unlink()
        loaded.arrays["w"][:] = 1

    def test_numpy_opens_the_file(self, path):
        save_model(path, example())
        with np.load(path, allow_pickle=False) as archive:
            np.testing.assert_array_equal(archive["model/w"], example().arrays["w"])

    @pytest.mark.parametrize(
        "array",
        [np.array([{}]), np.zeros(2, dtype=[("a", "f4")]), np.array(["2020"], dtype="M8[D]"), np.array([1j])],
        ids=lambda array: str(array.dtype),
    )
    def test_other_types_are_refused(self, path, array):
        with pytest.raises(TypeError, match=r"model\.w is an array of dtype .*, which a model file cannot hold"):
            save_model(path, Weights(w=array))
        assert not path.exists()

    @pytest.mark.parametrize("name", ["../w", "a b", "", "ä"])
    def test_odd_names_are_refused(self, path, name):
        with pytest.raises(ValueError, match="has an array named"):
            save_model(path, Weights(**{name: np.ones(1)}))


class TestForeignFiles:
    @pytest.mark.parametrize("content", [b"", b"hello", b"PK\x05\x06" + bytes(18), pickle.dumps({"w": 1}), b"PK" * 99])
    def test_another_kind_of_file(self, path, content):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="not a fastfm-ext model file"):
            load_model(path)

    @pytest.mark.parametrize("manifest", [None, b"{}", b'{"format": "docx"}', b"[]"])
    def test_another_zip(self, path, manifest):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("manifest.json" if manifest else "words.xml", manifest or b"")
        with pytest.raises(ModelFileError, match="not a fastfm-ext model file"):
            load_model(path)

    def test_no_file(self, path):
        with pytest.raises(FileNotFoundError):
            load_model(path)

    def test_the_error_is_a_value_error_that_names_the_file(self, path):
        path.write_bytes(b"")
        with pytest.raises(ValueError, match=r"model\.fm: "):
            load_model(path)


class TestManifest:
    def test_a_newer_format(self, path):
        save_model(path, example())
        newer = FORMAT_VERSION + 1
        rewrite(path, lambda manifest: manifest.update(format_version=newer, library_version="9.1", parts="?"))
        with pytest.raises(ModelFileError, match=rf"written by fastfm-ext 9\.1 in format {newer}, .* upgrade it"):
            load_model(path)

    @pytest.mark.parametrize("name", ["FMGhost", "os.system", ["Weights"], None])
    def test_a_class_that_is_not_registered(self, path, name):
        save_model(path, example())
        rewrite(path, lambda manifest: manifest["parts"]["model"].update({"class": name}))
        with pytest.raises(ModelFileError, match=r"cannot load|has no class"):
            load_model(path)

    def test_a_part_that_is_not_known(self, path):
        save_model(path, example())
        rewrite(path, lambda manifest: manifest["parts"].update(teapot=manifest["parts"]["model"]))
        with pytest.raises(ModelFileError, match="'teapot' is of the class 'Weights', which this version"):
            load_model(path)

    @pytest.mark.parametrize(
        "change",
        [
            lambda m: m.update(format_version=True),
            lambda m: m.update(format_version=0),
            lambda m: m.update(parts=[]),
            lambda m: m.update(parts={}),
            lambda m: m["parts"].update(model=3),
            lambda m: m["parts"]["model"].update(meta=None),
            lambda m: m["parts"]["model"].update(arrays=None),
            lambda m: m["parts"]["model"]["arrays"].update(w=None),
            lambda m: m["parts"]["model"]["arrays"].update(absent=m["parts"]["model"]["arrays"]["w"]),
            lambda m: m["parts"]["model"]["arrays"]["w"].update(dtype="|O"),
            lambda m: m["parts"]["model"]["arrays"]["w"].update(dtype=["<f4"]),
            lambda m: m["parts"]["model"]["arrays"]["w"].update(dtype="<f8"),
            lambda m: m["parts"]["model"]["arrays"]["w"].update(shape=[-40]),
            lambda m: m["parts"]["model"]["arrays"]["w"].update(shape=[2**40]),
            lambda m: m["parts"]["model"]["arrays"]["w"].update(shape=[2**62, 2**62]),
            lambda m: m["parts"]["model"]["arrays"]["w"].update(shape=[0, 2**63]),
            lambda m: m["parts"]["model"]["arrays"]["w"].update(shape=[1] * 64),
            lambda m: m["parts"]["model"]["arrays"]["w"].update(shape=[20, 2]),
            lambda m: m["parts"]["model"]["arrays"]["w"].update(shape=40),
            lambda m: m["parts"]["model"]["arrays"].update({"../manifest": m["parts"]["model"]["arrays"]["w"]}),
            lambda m: m["parts"]["model"]["meta"].update(x={"__tuple__": 3}),
            lambda m: m["parts"]["model"]["meta"].update(x={"__float__": "one"}),
        ],
    )
    @pytest.mark.parametrize("mmap", [False, True], ids=["read", "mmap"])
    def test_nonsense(self, path, change, mmap):
        save_model(path, example())
        rewrite(path, change)
        with pytest.raises(ModelFileError, match="damaged or incomplete"):
            load_model(path, mmap=mmap)

    @pytest.mark.parametrize("text", [b"[" * 10**5, b"\xff", b"{", b'{"format": ' + b"1" * 5000 + b"}"])
    def test_text_that_is_no_json(self, path, text):
        save_model(path, example())
        rewrite(path, members={"manifest.json": text})
        with pytest.raises(ModelFileError, match=r"manifest\.json cannot be read"):
            load_model(path)

    def test_a_state_that_the_class_refuses(self, path):
        save_model(path, Picky({"size": 3}, w=np.ones(4)))
        with pytest.raises(ModelFileError, match="model cannot be rebuilt: ZeroDivisionError: no sense in this"):
            load_model(path)

    def test_a_pickle_in_place_of_an_array_is_not_executed(self, path):
        save_model(path, example())
        hostile = path.with_suffix(".npy")
        np.save(hostile, np.array([{"any": "object"}]), allow_pickle=True)
        rewrite(path, members={"model/w.npy": hostile.read_bytes()})
        with pytest.raises(ModelFileError, match="damaged"):
            load_model(path)

    @pytest.mark.parametrize("change", [{"members": {"model/w.npy": None}}, {"compression": zipfile.ZIP_DEFLATED}])
    def test_missing_and_compressed_members(self, path, change):
        save_model(path, example())
        rewrite(path, **change)
        with pytest.raises(ModelFileError, match="damaged"):
            load_model(path)

    def test_a_part_that_the_file_does_not_hold(self, path):
        save_model(path, example(), encoder=example())
        with ModelFileReader(path) as reader, pytest.raises(ModelFileError, match="no index, only model, encoder"):
            reader.build("index", Weights, mmap=False)


class TestDamage:
    """Whatever happens to a file, loading it gives the right model or a ModelFileError."""

    @pytest.fixture
    def content(self, path):
        save_model(path, example(), index=Weights({"ids": [("a", 1)]}, vectors=np.eye(9)))
        return path.read_bytes()

    @staticmethod
    def check(path, damaged, *, mmap):
        path.write_bytes(damaged)
        try:
            saved = load_model(path, mmap=mmap)
        except ModelFileError:
            return
        assert saved.model.meta == example().meta
        assert saved.index.meta == {"ids": [("a", 1)]}
        if not mmap:
            np.testing.assert_array_equal(saved.model.arrays["w"], example().arrays["w"])
            np.testing.assert_array_equal(saved.model.arrays["V"], example().arrays["V"])
            np.testing.assert_array_equal(saved.index.arrays["vectors"], np.eye(9))

    @pytest.mark.parametrize("mmap", [False, True], ids=["read", "mmap"])
    def test_truncated_files(self, path, content, mmap):
        for size in [*range(0, len(content), 97), len(content) - 1]:
            path.write_bytes(content[:size])
            with pytest.raises(ModelFileError):
                load_model(path, mmap=mmap)

    @pytest.mark.parametrize("mmap", [False, True], ids=["read", "mmap"])
    def test_flipped_bytes(self, path, content, mmap):
        rng = np.random.default_rng(0)
        directory = content.index(b"PK\x01\x02")
        # Everywhere, and at every byte of the directory, where zipfile does the reading.
        for at in [*rng.integers(0, len(content), 400), *range(directory, len(content))]:
            damaged = bytearray(content)
            damaged[at] ^= rng.integers(1, 256)
            self.check(path, bytes(damaged), mmap=mmap)

    def test_blocks_of_noise(self, path, content):
        rng = np.random.default_rng(1)
        for _ in range(200):
            damaged = bytearray(content)
            start, size = rng.integers(0, len(content)), rng.integers(1, 60)
            damaged[start : start + size] = rng.bytes(size)
            self.check(path, bytes(damaged), mmap=False)

    def test_a_changed_value_is_found_by_its_checksum(self, path, content):
        values = example().arrays["w"].tobytes()
        assert content.count(values) == 1
        path.write_bytes(content.replace(values, values[:-1] + b"\x00"))
        with pytest.raises(ModelFileError, match=r"model/w\.npy has a wrong checksum"):
            load_model(path)
