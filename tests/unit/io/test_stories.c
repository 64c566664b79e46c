/* test_stories.c - a real trained checkpoint opens with the tensors it is known to have. argv[1]: the folder of shared data. */
#include <stdio.h>

#include <needlescope/checkpoint.h>

int main(int argc, char **argv)
{
    char path[4096];
    ns_error err = {""};
    ns_checkpoint *ck = NULL;
    snprintf(path, sizeof path, "%s/models/stories260k-hf", argc > 1 ? argv[1] : ".");
    const int rc = ns_checkpoint_open(&ck, path, NULL, &err);
    if (rc == NS_E_MISSING) {
        printf("SKIP: the shared data folder is not beside the checkout: %s\n", err.message);
        return 77;
    }
    if (rc != NS_OK) {
        printf("FAILED: %s\n", err.message);
        return 1;
    }
    /* five layers of nine tensors, the embedding and the last norm; the head is tied. D 64, V 512. */
    const ns_tensor *const embed = ns_checkpoint_find(ck, "model.embed_tokens.weight");
    float x = 0;
    const bool good = ns_checkpoint_count(ck) == 5 * 9 + 2 && embed && embed->view.rank == 2 && embed->view.shape[0] == 512 &&
                      embed->view.shape[1] == 64 && ns_tensor_read_f32(embed, 512 * 64 - 1, 1, &x, &err) == NS_OK && x != 0 &&
                      ns_checkpoint_config_path(ck);
    ns_checkpoint_free(ck);
    printf("%s\n", good ? "ok" : "FAILED: not the tensors of stories260K");
    return !good;
}
