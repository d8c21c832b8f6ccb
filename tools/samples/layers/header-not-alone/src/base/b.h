#ifndef B_H
#define B_H
uint8_t b(void);
#endif
