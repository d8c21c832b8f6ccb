int main(void) {
    char *p = malloc(3);
    return p == 0;
}
