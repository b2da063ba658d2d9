#include "vaultd/courier/fault.h"

#include <stddef.h>

const struct fault_info fault_info[FAULT_COUNT] = {
#define FAULT(name, refusal, error, sentence)                                  \
	[name] = {refusal, error, sentence},
#include "vaultd/courier/fault.def"
#undef FAULT
};

static const struct {
	CURLcode code;
	enum fault fault;
} by_curl[] = {
    /* clang-format off */
	{CURLE_OK,			FAULT_NONE},
	{CURLE_OUT_OF_MEMORY,		FAULT_MEMORY},
	{CURLE_COULDNT_CONNECT,		FAULT_CONNECT},
	{CURLE_OPERATION_TIMEDOUT,	FAULT_CONNECT_TIME},
	{CURLE_SSL_CONNECT_ERROR,	FAULT_HANDSHAKE},
	{CURLE_SSL_CIPHER,		FAULT_HANDSHAKE},
	{CURLE_SSL_CERTPROBLEM,		FAULT_HANDSHAKE},
	{CURLE_SSL_CLIENTCERT,		FAULT_HANDSHAKE},
	{CURLE_USE_SSL_FAILED,		FAULT_HANDSHAKE},
	{CURLE_PEER_FAILED_VERIFICATION, FAULT_CERTIFICATE},
	{CURLE_SSL_ISSUER_ERROR,	FAULT_CERTIFICATE},
	{CURLE_SSL_INVALIDCERTSTATUS,	FAULT_CERTIFICATE},
	{CURLE_SSL_PINNEDPUBKEYNOTMATCH, FAULT_PIN},
	{CURLE_GOT_NOTHING,		FAULT_CLOSED},
	{CURLE_SEND_ERROR,		FAULT_CLOSED},
	{CURLE_SEND_FAIL_REWIND,	FAULT_CLOSED},
	{CURLE_RECV_ERROR,		FAULT_SHORT},
	{CURLE_PARTIAL_FILE,		FAULT_SHORT},
	{CURLE_WEIRD_SERVER_REPLY,	FAULT_ANSWER},
	{CURLE_BAD_CONTENT_ENCODING,	FAULT_ENCODED},
	{CURLE_UNSUPPORTED_PROTOCOL,	FAULT_ANSWER},
    /* clang-format on */
};

enum fault
fault_of_curl(CURLcode code)
{
	for (size_t i = 0; i < sizeof(by_curl) / sizeof(by_curl[0]); i++)
		if (by_curl[i].code == code)
			return by_curl[i].fault;
	return FAULT_INTERNAL;
}

enum fault
fault_of_dial(int error)
{
	switch (error) {
	case VERR_FORBIDDEN:
		return FAULT_ADDRESS;
	case VERR_NOTFOUND:
		return FAULT_NO_NAME;
	case VERR_TIMEOUT:
		return FAULT_CONNECT_TIME;
	case VERR_BUSY:
		return FAULT_BUSY;
	case VERR_NOMEM:
		return FAULT_MEMORY;
	default:
		return FAULT_CONNECT;
	}
}
