#include <stdbool.h>
#include <stdint.h>

/* Reads a decimal 32-bit integer: optional spaces, an optional + or -, digits, optional spaces, nothing else.
   False (and *out as it was) for anything else and for numbers that do not fit. */
bool parse_int(const char *text, int32_t *out);
