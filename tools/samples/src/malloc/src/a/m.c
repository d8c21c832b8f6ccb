void f(void) {
    char *p = malloc(3);
    free(p);
}
