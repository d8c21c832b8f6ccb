int f(void) {
    return rename("a", "b");
}
