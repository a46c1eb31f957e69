char **split(const char *text, const char *separators);
void split_free(char **parts);
