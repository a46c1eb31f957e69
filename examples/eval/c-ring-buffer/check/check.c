#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ring.h"

int main(void) {
  struct ring r;
  char out[16];
  ring_init(&r);
  assert(ring_write(&r, "abcdef", 6) == 6);
  assert(ring_read(&r, out, 4) == 4 && memcmp(out, "abcd", 4) == 0);
  assert(ring_write(&r, "ghijklmn", 8) == 6);
  assert(r.used == RING_SIZE);
  assert(ring_write(&r, "x", 1) == 0);
  assert(ring_read(&r, out, 16) == 8 && memcmp(out, "efghijkl", 8) == 0);
  assert(ring_read(&r, out, 1) == 0);
  for (int i = 0; i < 100; i++) {
    assert(ring_write(&r, "12345", 5) == 5);
    assert(ring_read(&r, out, 5) == 5 && memcmp(out, "12345", 5) == 0);
  }
  return 0;
}
