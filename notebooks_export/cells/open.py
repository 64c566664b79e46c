import os

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

for limit in ("display.max_rows", "display.max_columns", "display.max_colwidth"):
    pd.set_option(limit, None)
data = xr.open_dataset(os.environ.get("NEEDLESCOPE_H5", path), engine="h5netcdf")
print(", ".join(f"{axis}s: {data.sizes[axis]}"
                for axis in ("run", "step", "case", "layer", "head") if axis in data.sizes))
