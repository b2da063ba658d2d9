#include "client/vaultctl/prompt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* A terminal in line mode drops what is beyond, and does not say so. */
#define LINE_LIMIT 4095

/* The last two come of our own calls; the others may come at any time, and are
 * let in while we wait and nowhere else. */
static const int signals[] = {
    SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGTSTP, SIGTTIN, SIGTTOU};

#define NSIGNALS (sizeof(signals) / sizeof(signals[0]))
#define NBLOCKED (NSIGNALS - 2)

static volatile sig_atomic_t caught;

static void
on_signal(int signo)
{
	caught = signo;
}

static void
say(int tty, const char *text)
{
	size_t n = strlen(text);

	/* who does not see the question will not answer it */
	if (write(tty, text, n) < 0)
		return;
}

static int
read_line(
    int tty, const sigset_t *waiting, uint8_t *buf, size_t size, size_t *ret_n)
{
	struct pollfd p = {.fd = tty, .events = POLLIN};
	size_t n = 0;
	ssize_t got;

	for (;;) {
		uint8_t *at = buf + n;

		if (n == size || n == LINE_LIMIT) {
			explicit_bzero(buf, n);
			return VERR_TOOBIG;
		}
		got = ppoll(&p, 1, NULL, waiting);
		if (got >= 0)
			got = read(tty, at, 1);
		if (got < 0 || (got == 0 && n == 0)) {
			explicit_bzero(buf, n);
			return got == 0      ? VERR_CLOSED
			    : errno == EINTR ? VERR_AGAIN
			                     : VERR_IO;
		}
		if (got == 0 || *at == '\n' || *at == '\r') {
			*ret_n = n;
			return 0;
		}
		n++;
	}
}

/*
 * Ask once.  VERR_AGAIN: a signal came, and is in "caught".
 */
static int
ask(int tty, const char *question, bool echo, uint8_t *buf, size_t size,
    size_t *ret_n)
{
	struct sigaction act = {.sa_handler = on_signal}, before[NSIGNALS];
	struct termios saved, hidden;
	sigset_t blocked, waiting;
	int r = VERR_IO;

	caught = 0;
	if (tcgetattr(tty, &saved) != 0)
		return VERR_IO;
	sigemptyset(&act.sa_mask);
	sigemptyset(&blocked);
	for (size_t i = 0; i < NBLOCKED; i++)
		sigaddset(&blocked, signals[i]);
	sigprocmask(SIG_BLOCK, &blocked, &waiting);
	for (size_t i = 0; i < NSIGNALS; i++)
		sigaction(signals[i], &act, &before[i]);
	hidden = saved;
	hidden.c_lflag |= ICANON;
	if (!echo)
		hidden.c_lflag &= (tcflag_t) ~(ECHO | ECHONL);
	if (tcsetattr(tty, TCSAFLUSH, &hidden) == 0) {
		say(tty, question);
		r = read_line(tty, &waiting, buf, size, ret_n);
		while (tcsetattr(tty, TCSAFLUSH, &saved) != 0 &&
		    errno == EINTR && caught != SIGTTOU)
			continue;
		if (!echo)
			say(tty, "\n");
	} else if (errno == EINTR) {
		r = VERR_AGAIN;
	}
	sigprocmask(SIG_SETMASK, &waiting, NULL);
	for (size_t i = 0; i < NSIGNALS; i++)
		sigaction(signals[i], &before[i], NULL);
	if (caught != 0 && r == 0)
		explicit_bzero(buf, *ret_n);
	return caught != 0 ? VERR_AGAIN : r;
}

int
prompt_read(int tty, const char *question, bool echo, uint8_t *buf, size_t size,
    size_t *ret_n)
{
	int r;

	while ((r = ask(tty, question, echo, buf, size, ret_n)) == VERR_AGAIN)
		raise(caught);
	return r;
}
