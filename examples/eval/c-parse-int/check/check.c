#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "parse.h"

static void good(const char *text, int32_t wanted) {
  int32_t out = 77;
  assert(parse_int(text, &out) && out == wanted);
}
static void bad(const char *text) {
  int32_t out = 77;
  assert(!parse_int(text, &out) && out == 77);
}
int main(void) {
  good("0", 0);
  good("  -42 ", -42);
  good("+7", 7);
  good("2147483647", 2147483647);
  good("-2147483648", INT32_MIN);
  good("0000000000000000000012", 12);
  bad("2147483648");
  bad("-2147483649");
  bad("99999999999999999999999");
  bad("");
  bad(" ");
  bad("-");
  bad("1 2");
  bad("- 1");
  bad("12a");
  bad("+-1");
  return 0;
}
