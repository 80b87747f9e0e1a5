"""The data files that this release ships, and the check that none of them is missing.

Models, checks, migrations, seeds and report queries are found by listing folders. A missing file there would silently
be one rule less. So `resources.release_files` lists the names, and each loader compares. Files that the release does
not ship are an operator's own: they are loaded too, without a warning. `python -m resources.release` writes the list,
`--check` reports whether it is out of date.
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
    "warehouse/audit": (".sql",),
    "warehouse/checks": (".sql",),
    "pipelines/differences/queries": (".sql",),
    "pipelines/differences": (".j2",),
    "pipelines/explorer/queries": (".sql",),
    "pipelines/report/queries": (".sql",),
    "pipelines/report": (".j2", ".css", ".js"),
}
"""Every folder that a loader reads, with the suffixes of the files that it loads."""

NAMES_SHOWN = 5
"""The most missing files of a folder that the sentence names."""

NEARLY = 0.75
"""The least similarity (difflib) at which one folder name counts as a misspelling of another."""

_TARGET = Path(__file__).with_name("release_files.py")


class ProductFileError(Exception):
    """A file of the product is missing or misplaced. The message names the file and what to do."""


def names(folder: Path, endings: tuple[str, ...]) -> set[str]:
    """The files of a folder that a loader loads; hidden files, such as an editor's, are left out.

    Raises:
        OSError: the folder is missing, is not a folder, or cannot be read.
    """
    return {
        path.name
        for path in folder.iterdir()
        if path.suffix in endings and not path.name.startswith(".") and path.is_file()
    }


def require(*folders: str, root: Path = ROOT) -> None:
    """Check that folders contain every file that this release ships, and no file that no loader would read.

    Args:
        folders: those of `FOLDERS` that are about to be read; all of them by default.
        root: where the product is installed.

    Raises:
        ProductFileError: a file is missing or misplaced; the sentence names it.
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
    """A description of what one folder lacks; empty where nothing is missing."""
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
        return f"the folder {folder} holds none of its {len(shipped)} file{'s' * (len(shipped) > 1)}"
    more = f" and {len(missing) - NAMES_SHOWN} more" if len(missing) > NAMES_SHOWN else ""
    return f"{', '.join(missing[:NAMES_SHOWN])}{more} {'are' if len(missing) > 1 else 'is'} missing"


def _unread(root: Path, folder: str) -> list[str]:
    """Files meant for a folder that no loader reads: nested too deep, or with a misspelt folder or suffix."""
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
    """The sibling folders of a folder that no loader reads."""
    parent = folder.rpartition("/")[0]
    known = {name.rpartition("/")[2] for name in FOLDERS if name.rpartition("/")[0] == parent}
    return [path.name for path in (root / parent).glob("*") if path.is_dir() and path.name not in known]


# ---------------------------------------------------------------------------------------- writing the list


def manifest(root: Path = ROOT) -> str:
    """The text of `resources/release_files.py` for the files in the folders now."""
    files = sorted(f"{folder}/{name}" for folder, endings in FOLDERS.items() for name in names(root / folder, endings))
    lines = "".join(f'    "{file}",\n' for file in files)
    return (
        '"""The data files that this release ships. Written by `make docs` (python -m resources.release).\n\n'
        'Larger than others, since it is a list with a line for each file.\n"""\n\n'
        f"FILES = (\n{lines})\n"
    )


def main() -> int:
    """Write the list, or compare it with the folders (`--check`)."""
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
