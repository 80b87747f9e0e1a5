"""`cmdb reference`: the folder of an organisation's own reference files."""

from pathlib import Path

import click

from pipelines.cli.command import Command, Group, Misused, json_option, plainly, print_json, say, settings_of


@click.group(cls=Group)
def reference() -> None:
    """The organisation's own reference files: budgets, tag keys, exchange rates, former accounts and more."""


@reference.command(name="init", cls=Command)
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@json_option
@plainly
def init(folder: Path | None, as_json: bool) -> None:
    """Create the folder of reference files: each with its header, and a README.md that explains every column.

    FOLDER is created where it is missing; by default it is the one that CMDB_REFERENCE names. A file that exists stays
    as it is.

    Example: cmdb reference init /srv/cmdb/reference
    """
    from pipelines.reference import SETTING

    configured = settings_of().reference
    target = folder.expanduser().absolute() if folder is not None else configured
    if target is None:
        raise Misused(f"No folder is named, and {SETTING} is unset. Nothing was written. Name a folder.")
    written, kept = begin_folder(target)
    if as_json:
        print_json({"folder": str(target), "written": written, "kept": kept})
        return
    hint = "" if configured else f" Set {SETTING}={target} wherever a run starts."
    say(
        f"{len(written)} file(s) written to {target}, {len(kept)} left as they were. README.md there explains every "
        f"column.{hint} Next: cmdb reference check"
    )


@reference.command(name="check", cls=Command)
@json_option
@plainly
def check(as_json: bool) -> None:
    """Check the reference files: file, line and column of everything that no run could read.

    Every run checks the same before its first request. Exit code 2 where there is a problem.

    Example: cmdb reference check
    """
    from pipelines.reference import SETTING, ReferenceFileError, files, problems, require

    folder = settings_of().reference
    if as_json:
        found = problems(folder)
        print_json({"folder": None if folder is None else str(folder), "problems": found})
        if found:
            raise click.exceptions.Exit(2)
        return
    try:
        require(folder)
    except ReferenceFileError as error:
        raise Misused(str(error)) from error
    if folder is None:
        say(f"{SETTING} is unset: there are no reference files of your own. `cmdb reference init FOLDER` begins some.")
        return
    own = [name for name, paths in files(folder).items() if paths[0].parent == folder]
    say(f"{len(own)} reference file(s) of {folder} can be used: {', '.join(own) or 'none'}.")


def begin_folder(folder: Path) -> tuple[list[str], list[str]]:
    """Write the files that a folder lacks; returns the names of those that were written and of those that stayed.

    Raises:
        Misused: the folder belongs to the product, or cannot be written.
    """
    import csv
    import io

    from pipelines.models.reference_guide import guide
    from pipelines.reference_schema import FILES
    from resources.installation import PRODUCT_FOLDER

    if folder.resolve().is_relative_to(PRODUCT_FOLDER):
        raise Misused(
            f"{folder} lies inside the product's own folder, which an upgrade replaces. Nothing was written. Name a "
            f"folder outside {PRODUCT_FOLDER}."
        )
    texts = {"README.md": README + guide()}
    for file in FILES.values():
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(file.header)
        texts[f"{file.name}.csv"] = line.getvalue()
    # The header alone would take the place of everything that the product ships.
    texts |= {f"{f.name}.csv": f.shipped.read_text(encoding="utf-8") for f in FILES.values() if f.use == "whole"}
    written, kept = [], []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            try:
                with (folder / name).open("x", encoding="utf-8") as out:
                    out.write(text)
            except FileExistsError:
                kept.append(name)
            else:
                written.append(name)
    except OSError as error:
        raise Misused(f"{error.filename or folder} cannot be written: {error.strerror}.") from error
    return written, kept


README = """# Reference files

Written by `cmdb reference init`; edit the CSV files, and `cmdb reference check` says whether a run can read them. Text
is UTF-8, cells are separated by commas, the header stays as it is. A file that you do not need may be removed.

"""
