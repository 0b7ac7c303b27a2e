#include "brevet/device.h"

const char *
bv_why_text(enum bv_why why)
{
    static const char *const texts[] = {
        [BV_WHY_NONE] = "nothing failed",
        [BV_WHY_CONFIG] = "the configuration cannot work, or no credential "
                          "for enrolment is there",
        [BV_WHY_STORAGE] = "a record could not be read or written",
        [BV_WHY_KEY] = "the key could not be made or used",
        [BV_WHY_CONNECT] = "the server cannot be reached",
        [BV_WHY_SERVER_REFUSED] =
            "TLS failed: the server is not trusted, or refused the identity",
        [BV_WHY_TIMEOUT] = "the server took too long",
        [BV_WHY_CUT] = "the connection ended inside an answer",
        [BV_WHY_HTTP] = "the answer is not what EST allows",
        [BV_WHY_TOO_LARGE] = "the answer is larger than is accepted",
        [BV_WHY_UNAUTHORIZED] = "the server does not accept the credential",
        [BV_WHY_REJECTED] = "the server rejects the request",
        [BV_WHY_SERVER_ERROR] = "the server cannot answer now",
        [BV_WHY_BAD_ANSWER] = "the answer holds no certificates",
        [BV_WHY_FINGERPRINT] =
            "no CA certificate of the server has the pinned fingerprint",
        [BV_WHY_CHAIN] = "the certificate does not chain to the trusted CAs",
        [BV_WHY_WRONG_KEY] = "the certificate is for another key",
        [BV_WHY_WRONG_NAME] = "the certificate carries another name",
        [BV_WHY_DATES] = "the certificate is not valid now",
        [BV_WHY_PROOF] = "the server does not accept the new identity; the "
                         "old one stays",
        [BV_WHY_PENDING] = "the request waits for an operator's approval",
        [BV_WHY_BINDING] = "the connection has no channel binding",
    };
    size_t num = sizeof(texts) / sizeof(texts[0]);
    return (size_t)why < num && texts[why] != NULL ? texts[why]
                                                   : "unknown failure";
}
