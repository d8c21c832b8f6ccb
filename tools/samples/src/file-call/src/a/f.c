void f(void) {
    int fd = open("x", 0);
    fsync(fd);
}
