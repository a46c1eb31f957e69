struct node {
  int key, tag;
  struct node *next;
};

/* Returns the new head. */
struct node *list_sort(struct node *head);
