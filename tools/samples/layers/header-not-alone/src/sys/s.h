#ifndef S_H
#define S_H
int s(void);
#endif
