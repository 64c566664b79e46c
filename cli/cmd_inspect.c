/* cmd_inspect.c - what a checkpoint holds: size, layers, hook points, the cost of a pass, tensors. Reads headers only. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/family.h>
#include <needlescope/hooks.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "cli/out.h"

typedef struct inspect_settings {
    cli_model_settings model;
    bool        points, cost, tensors, families;
    cli_ints    lengths;
    const char *arch_out;
} inspect_settings;

#define FIELD(name) offsetof(inspect_settings, name)
static const cli_option options[] = {
    {"points", 0, CLI_FLAG, FIELD(points), NULL, "list the hook points with shapes and formulas, and why a layer lacks one"},
    {"cost", 0, CLI_FLAG, FIELD(cost), NULL, "memory, waves and operations of a pass over --lengths"},
    {"lengths", 'l', CLI_INTS, FIELD(lengths), "N,N,...", "prompt lengths for --cost, one sequence each (default 512,2048)"},
    {"tensors", 0, CLI_FLAG, FIELD(tensors), NULL, "list the tensors"},
    {"families", 0, CLI_FLAG, FIELD(families), NULL, "list the model types that load; needs no MODEL"},
    {"arch-out", 0, CLI_STREAM, FIELD(arch_out), "FILE",
     "write the architecture as JSON, to be edited and given back with --arch", .makes = NS_KINDS(NS_KIND_ARCH)},
    {0},
};
#undef FIELD

typedef struct tensor_counts { int64_t numbers, bytes, left_out, bytes_left_out; } tensor_counts;

static tensor_counts count_tensors(const ns_checkpoint *checkpoint, const ns_arch *arch)
{
    tensor_counts n = {0};
    for (int64_t i = 0; i < ns_checkpoint_count(checkpoint); i++) {
        const ns_tensor *const tensor = ns_checkpoint_tensor(checkpoint, i);
        const bool ignored = ns_arch_ignores(arch, tensor->name);
        n.numbers += ignored ? 0 : ns_view_count(&tensor->view);
        n.bytes += tensor->n_bytes;
        n.left_out += ignored;
        n.bytes_left_out += ignored ? tensor->n_bytes : 0;
    }
    return n;
}

static void describe_model(cli_out *o, const ns_opened *m)
{
    const ns_arch *const arch = m->arch;
    const tensor_counts n = count_tensors(m->checkpoint, arch);
    cli_out_text(o, "model", "model", m->name);
    cli_out_text(o, "folder", "folder", ns_checkpoint_dir(m->checkpoint));
    cli_out_text(o, "family", "family", arch->family);
    cli_out_int(o, "n_layers", "layers", arch->n_layers);
    cli_out_int(o, "d_model", "width", arch->d_model);
    cli_out_int(o, "vocab", "vocabulary", arch->vocab);
    cli_out_int(o, "max_positions", "positions", arch->max_positions);
    cli_out_int(o, "max_heads", NULL, ns_arch_max_heads(arch));
    const bool tied = arch->head.name && arch->embed.name && strcmp(arch->head.name, arch->embed.name) == 0;
    cli_out_bool(o, "tied_embeddings", "tied embeddings", tied);
    cli_out_int(o, "n_tensors", "tensors", ns_checkpoint_count(m->checkpoint));
    cli_out_int(o, "n_parameters", "parameters", n.numbers);
    cli_out_int(o, "n_bytes", "bytes", n.bytes);
    cli_out_int(o, "n_tensors_left_out", n.left_out ? "left out (buffers, towers)" : NULL, n.left_out);
    cli_out_int(o, "n_bytes_left_out", n.left_out ? "bytes left out" : NULL, n.bytes_left_out);
    cli_out_text(o, "identity", "identity", ns_checkpoint_identity(m->checkpoint));
    cli_out_text(o, "tokenizer", "tokenizer", ns_checkpoint_tokenizer_path(m->checkpoint));
}

static const char *rope_label(const ns_arch *arch, const ns_attn *attn, char *out, size_t n)
{
    static const char *const scalings[] = {"", " linear", " dynamic", " llama3", " yarn", " longrope"};
    if (!attn || attn->rope < 0 || attn->rope >= arch->n_ropes) {
        snprintf(out, n, "none");
        return out;
    }
    const ns_rope *const rope = &arch->ropes[attn->rope];
    const int used = snprintf(out, n, "%g%s", rope->theta, (unsigned)rope->scaling < 6 ? scalings[rope->scaling] : " ?");
    if (rope->rotary_dim != attn->head_dim && used > 0 && (size_t)used < n)
        snprintf(out + used, n - (size_t)used, " (%lld of %lld dims)", (long long)rope->rotary_dim, (long long)attn->head_dim);
    return out;
}

/* One layer's cells after the first; equal layers give equal text. */
typedef struct layer_row {
    char    kind[32], rope[64];
    int64_t window, n_heads, n_kv_heads, head_dim, d_ff, experts;
} layer_row;

