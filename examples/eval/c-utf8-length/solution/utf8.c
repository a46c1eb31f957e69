#include "utf8.h"

/* The least code point that a sequence of so many bytes may stand for. */
static const unsigned long LEAST[] = {0, 0, 0x80, 0x800, 0x10000};

long utf8_length(const char *text) {
  const unsigned char *c = (const unsigned char *)text;
  long count = 0;
  for (; *c; count++) {
    int bytes = *c < 0x80 ? 1 : *c >> 5 == 6 ? 2 : *c >> 4 == 14 ? 3 : *c >> 3 == 30 ? 4 : 0;
    if (bytes == 0) return -1;
    unsigned long point = bytes == 1 ? *c : *c & (0x7fu >> bytes);
    for (int i = 1; i < bytes; i++) {
      if (c[i] >> 6 != 2) return -1;
      point = point << 6 | (c[i] & 0x3fu);
    }
    if (point < LEAST[bytes] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return -1;
    c += bytes;
  }
  return count;
}
