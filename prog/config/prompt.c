#include "prog/config/prompt.h"

#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/auto.h"

enum bv_err
prompt_secret(const char *text, char *buf, size_t cap)
{
    bv_auto_close int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before, quiet;
    if (tty < 0 || tcgetattr(tty, &before) < 0)
        return BV_E_UNAVAILABLE;
    quiet = before;
    quiet.c_lflag &= (tcflag_t)~ECHO;
    (void)tcsetattr(tty, TCSAFLUSH, &quiet);
    (void)!write(tty, text, strlen(text));
    ssize_t n = read(tty, buf, cap);
    (void)tcsetattr(tty, TCSAFLUSH, &before);
    (void)!write(tty, "\n", 1);
    if (n < 2 || buf[n - 1] != '\n') {
        explicit_bzero(buf, cap);
        return BV_E_BAD_MESSAGE;
    }
    buf[n - 1] = '\0';
    return BV_OK;
}