static layer_row layer_row_of(const ns_arch *arch, int64_t layer)
{
    layer_row row;
    memset(&row, 0, sizeof row);   /* rows are compared as bytes */
    const ns_attn *const attn = ns_arch_attn(arch, layer);
    snprintf(row.kind, sizeof row.kind, "%s%s", attn && attn->chunk ? "chunk" : ns_layer_kind_name(ns_arch_layer_kind(arch, layer)),
             ns_arch_mixers(arch, layer) < 2                          ? ""
             : ns_arch_layer_kind(arch, layer) == NS_LAYER_RECURRENT ? " + attention"
                                                                     : " + recurrent");
    rope_label(arch, attn, row.rope, sizeof row.rope);
    if (attn) {
        row.window = attn->head_window ? -1 : ns_attn_window(attn, 0);
        row.n_heads = attn->n_heads;
        row.n_kv_heads = attn->n_kv_heads;
        row.head_dim = attn->head_dim;
    }
    row.d_ff = ns_arch_axis(arch, layer, "d_ff");
    row.experts = ns_arch_axis(arch, layer, "expert");
    row.d_ff = row.experts ? ns_arch_axis(arch, layer, "d_expert") : row.d_ff;
    return row;
}

static void describe_layers(cli_out *o, const ns_arch *arch)
{
    static const cli_column columns[] = {
        {"layer", "layer", CELL_TEXT}, {"kind", "kind", CELL_TEXT}, {"window", "window", CELL_TEXT}, {"rope", "rope", CELL_TEXT},
        {"n_heads", "heads", CELL_INT}, {"n_kv_heads", "kv heads", CELL_INT}, {"head_dim", "head dim", CELL_INT},
        {"d_ff", "d_ff", CELL_INT}, {"experts", "experts", CELL_TEXT},
    };
    cli_out_table(o, "layers", "Layers", columns, 9);
    for (int64_t layer = 0; layer < arch->n_layers;) {
        const layer_row row = layer_row_of(arch, layer);
        int64_t last = layer;
        while (!o->json && last + 1 < arch->n_layers) {   /* equal neighbours share a line of text */
            const layer_row next = layer_row_of(arch, last + 1);
            if (memcmp(&row, &next, sizeof row) != 0)
                break;
            last++;
        }
        char label[48];
        snprintf(label, sizeof label, last > layer ? "%lld-%lld" : "%lld", (long long)layer, (long long)last);
        if (o->json)
            cli_cell_int(o, layer);
        else
            cli_cell_text(o, label);
        cli_cell_text(o, row.kind);
        if (o->json || row.window > 0)
            cli_cell_int(o, row.window);
        else
            cli_cell_text(o, row.window < 0 ? "per head" : NULL);
        cli_cell_text(o, row.rope);
        cli_cell_int(o, row.n_heads);
        cli_cell_int(o, row.n_kv_heads);
        cli_cell_int(o, row.head_dim);
        cli_cell_int(o, row.d_ff);
        if (o->json || row.experts > 0)
            cli_cell_int(o, row.experts);
        else
            cli_cell_text(o, NULL);
        layer = last + 1;
    }
    cli_out_table_end(o);
}

