#include "ring.h"
#include <string.h>

void ring_init(struct ring *r) { r->start = r->used = 0; }

/* What reaches over the end goes on at the beginning: two copies at most. */
size_t ring_write(struct ring *r, const void *from, size_t n) {
  size_t end = (r->start + r->used) % RING_SIZE;
  if (n > RING_SIZE - r->used) n = RING_SIZE - r->used;
  size_t first = n < RING_SIZE - end ? n : RING_SIZE - end;
  memcpy(r->data + end, from, first);
  memcpy(r->data, (const unsigned char *)from + first, n - first);
  r->used += n;
  return n;
}

size_t ring_read(struct ring *r, void *to, size_t n) {
  if (n > r->used) n = r->used;
  size_t first = n < RING_SIZE - r->start ? n : RING_SIZE - r->start;
  memcpy(to, r->data + r->start, first);
  memcpy((unsigned char *)to + first, r->data, n - first);
  r->start = (r->start + n) % RING_SIZE;
  r->used -= n;
  return n;
}
