#!/bin/bash
# larger.sh PROGRAM [GIGABYTES [FOLDER]] - a bf16 checkpoint of random weights (3 GB) under a control group that allows a third of it: the
# same bits as with all of it in memory, no more than is allowed, little of it left in the page cache; and how long it takes beside the disk
# and the arithmetic alone. Needs root, a memory controller (of version 1 or 2), and that much room in FOLDER.
set -u
program=$(realpath "$1") gigabytes=${2:-3}
export OPENBLAS_NUM_THREADS=1
skip() { echo "SKIP: $*"; exit 77; }
[ "$(id -u)" -eq 0 ] || skip "a limit of memory needs root"
dir=$(mktemp -d -p "${3:-${TMPDIR:-/tmp}}") && cd "$dir" || exit 99
group=
trap 'cd /; rm -rf "$dir"; [ -z "$group" ] || rmdir "$group"' EXIT
[ "$(df --output=avail -B1 . | tail -1)" -gt $((gigabytes * 1200000000)) ] || skip "no room for $gigabytes GB in $dir"
limit=$((gigabytes * 1000000000 / 3)) failures=0
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }

# ---- a group below our own, so that what holds for us holds for it ----
own() { sed -n "s/^[0-9]*:$1:\(.*\)/\1/p" /proc/self/cgroup; }
if [ -d /sys/fs/cgroup/memory ]; then
    group=/sys/fs/cgroup/memory$(own memory)/larger.$$ limits=memory.limit_in_bytes peaks=memory.max_usage_in_bytes
else
    group=/sys/fs/cgroup$(own "")/larger.$$ limits=memory.max peaks=memory.peak
fi
mkdir "$group" 2>/dev/null || { group=; skip "no control group of memory can be made"; }
echo $limit 2>/dev/null >"$group/$limits" || skip "the memory controller is not ours"

# ---- the checkpoint: Llama, 2048 wide, with as many layers of 96 MB as it takes; standard library alone ----
python3 - "$gigabytes" <<'END' || exit 99
import array, json, os, random, sys
D, F, KV, V = 2048, 6144, 512, 32000
layers = round((int(sys.argv[1]) * 10**9 / 2 - V * D) / (2 * D * D + 2 * D * KV + 3 * D * F))
os.mkdir("model")
json.dump({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": D, "intermediate_size": F,
           "num_hidden_layers": layers, "num_attention_heads": 16, "num_key_value_heads": 4, "vocab_size": V,
           "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
           "rope_theta": 10000.0, "tie_word_embeddings": True, "torch_dtype": "bfloat16"}, open("model/config.json", "w"))
random.seed(1)
f32 = array.array("f", (random.gauss(0, .02) for _ in range(1 << 20))).tobytes()
noise = bytearray(len(f32) // 2)
noise[0::2], noise[1::2] = f32[2::4], f32[3::4]                # the upper halves
shapes = {"model.embed_tokens.weight": (V, D), "model.norm.weight": (D,)}
for i in range(layers):
    parts = {"self_attn.q_proj": (D, D), "self_attn.k_proj": (KV, D), "self_attn.v_proj": (KV, D), "self_attn.o_proj": (D, D),
             "mlp.gate_proj": (F, D), "mlp.up_proj": (F, D), "mlp.down_proj": (D, F), "input_layernorm": (D,),
             "post_attention_layernorm": (D,)}
    shapes.update({f"model.layers.{i}.{name}.weight": shape for name, shape in parts.items()})
header, at = {}, 0
for name, shape in shapes.items():
    n = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
    header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + n]}
    at += n
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open("model/model.safetensors", "wb") as out:
    out.write(len(text).to_bytes(8, "little") + text)
    for t in header.values():
        left, turn = t["data_offsets"][1] - t["data_offsets"][0], 2 * random.randrange(len(noise) // 2)
        while left > 0:                                         # each tensor begins elsewhere in the noise
            left -= out.write(memoryview(noise)[turn:turn + left])
            turn = 0
    out.flush()
    os.fsync(out.fileno())
END
file=model/model.safetensors bytes=$(stat -c %s model/model.safetensors)
"$program" cases needle --vocab 32000 --lengths 64,128 --depths 0.5 -o cases.jsonl -q >/dev/null || exit 99

seconds() { date +%s.%N; }
since() { echo "$(seconds) $1" | awk '{printf "%.1f", $1 - $2}'; }
forget() { python3 -c 'import os, sys; fd = os.open(sys.argv[1], os.O_RDONLY); os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)' $file; }
left() { fincore -bnr -o RES $file; }
score() { # score NAME OPTION...: exit 1 says that noise answers nothing
    local name=$1
    shift
    "$program" score model --cases cases.jsonl --probe retrieval,mass --resamples 0 -q "$@" -o "$name.h5" >"$name.txt" 2>&1
    [ $? -le 1 ] || { cat "$name.txt"; fail "$name"; }
}
content() { "$program" verify --content "$1.h5" 2>/dev/null | grep '^dataset' | sha256sum; }

forget
begin=$(seconds)
cat $file >/dev/null
disk=$(since "$begin")
begin=$(seconds)
score warm --memory "$((limit / 2))"
arithmetic=$(since "$begin")
forget
begin=$(seconds)
(echo $BASHPID >"$group/cgroup.procs" && score limited) || fail "under the limit"
limited=$(since "$begin") peak=$(cat "$group/$peaks") cached=$(left)
score kept --memory $((2 * bytes))
for name in warm limited; do
    [ "$(content $name)" = "$(content kept)" ] || fail "$name has other bits than what keeps its weights"
done
[ "$(grep -c '^dataset' <("$program" verify --content kept.h5))" -gt 3 ] || fail "nothing was compared"
[ "$peak" -le $limit ] || fail "$peak bytes at the peak, $limit are allowed"
[ "$cached" -lt $((bytes / 8)) ] || fail "$cached bytes of $bytes are left in the page cache"
echo "$bytes bytes of weights under $limit: $limited s (read twice: for the hash, for the pass); reading it once $disk s, from the cache" \
     "$arithmetic s; peak $peak bytes with the page cache, of which $cached of the file are left"
exit $failures
