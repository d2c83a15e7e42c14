"""CSV files as tables of text, with errors that name the file."""

import lzma
import warnings
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from fastfm_ext._common.extras import require

if TYPE_CHECKING:
    import pandas as pd


class CsvFile(NamedTuple):
    """A CSV file, as a path or opened, and the name that errors give it."""

    file: Path | IO[bytes]
    name: str


def read_text(source: CsvFile, **options: Any) -> "pd.DataFrame":
    """Read every cell as text, and empty cells as empty text; the file's name says whether it is compressed.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is empty, no CSV file, no text in UTF-8, or damaged.
    """
    pd = require("pandas", "pandas")
    try:
        with warnings.catch_warnings():
            # pandas only warns when the first rows are longer than the header, and then drops the rest of them.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                source.file, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False, **options
            )
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"{source.name}: the file is empty") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise ValueError(f"{source.name}: not a well-formed CSV file: {str(error).strip()}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{source.name}: not a UTF-8 text file: {error}") from error
    except (lzma.LZMAError, zlib.error, EOFError) as error:
        raise ValueError(f"{source.name}: the compressed file is damaged: {error}") from error
