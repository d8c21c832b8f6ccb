#include <unistd.h>

#include "base/b.h"
#include "sys/s.h"
