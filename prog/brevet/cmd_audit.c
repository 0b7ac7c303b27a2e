/* brevet audit: list, show, prove by the server; verify and export offline. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "command.h"
#include "core/audit_verify.h"
#include "pki/note.h"
#include "store/sqlite.h"

#define END                                                                    \
    {                                                                          \
        NULL, NULL, 0, NULL, NULL                                              \
    }

static const struct command_option list_options[] = {
    {"last", NULL, COMMAND_NUMBER, "N", "the newest N entries"},
    {"limit", NULL, COMMAND_NUMBER, "N", "rows at most (1..1000)"},
    {"after", NULL, COMMAND_NUMBER, "INDEX", "start at this entry"},
    END};
static const struct command_option verify_options[] = {
    {"db", NULL, COMMAND_TEXT, "FILE", "a database (DIR/db/brevet.db)"},
    {"vkey", NULL, COMMAND_TEXT, "KEY",
     "the log's verifier key (from DIR/ca/log.pub)"},
    {"known", NULL, COMMAND_FILE, "FILE",
     "a checkpoint kept elsewhere: the log must contain it"},
    {"no-certs", NULL, COMMAND_FLAG, NULL,
     "do not compare entries and certificates"},
    END};
static const struct command_option export_options[] = {
    {"db", NULL, COMMAND_TEXT, "FILE", "a database (DIR/db/brevet.db)"}, END};

static int
open_db(const struct command_call *call, struct store *ret_store)
{
    struct store_sqlite_options options = {.read_only = true};
    const char *path = command_text(call, "db");
    char own[4096], problem[512];

    (void)snprintf(own, sizeof(own), "%s/db/brevet.db", call->dir);
    enum bv_err err = store_sqlite_open(path != NULL ? path : own, &options,
                                        ret_store, problem, sizeof(problem));
    if (err == BV_OK)
        return COMMAND_OK;
    (void)fprintf(stderr, "brevet: %s\n", problem);
    return err == BV_E_NOT_FOUND ? COMMAND_REFUSED : COMMAND_FAILED;
}

static enum bv_err
read_vkey(const struct command_call *call, struct tlog_vkey *ret_vkey)
{
    const char *text = command_text(call, "vkey");
    char path[4096], buf[512] = "";

    if (text == NULL) {
        (void)snprintf(path, sizeof(path), "%s/ca/log.pub", call->dir);
        bv_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return BV_E_NOT_FOUND;
        ssize_t n = read(fd, buf, sizeof(buf) - 1);
        buf[n > 0 ? n : 0] = '\0';
        text = buf;
    }
    return note_vkey_parse(span_of(text, strcspn(text, "\n")), ret_vkey);
}

static void
print_fault(void *user, const char *line)
{
    (void)fprintf(stderr, "fault: %s\n", line);
}

static const char *
plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void
print_report(const struct command_call *call, const struct audit_report *r,
             bool has_key)
{
    char hex[2 * MERKLE_HASH + 1] = "";
    struct sink out = sink_of(hex, sizeof(hex) - 1);

    sink_hex(&out, SPAN_ARRAY(r->root.octets));
    json_t *json = json_pack(
        "{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:s}", "good",
        (int)(r->faults == 0), "faults", (json_int_t)r->faults, "entries",
        (json_int_t)r->entries, "tiles", (json_int_t)r->tiles, "checkpoints",
        (json_int_t)r->checkpoints, "signed_size", (json_int_t)r->signed_size,
        "certs", (json_int_t)r->certs, "signatures_checked", (int)has_key,
        "clock_back", (json_int_t)r->clock_back, "root", hex);
    if (call->as_json) {
        (void)json_dumpf(json, stdout, JSON_INDENT(2));
        (void)printf("\n");
    } else {
        (void)printf("%s: %llu %s, %llu of them under %llu signed "
                     "checkpoint%s; %llu certificate%s; %llu fault%s\n",
                     r->faults == 0 ? "good" : "NOT GOOD",
                     (unsigned long long)r->entries,
                     r->entries == 1 ? "entry" : "entries",
                     (unsigned long long)r->signed_size,
                     (unsigned long long)r->checkpoints, plural(r->checkpoints),
                     (unsigned long long)r->certs, plural(r->certs),
                     (unsigned long long)r->faults, plural(r->faults));
        if (!has_key)
            (void)printf("signatures were NOT checked: no verifier key\n");
        (void)printf("root %s\n", hex);
    }
    json_decref(json);
}

static int
verify(const struct command_call *call)
{
    struct tlog_vkey vkey;
    struct audit_report report;
    struct store store;
    enum bv_err err = read_vkey(call, &vkey);
    bool has_key = err == BV_OK;

    if (err != BV_OK && (err != BV_E_NOT_FOUND || command_text(call, "vkey")))
        return command_fail("the log's verifier key", err);
    struct audit_verify_options options = {
        .vkey = has_key ? &vkey : NULL,
        .known = span_str(command_text(call, "known")),
        .certs = !command_flag(call, "no-certs"),
        .fault = print_fault,
    };
    int code = open_db(call, &store);
    if (code != COMMAND_OK)
        return code;
    err = audit_verify(&store, &options, &report);
    store.close(store.ctx);
    if (err != BV_OK)
        return command_fail("audit verify", err);
    print_report(call, &report, has_key);
    return report.faults == 0 ? COMMAND_OK : COMMAND_FAILED;
}

static int export(const struct command_call *call)
{
    struct store store;
    uint64_t num;
    int code = open_db(call, &store);

    if (code != COMMAND_OK)
        return code;
    enum bv_err err = audit_export(&store, command_text(call, "to"), &num);
    store.close(store.ctx);
    if (err != BV_OK)
        return command_fail("audit export", err);
    if (call->as_json)
        (void)printf("{\"entries\": %llu}\n", (unsigned long long)num);
    else
        (void)printf("%llu %s\n", (unsigned long long)num,
                     num == 1 ? "entry" : "entries");
    return COMMAND_OK;
}

/* The note alone, octet for octet: what --known takes. */
static int
checkpoint(const struct command_call *call)
{
    json_t *result = NULL;
    int code = command_ask(call, &result);
    const char *note = json_string_value(json_object_get(result, "note"));

    if (code == COMMAND_OK && call->as_json)
        (void)json_dumpf(result, stdout, JSON_INDENT(2));
    else if (code == COMMAND_OK && note != NULL)
        (void)fputs(note, stdout);
    json_decref(result);
    return code;
}

