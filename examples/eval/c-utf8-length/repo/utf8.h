#include <stddef.h>

long utf8_length(const char *text);
