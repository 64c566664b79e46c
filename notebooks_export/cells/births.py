tokens = data["tokens"].values.astype(float)                # [run, step], -1 where not known
in_tokens = (tokens[done] >= 0).all()
axis = np.where(tokens < 0, np.nan, tokens) if in_tokens else np.tile(steps * 1.0, (len(names), 1))
horizon = min(axis[run][final(run)] for run in range(len(names)) if done[run].any())


def best_head(run):
    """Up to the horizon, the largest score over the heads of full-attention layers (of all,
    where a run has no such layer), and whose it is; -inf where nothing was measured."""
    valid = data["head_valid"][run].values == 1             # [layer, head]
    full = valid & (data["layer_kind"][run].values == "full")[:, None]
    values = np.where(full if full.any() else valid, data[score][run].values.astype(float), np.nan)
    values = np.nan_to_num(values, nan=-np.inf).reshape(len(steps), -1)
    values[~(done[run] & (axis[run] <= horizon))] = -np.inf
    return values.max(axis=1), values.argmax(axis=1)


def birth(series, at):
    """Born in (after, by], and the index of `by`; by = inf: not up to `after`."""
    for i in range(len(series) - persist + 1):
        if (series[i:i + persist] >= theta).all():
            return (at[i - 1] if i else 0.0), at[i], i
    return (at[-persist] if len(series) >= persist else np.nan), np.inf, None


lives = []
for run, name in enumerate(names):
    series, who = best_head(run)
    seen = np.flatnonzero(series > -np.inf)
    at, series = axis[run][seen], series[seen]
    after, by, i = birth(series, at)
    head = "" if i is None else "{}.{}".format(*divmod(who[seen[i]], data.sizes["head"]))
    if not np.isnan(after):
        lives.append((name, head, after, by, at, series))
pd.DataFrame([[name, head, f"{after:.0f}", "" if np.isinf(by) else f"{by:.0f}"]
              for name, head, after, by, *_ in lives], columns=["run", "head", "after", "by"])
