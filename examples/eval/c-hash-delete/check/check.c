#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "map.h"

static char names[64][8];
int main(void) {
  struct map m;
  memset(&m, 0, sizeof m);
  int value;
  for (int i = 0; i < 64; i++) sprintf(names[i], "k%d", i);
  for (int i = 0; i < MAP_SLOTS; i++) assert(map_set(&m, names[i], i));
  assert(!map_set(&m, names[20], 1));
  assert(!map_delete(&m, names[20]));
  for (int i = 0; i < MAP_SLOTS; i += 2) assert(map_delete(&m, names[i]) && !map_delete(&m, names[i]));
  for (int i = 0; i < MAP_SLOTS; i++) assert(map_get(&m, names[i], &value) == (i % 2 == 1) && (i % 2 == 0 || value == i));
  for (int round = 0; round < 50; round++) {
    for (int i = 20; i < 28; i++) assert(map_set(&m, names[i + round % 30], i));
    for (int i = 20; i < 28; i++) assert(map_delete(&m, names[i + round % 30]));
  }
  for (int i = 1; i < MAP_SLOTS; i += 2) assert(map_get(&m, names[i], &value) && value == i);
  return 0;
}
