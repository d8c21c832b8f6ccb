#include "base/b.h"
#include "base/b_int.h"
