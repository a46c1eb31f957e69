#include "map.h"
#include <stddef.h>
#include <string.h>

unsigned map_hash(const char *key) {
  unsigned hash = 5381;
  while (*key) hash = hash * 33 + (unsigned char)*key++;
  return hash;
}

/* The key's slot, or the free one where it would go, or -1. */
static int slot_of(const struct map *m, const char *key) {
  for (unsigned i = 0, at = map_hash(key); i < MAP_SLOTS; i++, at++) {
    const char *there = m->keys[at % MAP_SLOTS];
    if (!there || strcmp(there, key) == 0) return (int)(at % MAP_SLOTS);
  }
  return -1;
}

bool map_set(struct map *m, const char *key, int value) {
  int at = slot_of(m, key);
  if (at < 0) return false;
  m->keys[at] = key;
  m->values[at] = value;
  return true;
}

bool map_get(const struct map *m, const char *key, int *value) {
  int at = slot_of(m, key);
  if (at < 0 || !m->keys[at]) return false;
  *value = m->values[at];
  return true;
}

/* Entries behind the hole are set again one by one, so that none is hidden by it and no mark of it stays. */
bool map_delete(struct map *m, const char *key) {
  int at = slot_of(m, key);
  if (at < 0 || !m->keys[at]) return false;
  m->keys[at] = NULL;
  for (int i = 1; i < MAP_SLOTS; i++) {
    int next = (at + i) % MAP_SLOTS;
    const char *moved = m->keys[next];
    if (!moved) break;
    m->keys[next] = NULL;
    map_set(m, moved, m->values[next]);
  }
  return true;
}
