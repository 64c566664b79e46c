flat, heads = values.values.ravel(), values.sizes["head"]
order = np.argsort(flat if ascending else -flat, kind="stable")    # NaN comes last
counts = flat[order] < nothing if ascending else flat[order] > nothing       # a head that scores nothing is not one of the best
order = order[counts][:top]
columns = {"head": [f"{i // heads}.{i % heads}" for i in order],
           "layer": kinds.values[order // heads],
           score: [f"{flat[i]:.3f}" for i in order]}
if "score_low" in data and score in data["score_name"].values:
    at = list(data["score_name"].values).index(score)
    for name, bound in ("95 % from", "score_low"), ("95 % to", "score_high"):
        columns[name] = [f"{x:.3f}" for x in data[bound][at].values.ravel()[order]]
pd.DataFrame(columns)
