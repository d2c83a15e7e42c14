"""Centered form of blocks whose rows have ids: each row its own parameters, around a mean that its features add up to.

A user u with the features x_u has a weight and factors of their own (Adams, Dahl, Murray 2010; Simm et al. 2017),

    v_u ~ N(mu + sum_j x_uj theta_j, Lambda^-1),

and interacts with other blocks by these alone. The id gets what is left, v_u - sum_j x_uj theta_j, so that the features
of a known user, whatever they are by now, add up as in any factorization machine. One feature more a block stands for
the ids that nobody knows: it has what an id has before any row tells of it, a draw from N(mu, Lambda^-1).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse as sp

from fastfm_ext._common.arrays import Bools, Int32
from fastfm_ext._common.checks import kind_of
from fastfm_ext._engine.block_columns import as_csr, gathered, in_one_block, without
from fastfm_ext._engine.blocks import Block, Blocks
from fastfm_ext._engine.csr import Csr
from fastfm_ext._engine.scipy_matrices import as_scipy
from fastfm_ext.bayesian.rows import Rows

FORMS = ("fm", "centered")
_ADVICE = 'Columns that change while the id stays belong to the context. Without ids, fit with form="fm".'


def check_form_of(X: Any, form: str) -> None:
    """Raise ValueError if rows that are not in blocks shall be centered."""
    if form == "centered":
        raise ValueError(
            f'form="centered" is for a BlockMatrix, as FMEncoder.transform_blocks makes; got {kind_of(X)}.'
        )


class CenteredBlock(NamedTuple):
    """Features of a block.

    Attributes
    ----------
    ids : int32 ndarray of shape (n_ids,)
        Ascending; a row has one of them at most.
    others : int32 ndarray
        Ascending.
    """

    ids: Int32
    others: Int32


class CenteredForm(NamedTuple):
    """Blocks that are centered, in a matrix of n_features columns; all others are as they are written.

    The feature of all unknown ids of block number n is ``n_features + n``.
    """

    n_features: int
    blocks: tuple[CenteredBlock, ...]

    @classmethod
    def found(cls, blocks: Blocks, fields: Int32) -> Self:
        """Look for blocks of several fields, (n_features,), and for the field of ids in each.

        Raises
        ------
        ValueError
            If a block has no ids, or no block has several fields.
        """
        several = [block for block in blocks.blocks if len(np.unique(fields[block.features])) > 1]
        if not several:
            raise ValueError(
                'form="centered" is for a BlockMatrix with blocks of ids and other features, as '
                "FMEncoder.transform_blocks makes them of the columns of users and items. X has none; fit with "
                'form="fm".'
            )
        return cls(blocks.n_features, tuple(_with_ids(block, fields[block.features]) for block in several))

    @property
    def n_parameters(self) -> int:
        """Number of features with those that stand for unknown ids."""
        return self.n_features + len(self.blocks)

    def groups(self, fields: Int32) -> Int32:
        """Return the field of each feature with those of unknown ids, (n_parameters,)."""
        return np.concatenate([fields, [fields[block.ids[0]] for block in self.blocks]]).astype(np.int32)

    # --- rows --------------------------------------------------------------------------------------------------------

    def present(self, X: Rows) -> Bools:
        """Return of rows in any arrangement whether they have a feature of each block: (n_rows, n_blocks).

        Raises
        ------
        ValueError
            As `applied` does.
        """
        blocks = in_one_block(X) if isinstance(X, Csr) else X
        result = np.empty((blocks.n_rows, len(self.blocks)), dtype=bool)
        for number in range(len(self.blocks)):
            block, rows = self._block(number, blocks)
            result[:, number] = np.diff(rows.indptr)[block.ids] > 0
        return result

    def applied(self, X: Rows, among: Bools | None = None) -> Blocks:
        """Return rows of any arrangement in these blocks, (n_rows, n_parameters).

        Rows without an id of a block are of its unknown one; `among`, (n_blocks,), leaves out the blocks where it is
        False.

        Raises
        ------
        ValueError
            If a row has two ids of a block, or one with another value than 1.
        """
        blocks = in_one_block(X) if isinstance(X, Csr) else X
        result = without(blocks, np.concatenate([features for block in self.blocks for features in block]))
        for number in range(len(self.blocks)):
            if among is None or among[number]:
                result.append(self._block(number, blocks)[0])
        return Blocks(blocks.n_rows, self.n_parameters, tuple(result), self.groups(blocks.groups))

    def learned(self, blocks: Blocks) -> Blocks:
        """Return rows to learn from: every id has a block row, ascending, and last are the unknown ones.

        Raises
        ------
        ValueError
            If a row has no id.
        """
        result = without(blocks, np.concatenate([features for block in self.blocks for features in block]))
        for number, of_features in enumerate(self.blocks):
            block = self._block(number, blocks)[0]
            assert block.own is not None
            own = np.append(of_features.ids, self.n_features + number).astype(np.int32)
            place = np.searchsorted(own, block.own).astype(np.int32)
            ids = place[block.ids]
            has_none = np.flatnonzero(ids == len(own) - 1)
            if len(has_none):
                raise ValueError(
                    f'Row {has_none[0]} of X has none of the ids {own[0]} to {own[-2]}, and form="centered" learns '
                    'from rows with ids alone. Leave such rows out, or fit with form="fm".'
                )
            used = np.unique(block.ids)
            at = np.full(len(own), block.n_block_rows)  # an empty row
            at[place[used]] = used
            empty = sp.csr_array((1, block.n_features), dtype=np.float32)
            X = as_csr(sp.csr_array(sp.vstack([as_scipy(block.rows), empty], format="csr")[at]))
            result.append(Block(block.features, ids, len(own), None, X, own))
        return Blocks(blocks.n_rows, self.n_parameters, tuple(result), self.groups(blocks.groups))

    def _block(self, number: int, blocks: Blocks) -> tuple[Block, sp.csr_array]:
        """Return a centered block of these rows, and its block rows: columns of ids, then all others."""
        of_ids, others = self.blocks[number]
        ids, X = gathered(blocks, np.concatenate([of_ids, others]))
        chosen = X[:, : len(of_ids)]
        lengths = np.diff(chosen.indptr)
        if lengths.max(initial=0) > 1 or (chosen.data != 1).any():
            raise ValueError(
                f"X has rows with two ids among its columns {of_ids[0]} to {of_ids[-1]}, or with other values there"
                " than 1. Of these the centered form knows one a row, or none."
            )
        own = np.full(X.shape[0], self.n_features + number, dtype=np.int32)
        own[lengths > 0] = of_ids[chosen.indices]
        return Block(others, ids, len(own), None, as_csr(X[:, len(of_ids) :]), own), X

    # --- parameters --------------------------------------------------------------------------------------------------

    def to_arrays(self) -> dict[str, Int32]:
        """Return the features of each block under the names that model files have."""
        return {
            f"centered_{name}_{number}": features
            for number, block in enumerate(self.blocks)
            for name, features in block._asdict().items()
        }

    @staticmethod
    def count_in(arrays: dict[str, Any]) -> int:
        """Return the number of centered blocks that the arrays of a model file name."""
        return sum(name.startswith("centered_ids_") for name in arrays)

    @classmethod
    def from_arrays(cls, arrays: dict[str, Int32], n_features: int) -> Self:
        """Undo `to_arrays`.

        Raises
        ------
        KeyError, ValueError
            For arrays that `to_arrays` did not make.
        """
        blocks = tuple(
            CenteredBlock(arrays[f"centered_ids_{number}"], arrays[f"centered_others_{number}"])
            for number in range(cls.count_in(arrays))
        )
        features = np.concatenate([features for block in blocks for features in block])
        are_columns = features.dtype == np.int32 and ((features >= 0) & (features < n_features)).all()
        if not are_columns or len(np.unique(features)) < len(features) or not all(len(block.ids) for block in blocks):
            raise ValueError("centered blocks whose features are no columns, or in two of them")
        return cls(n_features, blocks)


def _with_ids(block: Block, fields: Int32) -> CenteredBlock:
    """Return the features of a block, (n_block_features,), whose ids are the first field that tells its rows apart."""
    X = as_scipy(block.rows)[np.unique(block.ids)]
    closest, most = -1, 0
    for field in np.unique(fields):
        is_id = fields == field
        ids = X[:, np.flatnonzero(is_id)]
        if (np.diff(ids.indptr) == 1).all() and (ids.data == 1).all():
            block_rows = np.bincount(ids.indices, minlength=ids.shape[1])
            if block_rows.max() == 1:
                return CenteredBlock(block.features[is_id], block.features[~is_id])
            if ids.shape[1] > most:
                closest, most = int(block.features[np.flatnonzero(is_id)[block_rows.argmax()]]), ids.shape[1]
    found = "" if closest < 0 else f"; feature {closest} is in several that differ"
    raise ValueError(
        f'form="centered" needs a feature for each row of a block, as ids are, and the block of features '
        f"{block.features[0]} to {block.features[-1]} has no field of them{found}. {_ADVICE}"
    )
