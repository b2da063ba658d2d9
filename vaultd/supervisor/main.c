/*
 * vaultd - starts and watches the rooms, accepts, and says who came.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "vaultd/supervisor/allowlist.h"
#include "vaultd/supervisor/caps.h"
#include "vaultd/supervisor/dev.h"
#include "vaultd/supervisor/drain.h"
#include "vaultd/supervisor/house.h"
#include "vaultd/supervisor/identity.h"
#include "vaultd/supervisor/inherit.h"
#include "vaultd/supervisor/load.h"
#include "vaultd/supervisor/notify.h"
#include "vaultd/supervisor/say.h"
#include "vaultd/supervisor/starter.h"
#include "vaultd/supervisor/supervisor.h"
#include "vaultd/supervisor/users.h"

#define VERSION    "0.1.0"
#define MEMLOCK    (64u << 20)
#define STATE_MODE 0700

static const char usage_text[] =
    "usage: vaultd --config FILE          run in the foreground\n"
    "       vaultd --check --config FILE  say whether FILE is good\n"
    "       vaultd --dev DIR              make a vault in DIR and run it\n"
    "       vaultd ... --accept-rollback GENERATION\n"
    "                                     start with a store or log that was\n"
    "                                     put back, as the refusal says\n"
    "       vaultd --version | --help\n";

struct options {
	const char *config, *dev, *accepted;
	int check;
};

static int
usage(void)
{
	(void)fputs(usage_text, stderr);
	return VAULTD_CONFIG;
}

static int
is_number(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n > 0 && n < 19 && text[n] == '\0';
}

/*
 * Returns -1 to go on, or the exit status.
 */
static int
read_options(int argc, char **argv, struct options *ret)
{
	static const struct option known[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"dev", required_argument, NULL, 'd'},
	    {"check", no_argument, NULL, 'k'},
	    {"accept-rollback", required_argument, NULL, 'a'},
	    {"version", no_argument, NULL, 'v'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c == 'c')
			ret->config = optarg;
		else if (c == 'd')
			ret->dev = optarg;
		else if (c == 'k')
			ret->check = 1;
		else if (c == 'a' && is_number(optarg))
			ret->accepted = optarg;
		else if (c == 'v')
			return puts("vaultd " VERSION) < 0;
		else if (c == 'h')
			return fputs(usage_text, stdout) < 0;
		else
			return usage();
	}
	if (optind != argc || (ret->config == NULL) == (ret->dev == NULL) ||
	    (ret->check && ret->dev != NULL))
		return usage();
	return -1;
}

/*
 * Descriptors 0 to 2 are open, nothing else is but sockets to listen on, and
 * no signal is lost.
 */
static void
begin_clean(void)
{
	sigset_t set;
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	inherit_begin();
	(void)umask(022);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	say_init();
	log_sink = say_own_record;
}

static void
raise_limit(int which, rlim_t want)
{
	struct rlimit rl;

	if (getrlimit(which, &rl) != 0)
		return;
	if (rl.rlim_max < want && want != RLIM_INFINITY) {
		struct rlimit more = {want, want};

		if (setrlimit(which, &more) == 0)
			return;
	}
	rl.rlim_cur = rl.rlim_max;
	(void)setrlimit(which, &rl);
}

/*
 * Find what lies beside this program: .../bin/vaultd.
 */
static int
find_places(struct supervisor *s, char **ret_programs)
{
	char self[PATH_MAX], *base, *catalog;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return VERR_IO;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	if ((s->program = strdup(self)) == NULL)
		return VERR_NOMEM;
	if ((base = strrchr(self, '/')) != NULL)
		*base = '\0';
	if (asprintf(&catalog, "%s/share/vaultd/catalog", self) < 0)
		return VERR_NOMEM;
	s->catalog = catalog;
	return asprintf(ret_programs, "%s/libexec/vaultd", self) < 0
	    ? VERR_NOMEM
	    : 0;
}

/*
 * Who the rooms are: as root, a user of their own each.
 */
static void
find_users(struct supervisor *s, struct slice passwd)
{
	static const enum room order[] = {
	    ROOM_GATE, ROOM_KEEPER, ROOM_LEDGER, ROOM_COURIER, ROOM_DIALER};
	char name[32];

	s->as_root = geteuid() == 0;
	for (int i = 0; i < ROOM_COUNT; i++) {
		s->room_uid[i] = (uint32_t)getuid();
		s->room_gid[i] = (uint32_t)getgid();
	}
	if (!s->as_root)
		return;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		enum room room = order[i];

		(void)snprintf(
		    name, sizeof(name), "_vaultd-%s", room_name(room));
		if (users_find(passwd, name, &s->room_uid[room],
		        &s->room_gid[room]) == 0)
			continue;
		s->room_uid[room] = s->config.room_uids[i];
		s->room_gid[room] = s->config.room_uids[i];
	}
}

