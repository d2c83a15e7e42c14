from importlib import metadata

import pytest

from fastfm_ext._common import extras


def test_a_missing_optional_dependency_names_the_extra_and_its_packages():
    with pytest.raises(ImportError, match=r'the extra "retrieval" of fastfm-ext: pip install "faiss-cpu>=[0-9.]+"$'):
        extras.require("fastfm_ext_no_such_module", "retrieval")


def test_without_metadata_the_module_is_named(monkeypatch):
    def not_found(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", not_found)
    with pytest.raises(ImportError, match=r"fastfm_ext_none is not installed.* pip install fastfm_ext_none$"):
        extras.require("fastfm_ext_none.part", "retrieval")


def test_a_fault_inside_an_optional_dependency_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import fastfm_ext_no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="fastfm_ext_no_such_module"):
        extras.require("half_installed", "plot")
