"""Draw the pictures of README and docs again: `python -m keras_twist.plots images/`."""

import sys
from pathlib import Path

from keras_twist.plots.readme import draw_readme_pictures

if __name__ == "__main__":
    draw_readme_pictures(Path(sys.argv[1] if len(sys.argv) > 1 else "images"))
