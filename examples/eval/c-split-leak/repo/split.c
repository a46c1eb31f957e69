#include "split.h"
#include <stdlib.h>
#include <string.h>

char **split(const char *text, const char *separators) {
  char *copy = strdup(text);
  char **parts = malloc(8 * sizeof *parts);
  int n = 0;
  for (char *part = strtok(copy, separators); part; part = strtok(NULL, separators)) parts[n++] = strdup(part);
  parts[n] = NULL;
  return parts;
}

void split_free(char **parts) { free(parts); }
