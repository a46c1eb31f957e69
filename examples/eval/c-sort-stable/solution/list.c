#include "list.h"
#include <stddef.h>

static struct node *merge(struct node *a, struct node *b) {
  struct node head, *last = &head;
  while (a && b) {
    /* Of equal keys the first list's come first. */
    struct node **from = b->key < a->key ? &b : &a;
    last = last->next = *from;
    *from = last->next;
  }
  last->next = a ? a : b;
  return head.next;
}

/* Merge sort from the bottom: runs[i] is empty or a sorted run of 2^i nodes, higher ones being earlier ones. */
struct node *list_sort(struct node *head) {
  struct node *runs[64] = {NULL};
  while (head) {
    struct node *run = head;
    head = head->next;
    run->next = NULL;
    int i = 0;
    for (; runs[i]; i++) {
      run = merge(runs[i], run);
      runs[i] = NULL;
    }
    runs[i] = run;
  }
  struct node *sorted = NULL;
  for (int i = 0; i < 64; i++) sorted = merge(runs[i], sorted);
  return sorted;
}