static int
find_group(
    struct slice group, const char *name, int64_t *ret, char why[WHY_MAX])
{
	uint32_t gid;

	*ret = -1;
	if (name == NULL)
		return 0;
	if (users_find_group(group, name, &gid) != 0) {
		(void)snprintf(why, WHY_MAX, "there is no group \"%s\"", name);
		return VERR_NOTFOUND;
	}
	*ret = gid;
	return 0;
}

static struct slice
text_of(const struct text_set *set, enum text_kind kind)
{
	for (size_t i = 0; i < set->count; i++)
		if (set->text[i].kind == kind)
			return slice_of(set->text[i].p, set->text[i].n);
	return slice_of(NULL, 0);
}

/*
 * Everything that the config names: is it there and to be trusted?
 */
static int
read_all(struct supervisor *s, struct text_set *texts, int64_t *ret_gid,
    char why[WHY_MAX])
{
	struct slice group;
	int r;

	if ((r = texts_read(texts, &s->config, s->catalog, why)) != 0)
		return r;
	group = text_of(texts, TEXT_GROUP);
	find_users(s, text_of(texts, TEXT_PASSWD));
	if ((r = find_group(
	         group, s->config.admin_group, &s->admin_gid, why)) != 0)
		return r;
	if ((r = find_group(group, s->config.socket_group, ret_gid, why)) != 0)
		return r;
	return 0;
}

/*
 * The ledger's folders, which it could not make where it has no right to.
 */
static int
make_state(const struct supervisor *s, char why[WHY_MAX])
{
	int64_t uid = s->as_root ? (int64_t)s->room_uid[ROOM_LEDGER] : -1;
	int64_t gid = s->as_root ? (int64_t)s->room_gid[ROOM_LEDGER] : -1;
	char *audit;
	int r;

	if ((r = file_make_folder(
	         s->config.state_dir, STATE_MODE, uid, gid, why)) != 0)
		return r;
	if (asprintf(&audit, "%s/audit", s->config.state_dir) < 0)
		return VERR_NOMEM;
	r = file_make_folder(audit, STATE_MODE, uid, gid, why);
	free(audit);
	return r;
}

