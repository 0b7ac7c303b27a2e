#include "prog/brevet/install.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/disk.h"
#include "core/ca.h"
#include "core/cas.h"
#include "pki/note.h"
#include "proc/users.h"
#include "store/sqlite.h"
#include "wire/pem.h"

#define CERT_PEM_MAX (2 * LIMIT_CERT)

struct work {
    const struct install *install;
    char dir[CONFIG_PATH_MAX]; /* being built */
    char *problem;
    struct install_keys keys;
    uint8_t root_der[LIMIT_CERT], ca_der[LIMIT_CERT];
    uint8_t serials[2][SERIAL_LEN]; /* of root and issuing CA */
    struct span root, ca;
    char url[CORE_URL_MAX];
};

static enum bv_err bad(const struct work *w, enum bv_err err,
                       const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum bv_err
bad(const struct work *w, enum bv_err err, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(w->problem, INSTALL_PROBLEM_MAX, format, ap);
    va_end(ap);
    return err;
}

/* --- files --- */

enum bv_err
install_write(const char *dir, const char *name, mode_t mode, struct span bytes)
{
    char path[CONFIG_PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof(path))
        return BV_E_TOO_LARGE;
    return disk_create(path, mode, bytes);
}

static enum bv_err
put_file(const struct work *w, const char *name, mode_t mode,
         const struct sink *text)
{
    struct span bytes;
    enum bv_err err = sink_done(text, &bytes);
    if (err == BV_OK)
        err = install_write(w->dir, name, mode, bytes);
    if (err != BV_OK)
        return bad(w, err, "%s/%s: %s", w->dir, name, err_text(err));
    return BV_OK;
}

static enum bv_err
put_pem(const struct work *w, const char *name, const char *label,
        struct span der)
{
    uint8_t buf[CERT_PEM_MAX];
    struct sink text = SINK_ARRAY(buf);
    pem_encode(&text, label, der);
    return put_file(w, name, 0644, &text);
}

/* --- keys --- */

static enum bv_err
seal(const struct work *w, const char *name, const struct key *key)
{
    uint8_t buf[KEY_PEM_MAX];
    struct sink text = SINK_ARRAY(buf);
    enum bv_err err = key_seal(key, span_str(w->install->secret), &text);
    if (err != BV_OK)
        return bad(w, err, "%s cannot be sealed: %s", name, err_text(err));
    return put_file(w, name, 0600, &text);
}

static enum bv_err
make_key(const struct work *w, struct install_key_kind kind, const char *name,
         struct key **ret)
{
    enum bv_err err = key_generate(kind.alg, kind.bits, ret);
    if (err != BV_OK)
        return bad(w, err, "a key could not be made: %s", err_text(err));
    return seal(w, name, *ret);
}

/* The audit log's name is its key's name too. */
static const char *
log_origin(const struct install *install)
{
    const char *host = install->hosts[0];
    return strchr(host, ':') == NULL && strlen(host) < LIMIT_SHORT_NAME
               ? host
               : "brevet";
}

static enum bv_err
make_log_key(struct work *w)
{
    const struct install_key_kind kind = {ALG_KEY_ED25519, 0};
    uint8_t spki[LIMIT_SPKI], buf[512];
    struct sink out = SINK_ARRAY(spki), text = SINK_ARRAY(buf);
    struct tlog_vkey vkey;
    BV_TRY(make_key(w, kind, "ca/log.key", &w->keys.log));
    BV_TRY(key_spki(w->keys.log, &out));
    /* RFC 8410: the raw key is the last 32 octets */
    enum bv_err err =
        note_vkey_of(log_origin(w->install), spki + out.len - 32, &vkey);
    if (err != BV_OK)
        return bad(w, err, "the log key has no usable name");
    tlog_vkey_build(&text, &vkey);
    sink_str(&text, "\n");
    return put_file(w, "ca/log.pub", 0644, &text);
}

/* --- certificates --- */

/* A profile that fits a CA key whatever its kind. */
enum bv_err
install_ca_profile(const char *name, int64_t life, struct profile *ret)
{
    BV_TRY(profile_default(name, ret));
    ret->key_p256 = ret->key_p384 = ret->key_p521 = ret->key_ed25519 = true;
    ret->rsa_min = 2048;
    ret->rsa_max = 4096;
    ret->lifetime = life;
    return BV_OK;
}

struct to_issue {
    const char *profile, *cn_tail;
    int64_t life;
    struct key *subject, *issuer_key;
    struct span issuer_cert, serial;
};

static enum bv_err
issue(const struct work *w, const struct to_issue *what, struct sink *out)
{
    uint8_t buf[LIMIT_SPKI];
    struct sink spki = SINK_ARRAY(buf);
    struct profile profile;
    char cn[LIMIT_DEVICE_NAME + 1], crl[CORE_URL_MAX], cer[CORE_URL_MAX];
    char problem[300] = "";
    BV_TRY(install_ca_profile(what->profile, what->life, &profile));
    BV_TRY(key_spki(what->subject, &spki));
    (void)snprintf(cn, sizeof(cn), "%s %s", w->install->name, what->cn_tail);
    (void)snprintf(crl, sizeof(crl), "%.200s/crl/root.crl", w->url);
    (void)snprintf(cer, sizeof(cer), "%.200s/ca/root.cer", w->url);
    bool urls = w->url[0] != '\0' && what->issuer_cert.len > 0;
    struct ca_spec spec = {
        .profile = &profile,
        .cn = cn,
        .organization = w->install->name,
        .country = w->install->country,
        .spki = sink_view(&spki),
        .issuer_cert = what->issuer_cert,
        .issuer_key = what->issuer_key,
        .serial = what->serial,
        .now = clock_wall(),
        .crl_url = urls ? crl : NULL,
        .issuer_url = urls ? cer : NULL,
    };
    enum bv_err err = ca_issue(&spec, out, problem, sizeof(problem));
    if (err != BV_OK)
        return bad(w, err, "the %s could not be made: %s", what->cn_tail,
                   problem[0] != '\0' ? problem : err_text(err));
    return BV_OK;
}

static enum bv_err
make_root(struct work *w)
{
    const struct install *in = w->install;
    BV_TRY(make_key(w, in->root, "ca/root.key", &w->keys.root));
    struct sink out = SINK_ARRAY(w->root_der);
    const struct to_issue what = {.profile = "root",
                                  .cn_tail = "Root CA",
                                  .life = in->root_life,
                                  .subject = w->keys.root,
                                  .issuer_key = w->keys.root,
                                  .serial = SPAN_ARRAY(w->serials[0])};
    BV_TRY(issue(w, &what, &out));
    w->root = sink_view(&out);
    return put_pem(w, "ca/root.crt", PEM_CERTIFICATE, w->root);
}

static enum bv_err
make_issuing(struct work *w)
{
    const struct install *in = w->install;
    BV_TRY(make_key(w, in->ca, "ca/issuing.key", &w->keys.ca));
    struct sink out = SINK_ARRAY(w->ca_der);
    const struct to_issue what = {.profile = "intermediate",
                                  .cn_tail = "Issuing CA",
                                  .life = in->ca_life,
                                  .subject = w->keys.ca,
                                  .issuer_key = w->keys.root,
                                  .issuer_cert = w->root,
                                  .serial = SPAN_ARRAY(w->serials[1])};
    BV_TRY(issue(w, &what, &out));
    w->ca = sink_view(&out);
    return put_pem(w, "ca/issuing.crt", PEM_CERTIFICATE, w->ca);
}

/* The store knows these certificates like all others: it gives the numbers. */
static enum bv_err
take_serials(struct work *w)
{
    char path[CONFIG_PATH_MAX + 16], problem[300] = "";
    const struct store_sqlite_options options = {.create = true};
    struct store store;
    (void)snprintf(path, sizeof(path), "%s/db/brevet.db", w->dir);
    enum bv_err err =
        store_sqlite_open(path, &options, &store, problem, sizeof(problem));
    if (err != BV_OK)
        return bad(w, err, "the database could not be made: %s", problem);
    err = cas_serials(&store, w->serials, 2);
    store.close(store.ctx);
    return err == BV_OK ? BV_OK
                        : bad(w, err, "no serial numbers could be made: %s",
                              err_text(err));
}

/* Somebody else signs: their root comes back with the certificate. */
static enum bv_err
make_request(struct work *w)
{
    char cn[LIMIT_DEVICE_NAME + 1];
    struct sink out = SINK_ARRAY(w->ca_der);
    BV_TRY(make_key(w, w->install->ca, "ca/issuing.key", &w->keys.ca));
    (void)snprintf(cn, sizeof(cn), "%s Issuing CA", w->install->name);
    enum bv_err err =
        ca_csr(w->keys.ca, cn, w->install->name, w->install->country, &out);
    if (err != BV_OK)
        return bad(w, err, "the request could not be made: %s", err_text(err));
    return put_pem(w, "ca/issuing.csr", PEM_CSR, sink_view(&out));
}

/* --- the configuration --- */

static void
put_list(struct sink *out, const char *key, const char *const *list, size_t num)
{
    sink_str(out, key);
    sink_str(out, " = {");
    for (size_t i = 0; i < num; i++) {
        sink_str(out, i > 0 ? ", \"" : "\"");
        sink_str(out, list[i]);
        sink_str(out, "\"");
    }
    sink_str(out, "}\n");
}

static void
put_setting(struct sink *out, const char *key, const char *head,
            const char *tail)
{
    sink_str(out, key);
    sink_str(out, " = \"");
    sink_str(out, head);
    sink_str(out, tail);
    sink_str(out, "\"\n");
}

static void
put_ca(struct sink *out, const struct work *w, const char *name, bool chain)
{
    char tail[LIMIT_SHORT_NAME + 16];
    sink_str(out, "\nca \"");
    sink_str(out, name);
    sink_str(out, "\" {\n");
    if (chain)
        sink_str(out, "    chain = {\"ca/root.crt\"}\n");
    else /* its key may be away for months */
        sink_str(out, "    crl-every = \"30d\"\n    crl-life = \"365d\"\n"
                      "    ocsp-life = \"365d\"\n");
    if (w->url[0] != '\0') {
        (void)snprintf(tail, sizeof(tail), "/crl/%s.crl", name);
        put_setting(out, "    crl-url", w->url, tail);
        /* No OCSP URL in what a root signs: it would point to nobody once the
         * key has been away for long. Its CRL tells. */
        if (chain)
            put_setting(out, "    ocsp-url", w->url, "/ocsp");
        (void)snprintf(tail, sizeof(tail), "/ca/%s.cer", name);
        put_setting(out, "    issuer-url", w->url, tail);
    }
    sink_str(out, "}\n");
}

static enum bv_err
make_config(const struct work *w)
{
    const struct install *in = w->install;
    uint8_t buf[16384];
    struct sink out = SINK_ARRAY(buf);
    sink_str(&out, "# Brevet's configuration, see brevet.conf(5). Check a "
                   "change with\n#     brevetd --dir DIR --check\n# and "
                   "bring it into force with SIGHUP (systemctl reload).\n\n");
    put_list(&out, "hosts", in->hosts, in->num_hosts);
    put_list(&out, "https", in->https, in->num_https);
    put_list(&out, "http", in->http, in->num_http);
    put_setting(&out, "passphrase", in->secret_setting, "");
    if (in->user != NULL)
        put_setting(&out, "user", in->user, "");
    sink_str(&out, "\naudit {\n");
    put_setting(&out, "    origin", log_origin(in), "");
    sink_str(&out, "}\n");
    put_ca(&out, w, "issuing", true);
    if (!in->external_root)
        put_ca(&out, w, "root", false);
    return put_file(w, "brevet.conf", 0644, &out);
}

/* --- ownership --- */

static struct identity new_owner;

static int
give_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return lchown(path, new_owner.uid, new_owner.gid);
}

