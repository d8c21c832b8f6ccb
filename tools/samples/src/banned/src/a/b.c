void f(char *p) {
    strcpy(p, "x");
    sprintf(p, "x");
    strtok(p, "x");
    atoi(p);
    gmtime(0);
    alloca(3);
}
