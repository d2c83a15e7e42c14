"""The list of public names."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module

import fastfm_ext
from fastfm_ext._names import PLAIN_CLASSES, PUBLIC_MODULES, PUBLIC_NAMES


def test_the_package_offers_the_names_of_its_list():
    assert fastfm_ext.__all__ == sorted(public.name for public in PUBLIC_NAMES)
    for public in PUBLIC_NAMES:
        assert getattr(fastfm_ext, public.name) is getattr(import_module(public.module), public.name)


def test_type_checkers_find_the_names_of_the_list():
    (block,) = (node for node in ast.parse(inspect.getsource(fastfm_ext)).body if isinstance(node, ast.If))
    imports = (node for node in block.body if isinstance(node, ast.ImportFrom))
    found = {(alias.name, node.module) for node in imports for alias in node.names}
    assert found == {(public.name, public.module) for public in PUBLIC_NAMES}


def test_estimators_have_plain_ones_in_the_same_files():
    for name, (module, plain) in PLAIN_CLASSES.items():
        cls = getattr(import_module(module), plain)
        assert issubclass(getattr(fastfm_ext, name), cls)
        assert cls._public_name == name


def test_the_package_offers_its_public_modules():
    for name in PUBLIC_MODULES:
        assert getattr(fastfm_ext, name).__name__ == f"fastfm_ext.{name}"
    assert set(PUBLIC_MODULES) <= set(dir(fastfm_ext))


def test_the_package_loads_nothing_before_it_is_asked_for():
    code = (
        "import sys, fastfm_ext; print(*sorted(m for m in sys.modules if m.split('.')[0] in ('fastfm_ext', 'numpy')))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["fastfm_ext", "fastfm_ext._common", "fastfm_ext._common.version", "fastfm_ext._names"]
