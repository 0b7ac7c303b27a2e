/* memcpy and its family for code that must compile with and without a hosted
 * C library. A freestanding compiler may call these four itself, so every
 * environment has them even where it has no <string.h>. Freestanding files
 * include this and never <string.h>. */
#ifndef BV_BASE_MEM_H
#define BV_BASE_MEM_H

#include <stddef.h>

#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *restrict dst, const void *restrict src, size_t len);
void *memmove(void *dst, const void *src, size_t len);
void *memset(void *dst, int c, size_t len);
int memcmp(const void *a, const void *b, size_t len);
void *memchr(const void *s, int c, size_t len);
size_t strlen(const char *s);
#endif

#endif