static void
on_signal(void *arg, uint32_t events)
{
	struct supervisor *s = arg;
	struct signalfd_siginfo si;
	char why[WHY_MAX];

	(void)events;
	if (read(s->signals.fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo != SIGHUP) {
		(void)snprintf(why, sizeof(why), "%s from pid %u of uid %u",
		    si.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM", si.ssi_pid,
		    si.ssi_uid);
		drain_begin(s, why);
	} else if (s->phase == PHASE_SERVING) {
		texts_reload(s);
	}
}

static void
on_starter(void *arg, uint32_t events)
{
	struct supervisor *s = arg;

	if (!(events & (EPOLLHUP | EPOLLERR)))
		return;
	loop_remove(s->loop, &s->starter);
	s->exit_status = VAULTD_LOST;
	if (s->phase <= PHASE_SERVING)
		drain_begin(s, "the starter of rooms is gone");
}

static int
begin_loop(struct supervisor *s)
{
	struct timespec ts;
	sigset_t set;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	s->since = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	s->pid = getpid();
	s->next_gate = s->next_courier = 1;
	TAILQ_INIT(&s->rooms);
	sessions_init(s);
	identity_init();
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	s->signals = (struct watch){.on_event = on_signal, .arg = s};
	s->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	s->starter =
	    (struct watch){.fd = FD_STARTER, .on_event = on_starter, .arg = s};
	if (s->signals.fd < 0 || loop_new(&s->loop) != 0 ||
	    loop_add(s->loop, &s->signals, EPOLLIN) != 0 ||
	    loop_add(s->loop, &s->starter, 0) != 0)
		return VERR_IO;
	return accept_begin(s);
}

/*
 * The walls of this process.  No room shares its user, so that wall stands.
 */
static int
confine(struct supervisor *s)
{
	struct walls_report *rep = &s->walls;
	struct supervisor_walls w;
	uint32_t missing;
	int r;

	rep->up = WALL_LOCKED_MEMORY | WALL_OWN_UID;
	if (identity_has_pidfd())
		rep->up |= WALL_PEER_PIDFD;
	if (caps_bound(CAP_BIT(CAP_KILL)) != 0 ||
	    caps_keep(CAP_BIT(CAP_KILL)) != 0)
		return VERR_IO;
	if ((r = allowlist_make(&w, &s->config, s->catalog)) != 0)
		return r;
	walls_landlock(&w.walls, rep);
	r = walls_seccomp(&w.walls, rep);
	allowlist_free(&w);
	if (r != 0)
		return r;
	/* It has no secrets, and is what the rooms are set apart from. */
	rep->idle = WALL_MEMFD_SECRET | WALL_NAMESPACES;
	missing = walls_missing(rep);
	for (int i = 0; i < WALL_COUNT; i++)
		if (missing & (1U << i))
			say(s->config.relaxed ? LOG_WARNING : LOG_ERR,
			    "this system has no wall \"%s\"",
			    walls_info[i].text);
	return missing != 0 && !s->config.relaxed ? VERR_FORBIDDEN : 0;
}

static int
serve(struct supervisor *s, struct text_set *texts)
{
	int r;

	if ((r = confine(s)) != 0) {
		say(LOG_ERR, "the walls cannot be put up: %s", verr_text(r));
		s->exit_status = VAULTD_REFUSED;
		goto out;
	}
	texts_offer(s, texts);
	house_begin(s);
	if (s->phase != PHASE_KILL && loop_run(s->loop) != 0)
		supervisor_stop(s, VAULTD_LOST, strerror(errno));
out:
	accept_stop(s);
	pub_remove(s);
	return s->exit_status;
}

static int
refused(const char *why, int status)
{
	say_text(SAY_VAULTD, LOG_ERR, slice_str(why));
	return status;
}

/*
 * What opens the store, as far as it lies in files: one that is not there is
 * no error, since a person may be asked.  Returns 0, or -1 with "why".
 */
static int
open_keys(struct supervisor *s, char why[WHY_MAX])
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	char *path;

	errno = 0;
	s->key_fd = file_open_key(s->config.key, why);
	if (s->key_fd < 0 && errno != ENOENT)
		return -1;
	if (s->key_fd < 0)
		say(LOG_NOTICE, "%s", why);
	if (s->config.credential == NULL)
		return 0;
	if (folder == NULL || folder[0] != '/') {
		(void)snprintf(why, WHY_MAX,
		    "credential %s: there is no $CREDENTIALS_DIRECTORY; the "
		    "unit needs LoadCredential= or LoadCredentialEncrypted=",
		    s->config.credential);
		return -1;
	}
	if (asprintf(&path, "%s/%s", folder, s->config.credential) < 0)
		return -1;
	s->credential_fd = file_open_key(path, why);
	free(path);
	return s->credential_fd < 0 ? -1 : 0;
}

static int
run(struct supervisor *s, const char *programs)
{
	struct text_set texts = {0};
	char why[WHY_MAX];
	int64_t gid;

	raise_limit(RLIMIT_NOFILE, RLIM_INFINITY);
	raise_limit(RLIMIT_MEMLOCK, MEMLOCK);
	if (starter_begin(programs) != 0) {
		(void)snprintf(
		    why, sizeof(why), "%s: %s", programs, strerror(errno));
		return refused(why, VAULTD_REFUSED);
	}
	if (read_all(s, &texts, &gid, why) != 0)
		return refused(why, VAULTD_CONFIG);
	if (open_keys(s, why) != 0 || make_state(s, why) != 0 ||
	    accept_open(s, gid, why) != 0)
		return refused(why, VAULTD_REFUSED);
	notify_open();
	if (begin_loop(s) != 0)
		return refused(strerror(errno), VAULTD_REFUSED);
	return serve(s, &texts);
}

static int
check(struct supervisor *s)
{
	struct text_set texts = {0};
	char why[WHY_MAX];
	int64_t gid;

	if (read_all(s, &texts, &gid, why) != 0 || open_keys(s, why) != 0)
		return refused(why, VAULTD_CONFIG);
	texts_free(&texts);
	return printf("%s is good\n", s->config_file) < 0;
}

int
main(int argc, char **argv)
{
	static struct supervisor s = {
	    .key_fd = -1, .credential_fd = -1, .admin_gid = -1};
	struct options options = {0};
	char why[WHY_MAX], *made, *programs;
	int status;

	if ((status = read_options(argc, argv, &options)) >= 0)
		return status;
	begin_clean();
	if (find_places(&s, &programs) != 0)
		return refused(strerror(errno), VAULTD_REFUSED);
	s.config_file = options.config;
	s.accepted = options.accepted;
	if (options.dev != NULL) {
		if (dev_make(options.dev, &made, why) != 0)
			return refused(why, VAULTD_REFUSED);
		s.config_file = made;
		s.dev = options.dev;
	}
	if (load_config(s.config_file, NULL, &s.config, why) != 0)
		return refused(why, VAULTD_CONFIG);
	return options.check ? check(&s) : run(&s, programs);
}
