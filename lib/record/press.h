/* press.h - one chunk, shuffled and deflated as HDF5's own filters would, by libdeflate. Internal. */
#ifndef NS_PRESS_H
#define NS_PRESS_H

#include <stddef.h>
#include <stdint.h>

typedef struct ns_press ns_press;
ns_press *ns_press_new(size_t chunk_bytes); /* NULL = out of memory */
void ns_press_free(ns_press *);
size_t ns_press_room(const ns_press *); /* largest chunk it takes */
/* Compresses in place: chunk[bytes], cells of `size` bytes. Returns the bytes to be stored; *filter_mask is for H5Dwrite_chunk:
 * 0, or deflate left out because it would not have made the chunk smaller. */
size_t ns_press_chunk(ns_press *, uint8_t *chunk, size_t bytes, size_t size, uint32_t *filter_mask);

#endif
