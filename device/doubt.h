/* Doubt: by the wall clock, the certificate that was just promoted has not
 * begun. One of two clocks was wrong when it was made, and nobody knows which.
 * If it was the server's, nobody will take the certificate once it is put
 * right. So the server is asked for the time within the hour, then less and
 * less often; when it agrees with the wall clock, the identity before is active
 * again: it is kept in the other slot until a renewal overwrites it. If it is
 * our clock that is behind, the server never agrees, and nothing happens.
 * Freestanding. */
#ifndef BV_DEVICE_DOUBT_H
#define BV_DEVICE_DOUBT_H

#include "device/dev.h"

/* doubt_is: there is an identity, a wall clock that is not before the build,
 * and by it the identity has not begun. */
bool doubt_is(const struct dev *dev);
/* doubt_look_again: when cacerts, and with them the server's time, are to be
 * asked for next (monotonic); without a doubt after trust_every. */
uint64_t doubt_look_again(struct dev *dev);
/* doubt_fall_back takes the identity before, if there is a doubt, the server's
 * time now (date, of a server that was verified; 0: none) confirms it, and that
 * identity lives by both clocks. False when all stays as it is. */
bool doubt_fall_back(struct dev *dev, int64_t date);

#endif
