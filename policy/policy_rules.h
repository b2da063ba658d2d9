/*
 * policy_rules - what policy_parse.c makes and policy.c reads.  No one else
 * includes this.
 */
#ifndef POLICY_POLICY_RULES_H
#define POLICY_POLICY_RULES_H

#include "policy/glob.h"
#include "policy/policy.h"

/* The lines a client block may have. */
enum client_key {
	CLIENT_USER,
	CLIENT_GROUP,
	CLIENT_UID,
	CLIENT_GID,
	CLIENT_KEY_COUNT,
};

struct client {
	struct lex_word name;
	struct {
		uint32_t *ids; /* alternatives; none if the line is absent */
		size_t n;
	} line[CLIENT_KEY_COUNT];
};

struct profile_glob {
	const char *text;
	struct glob *glob;
	uint32_t customer; /* policy_customer_hash(), or 0 if it has a star */
};

struct rule {
	bool deny;
	uint32_t line;
	uint32_t verbs; /* a bit for each */
	size_t nclients, nglobs, nmethods, npaths;
	struct lex_word *names; /* of the clients, until they are known */
	size_t *clients;        /* indices */
	struct profile_glob *globs;
	const char **methods; /* as path_method() gives them */
	struct glob **paths;  /* GLOB_FOLDED for a deny */
};

struct policy {
	struct lex *text;       /* owns the strings */
	struct client *clients; /* by name */
	size_t nclients;
	struct rule *rules; /* by line */
	size_t nrules;
};

/* A hash of the part before the '/', never 0. */
uint32_t policy_customer_hash(const char *profile);

#endif /* POLICY_POLICY_RULES_H */
