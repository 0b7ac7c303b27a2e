/* Files that grow long. Host side only.
 *
 * A fsync after a long write waits for all of it. Whoever may not wait so long
 * says after each piece that it is written: the disk works on it meanwhile, and
 * the fsync that must still follow finds little left. */
#ifndef BV_BASE_FLUSH_H
#define BV_BASE_FLUSH_H

#include <stdint.h>

/* flush_piece starts writing out what is in the file from octet from up to to,
 * and waits for what was started with len octets before it, so no more than
 * two pieces are ever on their way. Best effort: nothing is durable before
 * fsync said so, and its error is the one that counts. */
void flush_piece(int fd, uint64_t from, uint64_t to);

#endif