/* Root only: as whom core will run. */
static enum bv_err
find_owner(const char *user, struct identity *ret, char *problem)
{
    const struct work w = {.problem = problem};
    struct users users;
    char text[INSTALL_PROBLEM_MAX / 2];
    if (user != NULL)
        return identity_find(user, ret) == BV_OK
                   ? BV_OK
                   : bad(&w, BV_E_NOT_FOUND, "there is no user \"%s\"", user);
    enum bv_err err = users_find(&users, text, sizeof(text));
    if (err != BV_OK)
        return bad(&w, err,
                   "%s\n(or --user USER for one user for all roles and fewer "
                   "walls; --user root for the fewest)",
                   text);
    *ret = users.of[PROC_CORE];
    return BV_OK;
}

/* Before anything is made: what core is to write, it must be able to. */
static enum bv_err
check_owner(const struct work *w)
{
    struct identity owner;
    if (geteuid() != 0)
        return BV_OK;
    BV_TRY(find_owner(w->install->user, &owner, w->problem));
    if (users_can_enter(w->dir, &owner))
        return BV_OK;
    return bad(w, BV_E_REFUSED,
               "%s, as whom the database is worked on, cannot reach %s: a "
               "folder above is closed to it; choose another --dir, or --user "
               "root and have fewer walls",
               w->install->user != NULL ? w->install->user
                                        : table_row(PROC_CORE)->user,
               w->install->dir);
}