#define INDEX .positional = {"INDEX", "index", COMMAND_NUMBER, NULL, NULL}

const struct command cmd_audit[] = {
    {.group = "audit",
     .action = "list",
     .summary = "list what happened",
     .verb = "audit.list",
     .example = "brevet audit list --last 20\n",
     .options = list_options,
     .columns = "index time_ms action outcome actor actor_id object_id reason "
                "detail"},
    {.group = "audit",
     .action = "show",
     .summary = "show one entry",
     .verb = "audit.show",
     .example = "brevet audit show 17\n",
     INDEX},
    {.group = "audit",
     .action = "prove",
     .summary = "print a proof that an entry is in the signed log",
     .verb = "audit.prove",
     .example = "brevet audit prove 17 > entry-17.tlog-proof\n",
     INDEX},
    {.group = "audit",
     .action = "checkpoint",
     .summary = "print the newest signed checkpoint",
     .verb = "audit.checkpoint",
     .run = checkpoint,
     .example = "brevet audit checkpoint\n"},
    {.group = "audit",
     .action = "verify",
     .summary = "check the whole log, offline",
     .run = verify,
     .example = "brevet audit verify\n"
                "brevet audit verify --known checkpoint-of-may.txt\n",
     .options = verify_options},
    {.group = "audit",
     .action = "export",
     .summary = "write the log as tiles below a directory, offline",
     .run = export,
     .example = "brevet audit export /srv/log\n",
     .options = export_options,
     .positional = {"DIRECTORY", "to", COMMAND_TEXT, NULL, NULL}},
    {.group = NULL},
};
