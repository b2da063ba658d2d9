#include "vaultd/keeper/matter.h"

#include "policy/path.h"

#define PATH_SHOWN 1536

bool
matter_decide(struct keeper *k, struct matter *m)
{
	const struct policy_view *view = session_view(k, m->session);
	struct policy_facts facts = {.verb = m->verb,
	    .profile = m->profile,
	    .method = m->method,
	    .path = m->method == NULL ? NULL : (const char *)m->target.p,
	    .path_len = m->path_len,
	    .guarded = m->guarded};

	if (view == NULL) {
		m->verdict = (struct policy_verdict){.permitted = false};
		m->refusal = REFUSED_BUDGET;
		return false;
	}
	policy_decide(view, &facts, &m->verdict);
	m->refusal = m->verdict.permitted ? REFUSED_NONE : REFUSED_DENIED;
	return m->verdict.permitted;
}

static void
put_request(const struct matter *m, struct json *j)
{
	char shown[PATH_SHOWN];

	json_text(j, "method", m->method);
	if (m->host != NULL)
		json_text(j, "host", m->host);
	path_elide((const char *)m->target.p, m->target.n, m->path_len, shown,
	    sizeof(shown));
	json_text(j, "path", shown);
}

void
matter_record(struct keeper *k, const struct matter *m, enum audit_event event,
    bool sync, struct audit_note *note)
{
	struct json j;

	audit_begin(k->audit, event, 0, &j);
	json_text(&j, "verb", policy_verb_name(m->verb));
	if (m->act != NULL)
		json_text(&j, "act", m->act);
	if (m->profile != NULL)
		json_text(&j, "profile", m->profile);
	if (m->system != NULL)
		json_text(&j, "system", m->system);
	session_json(k, m->session, &j);
	json_number(&j, "gate", m->session->gate);
	if (m->method != NULL)
		put_request(m, &j);
	if (m->user != NULL && *m->user != '\0')
		json_text(&j, "basic_user", m->user);
	json_text(&j, "decision", m->verdict.permitted ? "permit" : "deny");
	if (m->verdict.line != 0)
		json_numbered(&j, "rule", "policy.conf:", m->verdict.line);
	if (m->refusal != REFUSED_NONE)
		json_text(&j, "refusal", refusal_info(m->refusal)->code);
	audit_end(k->audit, &j, sync, note);
}

void
outcome_record(struct keeper *k, const struct outcome *o, bool sync,
    struct audit_note *note)
{
	struct json j;

	audit_begin(k->audit, AUDIT_OUTCOME, o->of, &j);
	json_text(&j, "verb", policy_verb_name(o->verb));
	if (o->act != NULL)
		json_text(&j, "act", o->act);
	if (o->profile != NULL)
		json_text(&j, "profile", o->profile);
	json_text(&j, "outcome",
	    o->code != NULL ? o->code : refusal_info(o->refusal)->code);
	if (o->status != 0)
		json_number(&j, "status", o->status);
	if (o->verb == VERB_REQUEST) {
		json_number(&j, "sent", o->sent);
		json_number(&j, "received", o->received);
	}
	if (o->change != NULL)
		json_text(&j, "change", o->change);
	if (o->store != 0)
		json_number(&j, "store", o->store);
	json_number(&j, "duration_ms", loop_now(k->life.loop) - o->started);
	audit_end(k->audit, &j, sync, note);
}
