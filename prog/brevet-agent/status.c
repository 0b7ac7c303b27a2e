#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/time.h"
#include "prog/brevet-agent/agent.h"
#include "wire/cert.h"
#include "wire/name.h"

/* What is known of one identity, as text. */
struct view {
    struct bv_status status;
    struct last last;
    const char *state;
    char serial[2 * LIMIT_SERIAL + 1], issuer[400], key[4200];
    char trust[3 * BV_TRUST_MAX][65];
    size_t num_trust;
    char install_error[WHY_TEXT_MAX];
};

static const char *
state_of(const struct bv_status *status, const struct last *last)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (status->active != BV_SLOT_NONE && status->not_after < now.tv_sec)
        return "expired";
    if (status->active != BV_SLOT_NONE)
        return status->phase == BV_PHASE_RENEW ? "renewal due" : "good";
    if (strcmp(last->outcome, "waiting for approval") == 0)
        return "waiting for approval";
    return status->phase == BV_PHASE_TRUST ? "no trust yet" : "not enrolled";
}

static void
look_at_cert(struct identity *identity, struct view *view)
{
    uint8_t der[BV_CERT_MAX];
    size_t len = 0;
    struct cert cert;
    if (bv_device_cert(&identity->device, der, sizeof(der), &len) !=
            BV_PORT_OK ||
        cert_parse(span_of(der, len), &cert) != BV_OK)
        return;
    struct sink serial = sink_of(view->serial, sizeof(view->serial) - 1);
    struct sink issuer = sink_of(view->issuer, sizeof(view->issuer) - 1);
    sink_hex(&serial, cert.serial);
    name_put_text(&issuer, cert.issuer);
    (void)snprintf(view->key, sizeof(view->key), "%s/key-%c.pem",
                   identity->config->dir,
                   view->status.active == BV_SLOT_B ? 'b' : 'a');
}

static void
look_at_trust(struct identity *identity, struct view *view)
{
    struct bv_bytes cert;
    struct bv_ports ports;
    bool is_anchor;
    bv_openssl_ports(identity->openssl, &ports);
    for (size_t i = 0;
         bv_device_trust(&identity->device, i, &cert, &is_anchor) == BV_PORT_OK;
         i++) {
        uint8_t digest[32];
        char *text = view->trust[view->num_trust];
        struct sink out = sink_of(text, 64);
        if (!is_anchor || ports.verify.sha256(ports.verify.ctx, cert.data,
                                              cert.len, digest) != BV_PORT_OK)
            continue;
        sink_hex(&out, span_of(digest, sizeof(digest)));
        view->num_trust++;
    }
}

static void
look(struct identity *identity, struct view *view)
{
    uint64_t wait;
    memset(view, 0, sizeof(*view));
    view->state = "not enrolled";
    view->status.active = BV_SLOT_NONE;
    if (identity->posix == NULL)
        return; /* no folder yet */
    install_error(identity, view->install_error, sizeof(view->install_error));
    (void)bv_device_step(&identity->device, &wait); /* reads only */
    bv_device_status(&identity->device, &view->status);
    last_read(identity, &view->last);
    view->state = state_of(&view->status, &view->last);
    look_at_cert(identity, view);
    look_at_trust(identity, view);
}

/* --- for programs --- */

/* What is not UTF-8 would leave the whole identity out. */
static json_t *
text(const char *value)
{
    char clean[4200];
    json_t *json = json_string(value);
    if (json != NULL)
        return json;
    (void)snprintf(clean, sizeof(clean), "%s", value);
    for (char *c = clean; *c != '\0'; c++)
        if ((unsigned char)*c > '~')
            *c = '?';
    return json_string(clean);
}

static json_t *
as_json(const struct identity *identity, const struct view *view)
{
    const struct bv_status *status = &view->status;
    json_t *trust = json_array();
    for (size_t i = 0; i < view->num_trust; i++)
        (void)json_array_append_new(trust, json_string(view->trust[i]));
    return json_pack(
        "{s:o, s:o, s:s, s:s, s:o, s:I, s:I, s:I, s:i, s:i, s:i, s:o, s:o, "
        "s:o, s:{s:I, s:s, s:o}}",
        "name", text(identity->config->name), "id", text(identity->settings.id),
        "state", view->state, "serial", view->serial, "issuer",
        text(view->issuer), "not_before", (json_int_t)status->not_before,
        "not_after", (json_int_t)status->not_after, "renew_at",
        (json_int_t)status->renew_at, "generation", (int)status->generation,
        "attempts", (int)status->attempts, "retry_after",
        (int)status->retry_after, "key", text(view->key), "trust", trust,
        "install_error", text(view->install_error), "last_attempt", "at",
        (json_int_t)view->last.at, "outcome", view->last.outcome, "why",
        text(view->last.why));
}

/* --- for people --- */

static void
print_last(const struct view *view)
{
    char at[TIME_TEXT_MAX];
    if (view->last.outcome[0] == '\0')
        return;
    time_format(view->last.at, at);
    printf("  last attempt  %s %s%s%s\n", at, view->last.outcome,
           view->last.why[0] != '\0' ? ": " : "", view->last.why);
    if (view->status.attempts > 0)
        printf("  next attempt  number %u in a row, in %u s\n",
               view->status.attempts + 1, view->status.retry_after);
}

static void
print(const struct identity *identity, const struct view *view)
{
    char begin[TIME_TEXT_MAX], end[TIME_TEXT_MAX], renew[TIME_TEXT_MAX];
    printf("%s: %s\n  id            %s\n", identity->config->name, view->state,
           identity->settings.id);
    if (view->status.active != BV_SLOT_NONE) {
        time_format(view->status.not_before, begin);
        time_format(view->status.not_after, end);
        time_format(view->status.renew_at, renew);
        printf("  serial        %s\n  issuer        %s\n"
               "  valid         %s to %s\n  renewal due   %s\n",
               view->serial, view->issuer, begin, end, renew);
        printf("  key           %s\n", view->key);
    }
    if (view->install_error[0] != '\0')
        printf("  not installed %s\n", view->install_error);
    print_last(view);
    for (size_t i = 0; i < view->num_trust; i++)
        printf("  trusts        sha256 %s\n", view->trust[i]);
}

enum agent_exit
status_print(struct identity *identities, size_t num, bool json)
{
    enum agent_exit exit = AGENT_OK;
    json_t *list = json_array();
    for (size_t i = 0; i < num; i++) {
        struct view view;
        if (identities[i].shut != AGENT_OK) {
            exit = identities[i].shut;
            continue; /* why was said */
        }
        look(&identities[i], &view);
        if (strcmp(view.state, "good") != 0 &&
            strcmp(view.state, "renewal due") != 0)
            exit = strcmp(view.state, "waiting for approval") == 0
                       ? AGENT_PENDING
                       : AGENT_NONE;
        else if (view.install_error[0] != '\0' && exit == AGENT_OK)
            exit = AGENT_LOCAL;
        if (json)
            (void)json_array_append_new(list, as_json(&identities[i], &view));
        else
            print(&identities[i], &view);
    }
    if (json) {
        (void)json_dumpf(list, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(list);
    return exit;
}
