#include "engine/trajectory/netcdf_lock.h"

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void qn_netcdf_lock(void) { pthread_mutex_lock(&mutex); }
void qn_netcdf_unlock(void) { pthread_mutex_unlock(&mutex); }
