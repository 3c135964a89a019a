/* SPDX-License-Identifier: MIT
 * Linked into tests: as many threads as a test asks for, on any machine (core/team.h, ls_threads). */
#include <stdlib.h>

__attribute__((constructor)) static void all_threads(void)
{
    setenv("OMP_DYNAMIC", "false", 1);
}
