"""Item index, searched by inner product, and the best items of users."""

from fastfm_ext.retrieval.for_users import recommend
from fastfm_ext.retrieval.index import ItemIndex

__all__ = [
    "ItemIndex",
    "recommend",
]
