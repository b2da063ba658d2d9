#include "vaultd/keeper/session.h"

#include <stdlib.h>

#include <sodium.h>

#include "protocol/bytes.h"

#define BUCKETS    1024
#define TEXT_SHOWN 256 /* bytes of exe and cgroup in a record */

struct sessions {
	struct session *bucket[BUCKETS];
	uint64_t last; /* highest number heard of */
};

int
sessions_new(struct sessions **ret)
{
	return (*ret = calloc(1, sizeof(**ret))) == NULL ? VERR_NOMEM : 0;
}

static char *
text(struct slice s)
{
	return strndup((const char *)s.p, s.n);
}

static void
session_free(struct session *s)
{
	policy_view_free(s->view);
	free(s->groups);
	free(s->exe);
	free(s->cgroup);
	free(s->label);
	free(s);
}

static int
read_groups(struct session *s, struct slice groups)
{
	if (groups.n % 4 != 0 || groups.n / 4 > SESSION_GROUPS)
		return VERR_FORMAT;
	s->ngroups = groups.n / 4;
	if ((s->groups = calloc(s->ngroups + 1, 4)) == NULL)
		return VERR_NOMEM;
	for (size_t i = 0; i < s->ngroups; i++)
		s->groups[i] = (uint32_t)get_le(groups.p + 4 * i, 4);
	return 0;
}

int
session_begin(struct keeper *k, const struct rec_SESSION *m)
{
	struct sessions *ss = k->sessions;
	struct session *s, **at;
	int r;

	if (m->session <= ss->last)
		return VERR_FORMAT;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return VERR_NOMEM;
	s->number = m->session;
	s->gate = (uint32_t)m->gate;
	s->face = m->face == FACE_HTTP ? FACE_HTTP : FACE_FRAMED;
	s->uid = (uint32_t)m->uid;
	s->gid = (uint32_t)m->gid;
	s->pid = (uint32_t)m->pid;
	s->loginuid = (uint32_t)m->loginuid;
	s->known = (uint32_t)m->known;
	s->exe = text(m->exe);
	s->cgroup = text(m->cgroup);
	s->label = text(m->label);
	r = read_groups(s, m->groups);
	if (r == 0 && (s->exe == NULL || s->cgroup == NULL || s->label == NULL))
		r = VERR_NOMEM;
	if (r != 0) {
		session_free(s);
		return r;
	}
	ss->last = s->number;
	at = &ss->bucket[s->number % BUCKETS];
	s->next = *at;
	*at = s;
	return 0;
}

void
session_end(struct keeper *k, uint64_t number)
{
	struct session **at = &k->sessions->bucket[number % BUCKETS], *s;

	for (; (s = *at) != NULL; at = &s->next)
		if (s->number == number) {
			*at = s->next;
			session_free(s);
			return;
		}
}

void
sessions_end_gate(struct keeper *k, uint32_t gate)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct session **at = &k->sessions->bucket[i], *s;
		     (s = *at) != NULL;) {
			if (s->gate != gate) {
				at = &s->next;
				continue;
			}
			*at = s->next;
			session_free(s);
		}
}

static struct session *
lookup(struct sessions *ss, uint64_t number)
{
	struct session *s = ss->bucket[number % BUCKETS];

	while (s != NULL && s->number != number)
		s = s->next;
	return s;
}

int
session_find(
    struct keeper *k, uint64_t number, uint32_t gate, struct session **ret)
{
	struct session *s = lookup(k->sessions, number);

	if (s == NULL) {
		/* What the supervisor has said comes before any gate's word. */
		channel_pump(k->life.supervisor);
		s = lookup(k->sessions, number);
	}
	if (s == NULL)
		return number <= k->sessions->last ? VERR_CLOSED
		                                   : VERR_FORBIDDEN;
	if (s->gate != gate)
		return VERR_FORBIDDEN;
	*ret = s;
	return 0;
}

const struct policy_view *
session_view(struct keeper *k, struct session *s)
{
	struct policy_principal who = {.uid = s->uid,
	    .gid = s->gid,
	    .groups = s->groups,
	    .ngroups = s->ngroups,
	    .groups_unknown = !(s->known & KNOWN_GROUPS)};

	if (s->view == NULL &&
	    policy_view_new(k->rules.policy, &who, &s->view) != 0)
		s->view = NULL;
	return s->view;
}

void
sessions_forget_views(struct sessions *ss)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct session *s = ss->bucket[i]; s != NULL;
		     s = s->next) {
			policy_view_free(s->view);
			s->view = NULL;
		}
}

const uint8_t *
session_make_nonce(struct session *s)
{
	if (s->nnonces == SESSION_NONCES)
		memmove(s->nonces[0], s->nonces[1],
		    --s->nnonces * sizeof(s->nonces[0]));
	randombytes_buf(s->nonces[s->nnonces], sizeof(s->nonces[0]));
	return s->nonces[s->nnonces++];
}

int
session_take_nonce(struct session *s, struct slice nonce)
{
	if (nonce.n != sizeof(s->nonces[0]))
		return VERR_STALE;
	for (size_t i = 0; i < s->nnonces; i++) {
		if (sodium_memcmp(s->nonces[i], nonce.p, nonce.n) != 0)
			continue;
		memmove(s->nonces[i], s->nonces[i + 1],
		    (--s->nnonces - i) * sizeof(s->nonces[0]));
		return 0;
	}
	return VERR_STALE;
}

static void
json_shown(struct json *j, const char *key, const char *value)
{
	size_t n = strlen(value);

	if (n > 0)
		json_slice(
		    j, key, slice_of(value, n < TEXT_SHOWN ? n : TEXT_SHOWN));
}

void
session_json(const struct keeper *k, const struct session *s, struct json *j)
{
	json_open(j, "principal", '{');
	json_number(j, "uid", s->uid);
	json_text(j, "user", names_user(k->rules.names, s->uid));
	json_number(j, "gid", s->gid);
	json_number(j, "pid", s->pid);
	if (s->known & KNOWN_LOGINUID)
		json_number(j, "loginuid", s->loginuid);
	json_shown(j, "exe", s->exe);
	json_shown(j, "cgroup", s->cgroup);
	json_shown(j, "label", s->label);
	json_close(j, '}');
}