/* What core writes belongs to core's user. */
enum bv_err
install_give_away(const char *dir, const char *user,
                  char problem[INSTALL_PROBLEM_MAX])
{
    static const char *const dirs[] = {"db", "crl", "tls"};
    const struct work w = {.problem = problem};
    if (geteuid() != 0)
        return BV_OK;
    BV_TRY(find_owner(user, &new_owner, problem));
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
        char path[CONFIG_PATH_MAX + 8];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, dirs[i]);
        if (nftw(path, give_one, 16, FTW_PHYS) != 0)
            return bad(&w, BV_E_IO, "%s: %s", path, strerror(errno));
    }
    return BV_OK;
}

/* --- the directory --- */

static enum bv_err
make_directories(const struct work *w)
{
    static const struct {
        const char *name;
        mode_t mode;
    } all[] = {{"ca", 0755},  {"tls", 0700}, {"db", 0700},
               {"crl", 0755}, {"run", 0755}, {"trust", 0755}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        char path[CONFIG_PATH_MAX + 8];
        (void)snprintf(path, sizeof(path), "%s/%s", w->dir, all[i].name);
        if (mkdir(path, 0700) < 0 || chmod(path, all[i].mode) < 0)
            return bad(w, BV_E_IO, "%s: %s", path, strerror(errno));
    }
    return BV_OK;
}

