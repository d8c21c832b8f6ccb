#include <unistd.h>

#include "base/b.h"
