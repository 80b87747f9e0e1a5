"""Prints what a test makes of changes to a file. Usage: mutants_tried.py FOLDER TEST FILE CHANGE…"""

from __future__ import annotations

import sys
from pathlib import Path

from tools.mutation.mutations import Mutant
from tools.mutation.trials import learn, load, try_out
from tools.mutation.watch import REPOSITORY

TEST, FILE, *PAIRS = sys.argv[2:]
kept = Path(sys.argv[1], "kept", "learned.json")
known = learn([TEST], [FILE], Path(sys.argv[1]), kept=kept)
load(known, FILE)
text = (REPOSITORY / FILE).read_text()
for pair in PAIRS:
    before, after = pair.split(" → ")
    assert before in text
    mutant = Mutant(FILE, "", before, text.replace(before, after))
    print(try_out(mutant, known.of(mutant), known.seconds, Path(sys.argv[1])) == TEST)
print(learn(["no such test"], [FILE], Path(sys.argv[1]), kept=kept) == known)
