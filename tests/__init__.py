"""All tests."""

import os
import sys

# Where nothing compiled is kept, each of the hundred processes that tests start compiles the whole house anew. Images
# of containers ask for that; a checkout that is tested many times should not.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
