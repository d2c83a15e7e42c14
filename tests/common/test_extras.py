import pytest

from fastfm_ext._common import extras


def test_a_missing_optional_dependency_names_the_extra():
    with pytest.raises(ImportError, match=r'pip install "fastfm-ext\[retrieval\]"'):
        extras.require("fastfm_ext_no_such_module", "retrieval")


def test_a_fault_inside_an_optional_dependency_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import fastfm_ext_no_such_module\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="fastfm_ext_no_such_module"):
        extras.require("half_installed", "plot")
