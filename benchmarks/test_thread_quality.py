"""Several threads learn what one learns, and the table says how far off they are."""

from __future__ import annotations

import re

import pytest

from thread_quality import main


def test_losses_of_several_threads_stand_beside_that_of_one(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "rat5 frappe --solvers adagrad --threads 2 --epochs 2 --seeds 2 --share-of-rows 0.02"
    main(["--workloads", *arguments.split()])
    *_, ratings, clicks = capsys.readouterr().out.splitlines()
    assert re.search(r"rat5 .* adagrad .* 0\.\d{5} @\d .* [+-]0\.0\d{4} ± 0\.0\d{4} @\d", ratings)
    assert re.search(r"frappe .* adagrad .* 0\.\d{5} @\d .* [+-]\d\.\d\d ± \d\.\d\d % @\d", clicks)


def test_one_seed_has_no_error_and_an_epoch_may_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "frappe --solvers sgd --threads 2 --epochs 2 --seeds 1 --at-epoch 1 --share-of-rows 0.02"
    main(["--workloads", *arguments.split()])
    assert re.search(r"frappe .* sgd .* 0\.\d{5} @1 .* [+-]\d\.\d\d % @1", capsys.readouterr().out)
