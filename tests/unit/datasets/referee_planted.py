"""A planted checkpoint in transformers:  referee_planted.py PLANTED_ROWS

Loads what `ns_plant` wrote (without and with a sliding window), runs every case in eager attention in f32 and demands that the
attention rows equal needlescope's to 1e-5 and the answers' logits to 1e-4, that the planted heads attend as planted.json says, and
that the greedy answer is right.

Retrieval heads get 5e-5 on filler rows: their scores reach 75, where one unit in the last place is 7.6e-6, and a row whose token
stands several times before is a tie that every f32 implementation settles by such units (transformers in f32 is itself 1.2e-5
from transformers in f64)."""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

import torch
from compare import Worst
from transformers import AutoModelForCausalLM


def our_rows(path):
    data = path.read_bytes()
    at = 0
    while at < len(data):
        case, layer, row0, rows, key0, columns, heads = struct.unpack_from("<7q", data, at)
        at += 56
        values = torch.frombuffer(bytearray(data[at:at + 4 * heads * rows * columns]), dtype=torch.float32)
        at += 4 * heads * rows * columns
        yield case, layer, row0, key0, values.reshape(heads, rows, columns)


def check_heads(case, planted, attention):
    """The needle's first token at rows T - 2 and T - 1, its successors at the answer's rows; the previous token everywhere."""
    last, source = len(case["tokens"]) - 1, case["spans"]["needle_answer"][0]
    for head in planted["heads"]:
        rows = attention[head["layer"]][0, head["head"]]
        if head["kind"] == "previous_token":
            least = rows.diagonal(-1).min()
        else:
            least = torch.stack([rows[last - 1, source]] + [rows[last + j, source + j] for j in range(len(case["answer"]))]).min()
        assert least >= 0.99, (case["id"], head, float(least))


def check_folder(helper, folder, window):
    subprocess.run([helper, folder, str(window)], check=True)
    folder = pathlib.Path(folder)
    planted = json.loads((folder / "planted.json").read_text())
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    runs = []
    for line in (folder / "cases.jsonl").read_text().splitlines():
        case = json.loads(line)
        with torch.no_grad():
            out = model(torch.tensor([case["tokens"] + case["answer"][:-1]]), output_attentions=True)
        check_heads(case, planted, out.attentions)
        assert out.logits[0, len(case["tokens"]) - 1:].argmax(-1).tolist() == case["answer"], case["id"]
        runs.append(out)
    retrieval = {(head["layer"], head["head"]) for head in planted["heads"] if head["kind"] == "retrieval"}
    worst = {"rows": Worst(), "tied rows": Worst(), "logits": Worst()}
    seen = set()
    for case, layer, row0, key0, ours in our_rows(folder / "rows.bin"):
        heads, rows, columns = ours.shape
        if layer < 0:
            worst["logits"].add(ours[0], runs[case].logits[0, row0:row0 + rows])
            continue
        theirs = runs[case].attentions[layer][0, :, row0:row0 + rows, key0:key0 + columns]
        asks = runs[case].logits.shape[1] - 4          # T - 2: the answer has three tokens, two of them fed
        for head in range(heads):
            filler = max(0, min(rows, asks - row0)) if (layer, head) in retrieval else 0
            if filler > 0:
                worst["tied rows"].add(ours[head, :filler], theirs[head, :filler])
            if filler < rows:
                worst["rows"].add(ours[head, filler:], theirs[head, filler:])
        seen.update((case, layer, row) for row in range(row0, row0 + rows))
    everything = sum(len(run.attentions) * run.logits.shape[1] for run in runs)
    assert len(seen) == everything, f"{len(seen)} of {everything} rows seen"
    assert worst["rows"].within(1e-5) and worst["tied rows"].within(5e-5) and worst["logits"].within(1e-4), worst
    print(f"window {window}: {everything} rows, largest differences {worst}")


def main():
    for window in (0, 7):
        with tempfile.TemporaryDirectory() as folder:
            check_folder(sys.argv[1], folder, window)


if __name__ == "__main__":
    main()
