typedef struct thing {
    int x;
} thing;
typedef char *text;
typedef void on_done(int);
