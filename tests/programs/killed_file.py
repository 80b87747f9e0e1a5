"""Is killed while it writes a file in place of another. Usage: killed_file.py FILE"""

import os
import sys
from pathlib import Path

from resources.store.files import atomic_write

with atomic_write(Path(sys.argv[1])) as file:
    file.write("new")
    file.flush()
    os.kill(os.getpid(), 9)
