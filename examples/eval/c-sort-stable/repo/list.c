#include "list.h"
#include <stddef.h>

struct node *list_sort(struct node *head) {
  for (struct node *a = head; a; a = a->next)
    for (struct node *b = a->next; b; b = b->next)
      if (b->key < a->key) {
        int key = a->key, tag = a->tag;
        a->key = b->key;
        a->tag = b->tag;
        b->key = key;
        b->tag = tag;
      }
  return head;
}
