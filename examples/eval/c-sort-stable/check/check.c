#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "list.h"

#define MANY 300000
int main(void) {
  struct node *all = malloc(MANY * sizeof *all);
  unsigned seed = 1;
  for (int i = 0; i < MANY; i++) {
    seed = seed * 1103515245u + 12345u;
    all[i] = (struct node){(int)(seed >> 16) % 1000, i, i + 1 < MANY ? &all[i + 1] : NULL};
  }
  struct node *head = list_sort(all);
  int count = 0;
  for (struct node *n = head; n; n = n->next, count++) {
    assert(n->tag == (int)(n - all));
    if (n->next) assert(n->key < n->next->key || (n->key == n->next->key && n->tag < n->next->tag));
  }
  assert(count == MANY);
  assert(list_sort(NULL) == NULL);
  free(all);
  return 0;
}
