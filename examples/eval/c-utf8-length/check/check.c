#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "utf8.h"

int main(void) {
  assert(utf8_length("") == 0);
  assert(utf8_length("abc") == 3);
  assert(utf8_length("h\xc3\xa4t") == 3);
  assert(utf8_length("\xe2\x82\xac") == 1);
  assert(utf8_length("\xf0\x9f\x98\x80!") == 2);
  assert(utf8_length("\xf4\x8f\xbf\xbf") == 1);
  assert(utf8_length("\xf4\x90\x80\x80") == -1);
  assert(utf8_length("\xc3") == -1);
  assert(utf8_length("\xe2\x82") == -1);
  assert(utf8_length("\x80") == -1);
  assert(utf8_length("\xc0\xaf") == -1);
  assert(utf8_length("\xe0\x80\xaf") == -1);
  assert(utf8_length("\xed\xa0\x80") == -1);
  assert(utf8_length("\xf8\x88\x80\x80\x80") == -1);
  return 0;
}
