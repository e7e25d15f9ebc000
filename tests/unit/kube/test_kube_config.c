#include "kube/kube_config.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(kube_config, .timeout = 10);

#define CONTEXT                                                                                    \
    "current-context: c\n"                                                                         \
    "contexts:\n"                                                                                  \
    "- name: other\n"                                                                              \
    "  context: {cluster: x, user: x}\n"                                                           \
    "- name: c\n"                                                                                  \
    "  context: {cluster: k, user: u, namespace: argo}\n"
#define CLUSTER                                                                                    \
    "clusters:\n"                                                                                  \
    "- name: k\n"                                                                                  \
    "  cluster:\n"                                                                                 \
    "    server: https://10.0.0.1:6443/\n"                                                         \
    "    certificate-authority-data: Y2VydA==\n"

static enum ps_code parse(const char *text, struct ps_kube_config *config, struct ps_err *err)
{
    return ps_kube_config_parse(config, text, strlen(text), "/k/config", err);
}

Test(kube_config, the_current_context_says_where_and_who)
{
    struct ps_kube_config config = { 0 };
    struct ps_err err;

    cr_assert_eq(parse(CONTEXT CLUSTER "users:\n- name: u\n  user: {token: abc, tokenFile: t}\n",
                       &config, &err),
                 PS_OK, "%s", err.message);

    cr_expect_str_eq(config.server, "https://10.0.0.1:6443");
    cr_expect_str_eq(config.ns, "argo");
    cr_expect_str_eq(config.ca_pem, "cert");
    cr_expect_str_eq(config.token_file, "/k/t"); /* a file wins over a token, as in client-go */
    cr_expect_null(config.token);
    ps_kube_config_clear(&config);
}

Test(kube_config, a_client_certificate_may_stand_there)
{
    struct ps_kube_config config = { 0 };
    struct ps_err err;

    cr_assert_eq(parse(CONTEXT CLUSTER "users:\n- name: u\n  user: {client-certificate-data: YQ==, "
                                       "client-key-data: Yg==}\n",
                       &config, &err),
                 PS_OK, "%s", err.message);

    cr_expect_str_eq(config.client_cert_pem, "a");
    cr_expect_str_eq(config.client_key_pem, "b");
    ps_kube_config_clear(&config);
}

Test(kube_config, what_it_cannot_do_is_said)
{
    static const struct {
        const char *text;
        const char *says;
    } rows[] = {
        { "", "no current-context" },
        { "current-context: d\n" CLUSTER, "no current-context" },
        { CONTEXT, "has no server" },
        { CONTEXT "clusters:\n- name: k\n  cluster: {server: 'https://x', "
                  "insecure-skip-tls-verify: true}\n",
          "certificate authority" },
        { CONTEXT CLUSTER "users:\n- name: u\n  user: {exec: {command: aws}}\n", "by a program" },
        { CONTEXT "clusters:\n- name: k\n  cluster: {server: 'https://x', "
                  "certificate-authority-data: '***'}\n",
          "no base64" },
        { "a: [", "/k/config:" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct ps_kube_config config = { 0 };
        struct ps_err err = { 0 };

        cr_expect_eq(parse(rows[i].text, &config, &err), PS_E_INVALID, "%s", rows[i].text);
        cr_expect_not_null(strstr(err.message, rows[i].says), "%s", err.message);
        cr_expect_null(config.server);
    }
}