static bool
is_free(const char *dir)
{
    DIR *d = opendir(dir);
    if (d == NULL)
        return errno == ENOENT;
    unsigned num = 0;
    while (readdir(d) != NULL)
        num++;
    (void)closedir(d);
    return num <= 2; /* "." and ".." */
}

static enum bv_err
begin(struct work *w)
{
    const char *dir = w->install->dir;
    errno = 0;
    if (!is_free(dir) && errno != 0)
        return bad(w, BV_E_IO, "%s: %s; nothing was changed", dir,
                   strerror(errno));
    if (!is_free(dir))
        return bad(w, BV_E_CONFLICT,
                   "%s is there already and is not empty; nothing was changed",
                   dir);
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    int n = snprintf(w->dir, sizeof(w->dir), "%.*s.new-XXXXXX", (int)len, dir);
    if (n < 0 || (size_t)n >= sizeof(w->dir) - 64)
        return bad(w, BV_E_TOO_LARGE, "%s is too long a path", dir);
    if (mkdtemp(w->dir) == NULL) {
        enum bv_err err = bad(w, BV_E_IO, "%s: %s", w->dir, strerror(errno));
        w->dir[0] = '\0';
        return err;
    }
    if (chmod(w->dir, 0755) < 0)
        return bad(w, BV_E_IO, "%s: %s", w->dir, strerror(errno));
    BV_TRY(check_owner(w));
    return make_directories(w);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void
remove_all(const char *dir)
{
    if (dir[0] != '\0')
        (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- all --- */

static enum bv_err
finish(const struct work *w)
{
    bv_auto_close int fd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0 || rename(w->dir, w->install->dir) < 0)
        return bad(w, BV_E_IO, "%s: %s", w->install->dir, strerror(errno));
    return BV_OK;
}

static enum bv_err
make_secret(const struct work *w)
{
    uint8_t buf[INSTALL_SECRET_MAX + 1];
    struct sink text = SINK_ARRAY(buf);
    if (!w->install->write_secret)
        return BV_OK;
    sink_str(&text, w->install->secret);
    sink_str(&text, "\n");
    enum bv_err err = put_file(w, "passphrase", 0600, &text);
    explicit_bzero(buf, sizeof(buf));
    return err;
}

static enum bv_err
make_all(struct work *w)
{
    BV_TRY(begin(w));
    BV_TRY(make_secret(w));
    BV_TRY(make_config(w));
    BV_TRY(make_log_key(w));
    if (w->install->external_root) {
        BV_TRY(make_request(w));
    } else {
        BV_TRY(take_serials(w));
        BV_TRY(make_root(w));
        BV_TRY(make_issuing(w));
        BV_TRY(install_first_run(w->dir, &w->keys, span_str(w->install->secret),
                                 w->problem));
    }
    BV_TRY(install_give_away(w->dir, w->install->user, w->problem));
    return finish(w);
}

enum bv_err
install_make(const struct install *install,
             char ret_problem[INSTALL_PROBLEM_MAX])
{
    struct work w = {.install = install, .problem = ret_problem};
    ret_problem[0] = '\0';
    install_url(install, w.url);
    enum bv_err err = make_all(&w);
    key_free(w.keys.root);
    key_free(w.keys.ca);
    key_free(w.keys.log);
    if (err == BV_OK)
        return BV_OK;
    remove_all(w.dir);
    if (ret_problem[0] == '\0')
        (void)snprintf(ret_problem, INSTALL_PROBLEM_MAX, "%s", err_text(err));
    return err;
}

void
install_url(const struct install *install, char ret_url[CORE_URL_MAX])
{
    ret_url[0] = '\0';
    if (install->num_http == 0)
        return;
    const char *host = install->hosts[0];
    const char *colon = strrchr(install->http[0], ':');
    const char *port = colon != NULL ? colon + 1 : "80";
    bool v6 = strchr(host, ':') != NULL;
    bool usual = strcmp(port, "80") == 0;
    (void)snprintf(ret_url, CORE_URL_MAX, "http://%s%s%s%s%s", v6 ? "[" : "",
                   host, v6 ? "]" : "", usual ? "" : ":", usual ? "" : port);
}
