"""Reports of runs: `python -m keras_twist.report <run> [<run> ...]`; see `recipes.report`."""

import sys

from keras_twist.recipes.report import main

if __name__ == "__main__":
    sys.exit(main())
