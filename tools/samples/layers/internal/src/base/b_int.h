#ifndef B_INT_H
#define B_INT_H
#endif
