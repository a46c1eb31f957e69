#include "ring.h"
#include <string.h>

void ring_init(struct ring *r) { r->start = r->used = 0; }

size_t ring_write(struct ring *r, const void *from, size_t n) {
  size_t end = (r->start + r->used) % RING_SIZE;
  if (n > RING_SIZE - end) n = RING_SIZE - end;
  memcpy(r->data + end, from, n);
  r->used += n;
  return n;
}

size_t ring_read(struct ring *r, void *to, size_t n) {
  if (n > r->used) n = r->used;
  memcpy(to, r->data + r->start, n);
  r->start += n;
  r->used -= n;
  return n;
}
