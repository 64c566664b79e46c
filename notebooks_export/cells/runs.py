done = data["status"].values == 1                           # [run, step]
names, steps = data["run_name"].values, data["step"].values
coordinates = sorted(name for name in data.variables
                     if data[name].dims == ("run",) and name not in ("run", "run_name"))


def final(run):
    """Index of the run's last checkpoint that was scored."""
    return int(np.flatnonzero(done[run])[-1])


def show(value):
    return value if isinstance(value, str) else "" if np.isnan(value) else f"{value:.15g}"


pd.DataFrame([[name, *(show(data[c].values[run]) for c in coordinates),
               done[run].sum(), steps[final(run)] if done[run].any() else ""]
              for run, name in enumerate(names)],
             columns=["run", *coordinates, "scored", "last step"])
