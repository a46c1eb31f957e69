#include "parse.h"

bool parse_int(const char *text, int32_t *out) {
  while (*text == ' ') text++;
  bool negative = *text == '-';
  if (*text == '-' || *text == '+') text++;
  if (*text < '0' || *text > '9') return false;
  /* Below zero there is room for one more, so the sum is kept there. */
  int64_t sum = 0;
  for (; *text >= '0' && *text <= '9'; text++) {
    sum = sum * 10 - (*text - '0');
    if (sum < INT32_MIN) return false;
  }
  while (*text == ' ') text++;
  if (*text || (!negative && sum == INT32_MIN)) return false;
  *out = (int32_t)(negative ? sum : -sum);
  return true;
}
