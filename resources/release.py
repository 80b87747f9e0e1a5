"""The data files that this release ships, and whether all of them are there.

Models, checks, migrations, seeds and report queries are found by looking into folders. A file that is missing there
would be one rule less, unseen. So the names are written down in `resources.release_files`, and each loader compares.
Files that the release does not ship are an operator's own: they are loaded too, and nothing is said about them.
`python -m resources.release` writes the names down, `--check` says whether they are out of date.
"""

import argparse
import difflib
import sys
from collections.abc import Mapping
from pathlib import Path

from resources.installation import PRODUCT_FOLDER
from resources.release_files import FILES

ROOT = PRODUCT_FOLDER

FOLDERS: Mapping[str, tuple[str, ...]] = {
    "warehouse/migrations": (".sql",),
    "warehouse/ref": (".sql", ".csv"),
    "warehouse/stage": (".sql",),
    "warehouse/org": (".sql",),
    "warehouse/aws": (".sql",),
    "warehouse/cost": (".sql",),
    "warehouse/cmdb": (".sql",),
    "warehouse/checks": (".sql",),
    "pipelines/report/queries": (".sql",),
    "pipelines/report": (".j2", ".css"),
}
"""Every folder that a loader looks into, with the endings of the files that it takes from there."""

NAMES_SHOWN = 5
"""How many missing files of a folder the sentence names."""

NEARLY = 0.75
"""How alike (difflib) two names of folders are where one is taken for the other misspelt."""

_TARGET = Path(__file__).with_name("release_files.py")


class ProductFileError(Exception):
    """A file of the product is missing, or not what its folder wants. The message says which, and what to do."""


def names(folder: Path, endings: tuple[str, ...]) -> set[str]:
    """The files of a folder that a loader takes from there; hidden ones, such as an editor's, are none.

    Raises:
        OSError: the folder is missing, is none, or cannot be read.
    """
    return {
        path.name
        for path in folder.iterdir()
        if path.suffix in endings and not path.name.startswith(".") and path.is_file()
    }


def require(*folders: str, root: Path = ROOT) -> None:
    """Refuse to go on where a folder lacks a file that this release ships, or holds one that nothing would read.

    Args:
        folders: those of `FOLDERS` that are about to be read; all of them where none is named.
        root: where the product is installed.

    Raises:
        ProductFileError: something is missing or misplaced; the sentence names it.
    """
    read = folders or tuple(FOLDERS)
    missing = {folder: problem for folder in read if (problem := _missing(root, folder))}
    if missing:
        raise ProductFileError(
            f"This installation is not complete: {'; '.join(missing.values())}. A rule or a table that is missing "
            "would pass unseen, so nothing was loaded. Restore what is missing from the release, in a checkout with "
            f"`git restore {' '.join(missing)}`."
        )
    for folder in read:
        if unread := _unread(root, folder):
            raise ProductFileError(
                f"Nothing would read {', '.join(unread)}, so nothing was loaded. Files go into {folder} itself and end "
                f"in {' or '.join(FOLDERS[folder])}. Move them there, or out of {folder.rpartition('/')[0]}."
            )


def _missing(root: Path, folder: str) -> str:
    """What one folder lacks; empty where that is nothing."""
    shipped = sorted(file for file in FILES if file.rpartition("/")[0] == folder)
    try:
        there = names(root / folder, FOLDERS[folder])
    except (FileNotFoundError, NotADirectoryError):
        near = difflib.get_close_matches(folder.rpartition("/")[2], _strangers(root, folder), n=1)
        hint = f" (there is {folder.rpartition('/')[0]}/{near[0]}: was that meant?)" if near else ""
        return f"the folder {folder} is missing{hint}"
    except OSError as error:
        return f"the folder {folder} cannot be read ({error.strerror})"
    missing = [file for file in shipped if file.rpartition("/")[2] not in there]
    if not missing:
        return ""
    if len(missing) == len(shipped):
        return f"the folder {folder} holds none of its {len(shipped)} files"
    more = f" and {len(missing) - NAMES_SHOWN} more" if len(missing) > NAMES_SHOWN else ""
    return f"{', '.join(missing[:NAMES_SHOWN])}{more} {'are' if len(missing) > 1 else 'is'} missing"


def _unread(root: Path, folder: str) -> list[str]:
    """Files that somebody meant for a folder, and that no loader sees: too deep, or the folder or ending misspelt."""
    parent, _, wanted = folder.rpartition("/")
    endings = FOLDERS[folder]
    near = difflib.get_close_matches(wanted, _strangers(root, folder), cutoff=NEARLY)
    candidates = [path for name in near for path in (root / parent / name).iterdir()]
    own = names(root / folder, endings)
    candidates += [path for path in (root / folder).rglob("*") if path.parent != root / folder or path.name not in own]
    return sorted(
        str(path.relative_to(root))
        for path in candidates
        if path.suffix.lower() in endings and not path.name.startswith(".") and path.is_file()
    )


def _strangers(root: Path, folder: str) -> list[str]:
    """The folders beside one that no loader looks into."""
    parent = folder.rpartition("/")[0]
    known = {name.rpartition("/")[2] for name in FOLDERS if name.rpartition("/")[0] == parent}
    return [path.name for path in (root / parent).glob("*") if path.is_dir() and path.name not in known]


# ---------------------------------------------------------------------------------------- writing them down


def manifest(root: Path = ROOT) -> str:
    """The text of `resources/release_files.py` for what stands in the folders now."""
    files = sorted(f"{folder}/{name}" for folder, endings in FOLDERS.items() for name in names(root / folder, endings))
    lines = "".join(f'    "{file}",\n' for file in files)
    return (
        '"""The data files that this release ships. Written by `make docs` (python -m resources.release)."""\n\n'
        f"FILES = (\n{lines})\n"
    )


def main() -> int:
    """Write the names down, or compare them (`--check`)."""
    parser = argparse.ArgumentParser(description="Write down which data files the release ships.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the list is out of date")
    check = parser.parse_args().check
    text = manifest()
    if _TARGET.read_text(encoding="utf-8") == text:
        return 0
    if check:
        print("resources/release_files.py is out of date: run `make docs`.", file=sys.stderr)
        return 1
    _TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
