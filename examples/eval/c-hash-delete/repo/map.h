#include <stdbool.h>
#define MAP_SLOTS 16

struct map {
  const char *keys[MAP_SLOTS];
  int values[MAP_SLOTS];
};

unsigned map_hash(const char *key);
bool map_set(struct map *m, const char *key, int value); /* false when full */
bool map_get(const struct map *m, const char *key, int *value);
bool map_delete(struct map *m, const char *key);
