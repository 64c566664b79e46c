fig, ax = plt.subplots(figsize=(6, 4))
lines = [ax.plot(at, series, linewidth=1)[0] for *_, at, series in lives]
ax.axhline(theta, color="grey", linestyle="--", linewidth=1)
training(ax)
ax.set_ylabel(score, parse_math=False)
if len(lives) <= 8:
    for text in ax.legend(lines, [name for name, *_ in lives]).get_texts():
        text.set_parse_math(False)
plt.show()
