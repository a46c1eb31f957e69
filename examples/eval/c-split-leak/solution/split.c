#include "split.h"
#include <stdlib.h>
#include <string.h>

/* One block holds the array and, behind it, the copy of the text that its parts point into. */
char **split(const char *text, const char *separators) {
  size_t length = strlen(text), count = 1;
  for (const char *c = text; *c; c++) count += strchr(separators, *c) != NULL;
  char **parts = malloc((count + 1) * sizeof *parts + length + 1);
  if (!parts) return NULL;
  char *copy = (char *)(parts + count + 1);
  memcpy(copy, text, length + 1);
  size_t n = 0;
  parts[n++] = copy;
  for (char *c = copy; *c; c++)
    if (strchr(separators, *c)) {
      *c = 0;
      parts[n++] = c + 1;
    }
  parts[n] = NULL;
  return parts;
}

void split_free(char **parts) { free(parts); }
