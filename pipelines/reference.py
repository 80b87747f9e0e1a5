"""The reference files of an organisation: CSV files of its own, in the folder that `CMDB_REFERENCE` names.

`warehouse/ref/` ships what is true for everybody. What only the organisation knows (budgets, tag keys, exchange rates,
former accounts, …) is in its own folder, which no upgrade touches. A file that is absent there means "none of our own".
`files` checks every file before a run reads any: one sentence per problem, with file, line and column.
"""

import csv
import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipelines.reference_schema import FILES, PARSERS, SHIPPED_FOLDER, ReferenceFile
from resources.installation import PRODUCT_FOLDER

SETTING = "CMDB_REFERENCE"
DEMO_FOLDER = PRODUCT_FOLDER / "simulator" / "reference"
"""The reference files of the simulated organisation: the only ones below the product's own folder."""


class ReferenceFileError(Exception):
    """The reference folder or a file in it cannot be used. The message has a line for each problem."""


def require(folder: Path | None) -> None:
    """Check the reference folder and all of its files.

    Raises:
        ReferenceFileError: something cannot be used; the message has a line for each problem.
    """
    found = problems(folder)
    if found:
        count = f"{len(found)} problems" if len(found) > 1 else "a problem"
        where = folder or SHIPPED_FOLDER
        raise ReferenceFileError(
            "\n".join([f"The reference files in {where} have {count}. Nothing was requested or changed.", *found])
        )


def problems(folder: Path | None) -> list[str]:
    """A sentence for each problem of the reference folder; none where there is none.

    Args:
        folder: the value of `CMDB_REFERENCE`; None where it is unset, which means no file at all.
    """
    found = [*_left_behind()]
    if folder is None:
        return found
    if not folder.is_dir():
        return [
            *found,
            f"{SETTING}={folder} is no folder: create it with `cmdb reference init {folder}`, or correct or unset it.",
        ]
    if folder.resolve().is_relative_to(PRODUCT_FOLDER) and folder.resolve() != DEMO_FOLDER:
        return [
            *found,
            f"{SETTING}={folder} lies inside the product's own folder, which an upgrade replaces: move it outside "
            f"{PRODUCT_FOLDER}.",
        ]
    for path in sorted(path for path in folder.glob("[!.]*") if path.suffix.lower() == ".csv"):
        if path.stem in FILES and path.suffix == ".csv":
            found += _problems_of(path, FILES[path.stem])
        else:
            near = difflib.get_close_matches(path.stem, FILES, n=1)
            meant = f"rename it to {near[0]}.csv" if near else f"the files are {', '.join(FILES)}"
            found.append(f"{path}: no table is read from a file of this name; {meant}, or move it out of the folder.")
    return found


def files(folder: Path | None) -> dict[str, list[Path]]:
    """The files that each table of `FILES` is read from, the organisation's own first.

    Raises:
        ReferenceFileError: the folder or one of its files cannot be used.
    """
    require(folder)
    found = {}
    for name, file in FILES.items():
        own = folder / f"{name}.csv" if folder is not None else None
        if own is None or not own.is_file():
            found[name] = [file.shipped]
        else:
            found[name] = [own, file.shipped] if file.use == "rows" else [own]
    return found


def rows(folder: Path | None, name: str) -> list[dict[str, str]]:
    """The rows of a table that is read from one file, such as `tag_key`; an empty cell is an empty text.

    Raises:
        ReferenceFileError: the folder or one of its files cannot be used.
    """
    header = FILES[name].header
    (path,) = files(folder)[name]
    return [dict(zip(header, cells, strict=True)) for _, cells in _read(path)[1:]]


def _left_behind() -> Iterator[str]:
    """Rows that somebody wrote into a file of the product, where earlier versions kept an organisation's own."""
    for file in FILES.values():
        if file.use != "own" or not file.shipped.is_file():
            continue
        try:
            count = len(_read(file.shipped)) - 1
        except (OSError, UnicodeDecodeError, csv.Error):
            count = 1
        if count > 0:
            yield (
                f"{file.shipped} holds rows of yours, and no run reads them there any more: move the file into a "
                f"folder of your own, set {SETTING} to that folder, and bring the shipped file back with "
                f"`git restore warehouse/ref/{file.name}.csv`."
            )


def _problems_of(path: Path, file: ReferenceFile) -> list[str]:
    try:
        lines = _read(path)
    except UnicodeDecodeError:
        return [f"{path}: this is no text in UTF-8; export it as CSV in UTF-8."]
    except OSError as error:
        return [f"{path} cannot be read: {error.strerror}."]
    except csv.Error as error:
        return [f"{path}: this is no CSV with commas and double quotes ({error})."]
    if not lines:
        return [f"{path}, line 1: the header is missing; begin the file with {','.join(file.header)}"]
    (number, header), *data = lines
    if header != file.header:
        return [f"{path}, line {number}: {_wrong_header(header, file.header)}"]
    if number != 1:
        # DuckDB takes the first line for the header, whatever it holds.
        return [f"{path}, line {number}: the header must be line 1; remove the lines above it."]
    found: list[str] = []
    seen: dict[tuple[str, ...], int] = {}
    for number, cells in data:
        where = f"{path}, line {number}"
        if len(cells) != len(header):
            found.append(f"{where}: {len(cells)} cells where the header has {len(header)} columns.")
            continue
        row = dict(zip(header, cells, strict=True))
        found += [f"{where}, column {column}: {problem}" for column, problem in _wrong_cells(row, file)]
        key = tuple(row[name] for name in file.key)
        if key in seen:
            columns = f"column{'s' if len(file.key) > 1 else ''} {', '.join(file.key)}"
            found.append(f"{where}, {columns}: line {seen[key]} has the same; leave one of the two lines out.")
        seen.setdefault(key, number)
    return found


def _wrong_header(header: Sequence[str], wanted: Sequence[str]) -> str:
    lacking = [name for name in wanted if name not in header]
    unknown = [name for name in header if name not in wanted]
    said = [
        *([f"lacks the column {', '.join(lacking)}"] if lacking else []),
        *([f"has the unknown column {', '.join(map(repr, unknown))}"] if unknown else []),
    ]
    return f"the header {' and '.join(said) or 'has its columns in another order'}; it must be {','.join(wanted)}"


def _wrong_cells(row: Mapping[str, str], file: ReferenceFile) -> Iterator[tuple[str, str]]:
    for column in file.columns:
        text = row[column.name]
        if not text:
            if column.is_required:
                yield column.name, f"the cell is empty; write {column.expects}."
            continue
        try:
            PARSERS[column.kind](text)
            is_right = not column.values or text in column.values
        except ValueError:
            is_right = False
        if not is_right:
            yield column.name, f"{text!r} cannot be used; write {column.expects}."


def _read(path: Path) -> list[tuple[int, list[str]]]:
    """The lines of a CSV file with their numbers, the header first; lines without any value are left out.

    Raises:
        csv.Error: the file is no CSV, or one that DuckDB would read otherwise.
    """
    found = []
    ends: set[bool] = set()
    number = 1
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = file.readlines()
    reader = csv.reader(lines, strict=True)
    for cells in reader:
        if any(cells):
            found.append((number, cells))
        number = reader.line_num + 1
        last = lines[reader.line_num - 1]
        if last.endswith(("\r", "\n")):
            ends.add(last.endswith("\r"))
        if len(ends) > 1:
            # DuckDB loses the first cell after a lone carriage return. It reads LF and CRLF side by side.
            raise csv.Error(f"up to line {reader.line_num} some lines end with a carriage return alone, others do not")
    return found