/* "row head d_head" -> "[row, 9, 64]" with the sizes of one layer. */
static void shape_text(const ns_arch *arch, int64_t layer, ns_point point, char *out, size_t n)
{
    char axes[128];
    snprintf(axes, sizeof axes, "%s", ns_point_axes_at(arch, point, layer));
    size_t used = (size_t)snprintf(out, n, "[");
    char *rest = axes;
    for (char *axis; (axis = strsep(&rest, " ")) && used < n;) {
        const int64_t size = ns_point_axis(arch, point, layer, axis);
        const char *const separator = used > 1 ? ", " : "";
        used += (size_t)(size == 0 ? snprintf(out + used, n - used, "%s%s", separator, axis)
                                  : snprintf(out + used, n - used, "%s%lld", separator, (long long)size));
    }
    if (used < n)
        snprintf(out + used, n - used, "]");
}

typedef bool alike_fn(const ns_arch *, ns_point, int64_t layer, int64_t other);

static bool same_words(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool absent_alike(const ns_arch *arch, ns_point point, int64_t layer, int64_t other)
{
    return same_words(ns_point_absent(arch, point, layer), ns_point_absent(arch, point, other));
}

static bool beside_alike(const ns_arch *arch, ns_point point, int64_t layer, int64_t other)
{
    return same_words(ns_point_beside(arch, point, layer), ns_point_beside(arch, point, other));
}

/* Both have the point, with the same axes of the same lengths, and of the same numbers. */
static bool shaped_alike(const ns_arch *arch, ns_point point, int64_t layer, int64_t other)
{
    char a[160], b[160];
    shape_text(arch, layer, point, a, sizeof a);
    shape_text(arch, other, point, b, sizeof b);
    return ns_point_exists(arch, point, layer) && ns_point_exists(arch, point, other) && strcmp(a, b) == 0 &&
           strcmp(ns_point_formula_at(arch, point, layer), ns_point_formula_at(arch, point, other)) == 0 &&
           strcmp(ns_point_axes_at(arch, point, layer), ns_point_axes_at(arch, point, other)) == 0;
}

/* "0-5,7": the layers that are to a point what this one is. false: one before it is, too. */
static bool layers_text(alike_fn *alike, const ns_arch *arch, ns_point point, int64_t of, char *out, size_t n)
{
    out[0] = '\0';
    size_t used = 0;
    for (int64_t layer = 0; layer < arch->n_layers && used < n; layer++) {
        if (!alike(arch, point, of, layer))
            continue;
        if (layer < of)
            return false;
        int64_t last = layer;
        while (last + 1 < arch->n_layers && alike(arch, point, of, last + 1))
            last++;
        used += (size_t)snprintf(out + used, n - used, last > layer ? "%s%lld-%lld" : "%s%lld", used ? "," : "", (long long)layer,
                                 (long long)last);
        layer = last;
    }
    return used > 0;
}

static void describe_point(cli_out *o, const ns_arch *arch, ns_point p, int64_t layer, const char *layers)
{
    char shape[160];
    shape_text(arch, layer, p, shape, sizeof shape);
    cli_cell_text(o, ns_point_name(p));
    cli_cell_text(o, layers);
    cli_cell_text(o, ns_point_axes_at(arch, p, layer));
    cli_cell_text(o, shape);
    cli_cell_text(o, ns_point_formula_at(arch, p, layer));
}

/* A row for each shape that a point has in some layers. */
static void describe_points(cli_out *o, const ns_arch *arch)
{
    static const cli_column columns[] = {
        {"name", "point", CELL_TEXT}, {"layers", "layers", CELL_TEXT}, {"axes", "axes", CELL_TEXT}, {"shape", "shape", CELL_TEXT},
        {"formula", "formula", CELL_TEXT},
    };
    char layers[256];
    cli_out_table(o, "points", "Hook points (% = layer)", columns, 5);
    for (int p = 0; p < NS_N_POINTS; p++) {
        if (ns_point_exists(arch, p, -1))
            describe_point(o, arch, p, -1, NULL);
        for (int64_t layer = 0; layer < arch->n_layers; layer++)
            if (layers_text(shaped_alike, arch, p, layer, layers, sizeof layers))
                describe_point(o, arch, p, layer, layers);
    }
    cli_out_table_end(o);
}

typedef const char *reason_fn(const ns_arch *, ns_point, int64_t layer);

/* A row for each reason that is given for a point in some layers. */
static void describe_reasons(cli_out *o, const ns_arch *arch, const char *key, const char *title, const char *head, reason_fn *of,
                             alike_fn *alike)
{
    const cli_column columns[] = {{"name", "point", CELL_TEXT}, {"layers", "layers", CELL_TEXT}, {"why", head, CELL_TEXT}};
    cli_out_table(o, key, title, columns, 3);
    for (int p = 0; p < NS_N_POINTS; p++)
        for (int64_t layer = 0; layer < arch->n_layers && strchr(ns_point_name(p), '%'); layer++) {
            char layers[256];
            const char *const why = of(arch, p, layer);
            if (!why || !layers_text(alike, arch, p, layer, layers, sizeof layers))
                continue;
            cli_cell_text(o, ns_point_name(p));
            cli_cell_text(o, layers);
            cli_cell_text(o, why);
        }
    cli_out_table_end(o);
}

static int describe_cost(cli *app, cli_out *o, const ns_checkpoint *checkpoint, const ns_arch *arch, const cli_ints *lengths)
{
    static const cli_column columns[] = {
        {"length", "tokens", CELL_INT}, {"weight_bytes", "weights MiB", CELL_NUMBER}, {"activation_bytes", "activations MiB", CELL_NUMBER},
        {"kv_bytes", "keys+values MiB", CELL_NUMBER}, {"waves", "waves", CELL_INT}, {"streamed", "weights", CELL_TEXT},
        {"gflop", "GFLOP", CELL_NUMBER},
    };
    static int64_t defaults[] = {512, 2048};
    const cli_ints chosen = lengths->n ? *lengths : (cli_ints){.list = defaults, .n = 2};
    cli_out_table(o, "cost", "Cost of a pass", columns, 7);
    const double unit = o->json ? 1 : 0x1p20;
    int rc = NS_OK;
    for (int64_t i = 0; i < chosen.n && rc == NS_OK; i++) {
        ns_cost cost;
        rc = ns_model_cost(arch, checkpoint, app->resources.memory, &chosen.list[i], 1, &cost, &app->err);
        if (rc != NS_OK)
            break;
        cli_cell_int(o, chosen.list[i]);
        cli_cell_number(o, (double)cost.weight_bytes / unit);
        cli_cell_number(o, (double)cost.activation_bytes / unit);
        cli_cell_number(o, (double)cost.kv_bytes / unit);
        cli_cell_int(o, cost.waves);
        cli_cell_text(o, cost.streamed ? "streamed" : "resident");
        cli_cell_number(o, cost.flops * 1e-9);
    }
    cli_out_table_end(o);
    return rc;
}

static void describe_tensors(cli_out *o, const ns_checkpoint *checkpoint)
{
    static const cli_column columns[] = {
        {"name", "tensor", CELL_TEXT}, {"dtype", "dtype", CELL_TEXT}, {"shape", "shape", CELL_TEXT}, {"n_bytes", "bytes", CELL_INT},
        {"file", "file", CELL_TEXT},
    };
    cli_out_table(o, "tensors", "Tensors", columns, 5);
    for (int64_t i = 0; i < ns_checkpoint_count(checkpoint); i++) {
        const ns_tensor *const tensor = ns_checkpoint_tensor(checkpoint, i);
        char shape[256] = "[";
        for (int axis = 0; axis < tensor->view.rank; axis++) {
            const size_t used = strlen(shape);
            snprintf(shape + used, sizeof shape - used, "%s%lld", axis ? ", " : "", (long long)tensor->view.shape[axis]);
        }
        strncat(shape, "]", sizeof shape - strlen(shape) - 1);
        cli_cell_text(o, tensor->name);
        cli_cell_text(o, ns_tensor_stored(tensor));
        cli_cell_text(o, shape);
        cli_cell_int(o, tensor->n_bytes);
        cli_cell_text(o, ns_path_base(tensor->file));
    }
    cli_out_table_end(o);
}

static int write_arch(cli *app, const ns_arch *arch, const char *path)
{
    char *json = NULL;
    int rc = ns_arch_to_json(arch, &json, &app->err);
    rc = rc != NS_OK ? rc : ns_kind_check_output(path, NS_KINDS(NS_KIND_ARCH), &app->err);
    if (rc == NS_OK)
        rc = ns_file_write(path, json, strlen(json), &app->err);
    free(json);
    if (rc == NS_OK)
        cli_note(app, "wrote %s", path);
    return rc;
}

static void describe_families(cli_out *o)
{
    static const cli_column columns[] = {{"family", "model_type", CELL_TEXT}};
    cli_out_table(o, "families", "Families that load (and models of images and text around them)", columns, 1);
    for (int64_t i = 0; ns_family_type(i); i++)
        cli_cell_text(o, ns_family_type(i));
    cli_out_table_end(o);
}

/* Without a model. */
static int list_families(cli *app)
{
    cli_out o = {0};
    cli_out_begin(&o, app, "needlescope.families/1");
    describe_families(&o);
    const int rc = cli_out_end(&o, &app->err);
    cli_out_drop(&o);
    return rc;
}

static int inspect(cli *app, const void *settings, char **args, int n_args)
{
    const inspect_settings *const s = settings;
    ns_opened *m = NULL;
    cli_out o = {0};
    if (!n_args)
        return s->families ? list_families(app) : ns_fail(&app->err, NS_E_ARG, "MODEL is missing (needlescope inspect --help)");
    if (s->lengths.n && !s->cost)
        return ns_fail(&app->err, NS_E_ARG, "--lengths are those of --cost (give that too)");
    int rc = cli_open(app, &m, args[0], &s->model, NS_OPEN_ARCH, &app->err);
    if (rc == NS_OK && s->arch_out)
        rc = write_arch(app, m->arch, s->arch_out);
    if (rc == NS_OK)
        rc = ns_arch_check(m->arch, m->checkpoint, &app->err);
    if (rc != NS_OK)
        goto out;
    cli_out_begin(&o, app, "needlescope.inspect/1");
    describe_model(&o, m);
    describe_layers(&o, m->arch);
    if (s->points) {
        describe_points(&o, m->arch);
        describe_reasons(&o, m->arch, "absent", "Points that layers lack", "why not", ns_point_absent, absent_alike);
        describe_reasons(&o, m->arch, "beside", "Points of layers with two mixers side by side", "what it is there",
                         ns_point_beside, beside_alike);
    }
    if (s->cost)
        rc = describe_cost(app, &o, m->checkpoint, m->arch, &s->lengths);
    if (s->tensors)
        describe_tensors(&o, m->checkpoint);
    if (s->families)
        describe_families(&o);
    if (rc == NS_OK)
        rc = cli_out_end(&o, &app->err);
out:
    cli_out_drop(&o);
    ns_close(m);
    return rc;
}

const cli_command cli_cmd_inspect = {
    .name = "inspect", .section = "Look", .summary = "Shows what a checkpoint holds: layers, windows, hook points, cost",
    .arguments = "[MODEL]", .min_args = 0, .max_args = 1,
    .groups = {{"Options", options, 0}, {"Model options", cli_arch_options, offsetof(inspect_settings, model)}},
    .resources = CLI_MEMORY, .settings_size = sizeof(inspect_settings),
    .description = "MODEL is a folder with config.json and weights (safetensors, or pytorch_model.bin and other files of torch.save; "
                   "single or sharded), one such file beside its config.json, a GGUF file, or a folder of the Hugging Face cache. What was "
                   "taken of a trainer's checkpoint, and which names were made plain, is a warning. Only headers are read, and every "
                   "tensor is checked against the architecture.\n\n"
                   "A model of your own: write the nearest architecture with --arch-out, edit it, and give it to any command with "
                   "--arch FILE --names MAP. The file is written even where the tensors do not fit it.",
    .examples = "needlescope inspect SmolLM2-135M --points\n"
                "needlescope inspect SmolLM2-135M --cost --lengths 512,16384 --memory 2G",
    .run = inspect,
};
