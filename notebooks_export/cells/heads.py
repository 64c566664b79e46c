fig, ax = plt.subplots(figsize=(5, 4))
image = ax.imshow(np.ma.masked_invalid(values.values), cmap="cividis", aspect="auto")
for axis, name in (ax.xaxis, "head"), (ax.yaxis, "layer"):
    axis.set_label_text(name)
    axis.get_major_locator().set_params(integer=True)
fig.colorbar(image).set_label(score, parse_math=False)
plt.show()
