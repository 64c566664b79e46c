/* stranger.c - a program of somebody else's: writes a checkpoint, reads it back, asks for a probe. Built against the installed library
 * only. */
#include <needlescope/checkpoint.h>
#include <needlescope/probe.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    float x[4] = { 1, 2, 3, 4 }, back[4];
    const ns_tensor_out out = { "w", ns_view_of(x, NS_F32, 1, (int64_t[]){ 4 }), NS_BF16 };
    ns_checkpoint *ck = NULL;
    ns_error err = { "" };
    if (argc < 2 || ns_safetensors_write(argv[1], &out, 1, &err) || ns_checkpoint_open(&ck, argv[1], NULL, &err) ||
        ns_tensor_read_f32(ns_checkpoint_find(ck, "w"), 0, 4, back, &err) || !ns_probe_find("retrieval_mass")) {
        fprintf(stderr, "FAILED: %s\n", err.message);
        return 1;
    }
    ns_checkpoint_free(ck);
    printf("needlescope %s: %g %g %g %g\n", ns_version(), back[0], back[1], back[2], back[3]);
    return !(back[0] == 1 && back[3] == 4);
}
