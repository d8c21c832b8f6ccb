#include "base/b.h"
#include "base/gone.h"
