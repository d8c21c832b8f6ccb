#include "sys/s.h"
