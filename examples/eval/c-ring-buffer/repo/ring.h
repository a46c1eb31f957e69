#include <stddef.h>
#define RING_SIZE 8

struct ring {
  unsigned char data[RING_SIZE];
  size_t start, used;
};

void ring_init(struct ring *r);
size_t ring_write(struct ring *r, const void *from, size_t n);
size_t ring_read(struct ring *r, void *to, size_t n);
