def training(ax):
    """An axis of tokens or steps, logarithmic but for the way from 0 to the first checkpoint."""
    first = min((at[at > 0].min() for *_, at, _ in lives if (at > 0).any()), default=1)
    ax.set_xscale("symlog", linthresh=first)
    ax.set_xlim(left=-first / 10)
    ax.set_xlabel("tokens" if in_tokens else "steps")


fig, ax = plt.subplots(figsize=(7, 1.2 + 0.25 * len(lives)))
for row, (name, head, after, by, at, series) in enumerate(lives):
    points = ax.scatter(at, np.full(len(at), row), c=series, vmin=0, vmax=1, cmap="cividis",
                        marker="s")
    if np.isfinite(by):
        ax.plot([after, by], [row, row], color="red", linewidth=3)    # born in between
training(ax)
ax.set_yticks(range(len(lives)), [name for name, *_ in lives], parse_math=False)
ax.set_ylim(len(lives) - 0.5, -0.5)
fig.colorbar(points).set_label(score, parse_math=False)
plt.show()
