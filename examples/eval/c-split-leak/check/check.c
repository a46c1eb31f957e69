#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "split.h"

static void same(const char *text, const char *by, int n, const char **wanted) {
  char **parts = split(text, by);
  for (int i = 0; i < n; i++) assert(parts[i] && strcmp(parts[i], wanted[i]) == 0);
  assert(parts[n] == NULL);
  split_free(parts);
}

int main(void) {
  same("a,b;c", ",;", 3, (const char *[]){"a", "b", "c"});
  same(",a,,", ",", 4, (const char *[]){"", "a", "", ""});
  same("", ",", 1, (const char *[]){""});
  same("abc", "", 1, (const char *[]){"abc"});
  char long_text[2001];
  memset(long_text, ',', 2000);
  long_text[2000] = 0;
  char **parts = split(long_text, ",");
  int n = 0;
  while (parts[n]) n++;
  assert(n == 2001);
  split_free(parts);
  split_free(NULL);
  return 0;
}
