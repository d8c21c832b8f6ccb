#include <unistd.h>
#include <sys/stat.h>
#include <pthread.h>

#include "base/b.h"
