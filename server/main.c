#include <stdio.h>

int main(void) {
  puts("quenchd " QN_VERSION);
  return 0;
}
