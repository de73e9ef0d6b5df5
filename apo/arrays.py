"""Names for arrays in signatures; imported by type checkers alone, since numpy takes time to load."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
