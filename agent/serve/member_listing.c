#include "serve/member_listing.h"

#include "base/encode.h"
#include "base/str.h"
#include "serve/json_text.h"
#include "serve/listing.h"

#include <stdlib.h>
#include <string.h>

struct ps_member_listing {
    bool json;
    char *title;
    char *query;
    uint64_t count;
    bool begun;
};

enum ps_code ps_member_listing_new(struct ps_member_listing **listing_out, bool json,
                                   const char *title, const char *query, struct ps_err *err)
{
    struct ps_member_listing *listing = calloc(1, sizeof(*listing));

    if (listing != NULL) {
        listing->json = json;
        listing->title = ps_strdup(title);
        listing->query = ps_strdup(query);
    }
    if (listing == NULL || listing->title == NULL || listing->query == NULL) {
        ps_member_listing_free(listing);
        return ps_err_set(err, PS_E_NO_MEMORY, "out of memory");
    }
    *listing_out = listing;
    return PS_OK;
}

void ps_member_listing_free(struct ps_member_listing *listing)
{
    if (listing != NULL) {
        free(listing->title);
        free(listing->query);
        free(listing);
    }
}

static const char *kind_name(enum ps_member_kind kind)
{
    switch (kind) {
    case PS_MEMBER_FILE:
        return "file";
    case PS_MEMBER_DIRECTORY:
        return "directory";
    case PS_MEMBER_LINK:
        return "link";
    case PS_MEMBER_OTHER:
        break;
    }
    return "other";
}

/* --- JSON --- */

static enum ps_code append_json(struct ps_buf *buf, json_t *json, struct ps_err *err)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    enum ps_code code = text != NULL ? ps_buf_append_str(buf, text, err)
                                     : ps_err_set(err, PS_E_NO_MEMORY, "out of memory");

    free(text);
    json_decref(json);
    return code;
}

static enum ps_code json_head(const struct ps_member_listing *listing, struct ps_buf *buf,
                              struct ps_err *err)
{
    enum ps_code code = ps_buf_append_str(buf, "{\"archive\":", err);

    if (code == PS_OK) {
        code = append_json(buf, ps_json_text(listing->title), err);
    }
    return code == PS_OK ? ps_buf_append_str(buf, ",\"members\":[", err) : code;
}

static enum ps_code json_row(const struct ps_member_listing *listing,
                             const struct ps_member *member, struct ps_buf *buf, struct ps_err *err)
{
    json_t *row =
        json_pack("{s:o, s:s, s:o, s:I, s:o}", "name", ps_json_text(member->name), "kind",
                  kind_name(member->kind), "size_bytes",
                  member->has_size ? json_integer((json_int_t)member->size_bytes) : json_null(),
                  "mtime_unix_s", (json_int_t)member->mtime_unix_s, "target",
                  member->link_target != NULL ? ps_json_text(member->link_target) : json_null());
    enum ps_code code = listing->count > 0 ? ps_buf_append_str(buf, ",", err) : PS_OK;

    if (code != PS_OK) {
        json_decref(row);
        return code;
    }
    return append_json(buf, row, err);
}

/* --- HTML --- */

static enum ps_code html_head(const struct ps_member_listing *listing, struct ps_buf *buf,
                              struct ps_err *err)
{
    enum ps_code code = ps_listing_html_head(buf, listing->title, err);

    return code == PS_OK
               ? ps_buf_append_str(buf,
                                   "<table><thead><tr><th>Member</th><th class=\"n\">Size</th>"
                                   "</tr></thead>\n<tbody>\n",
                                   err)
               : code;
}

static enum ps_code html_link(const struct ps_member_listing *listing, const char *name,
                              struct ps_buf *buf, struct ps_err *err)
{
    enum ps_code code = ps_buf_append_str(buf, "<a href=\"?member=", err);

    if (code == PS_OK) {
        code = ps_uri_encode(buf, name, PS_URI_KEEP_NONE, err);
    }
    return code == PS_OK ? ps_listing_link_end(buf, "&amp;", listing->query, name, err) : code;
}

static enum ps_code html_row(const struct ps_member_listing *listing,
                             const struct ps_member *member, struct ps_buf *buf, struct ps_err *err)
{
    char size[16] = "";
    enum ps_code code = ps_buf_append_str(buf, "<tr><td>", err);

    if (code == PS_OK) {
        code = member->kind == PS_MEMBER_FILE ? html_link(listing, member->name, buf, err)
                                              : ps_html_escape(buf, member->name, err);
    }
    if (code == PS_OK && member->link_target != NULL) {
        code = ps_buf_append_str(buf, " &rarr; ", err);
        if (code == PS_OK) {
            code = ps_html_escape(buf, member->link_target, err);
        }
    }
    if (member->has_size) {
        (void)ps_size_format(member->size_bytes, size, sizeof(size));
    }
    return code == PS_OK
               ? ps_buf_append_format(buf, err, "</td><td class=\"n\">%s</td></tr>\n", size)
               : code;
}

static enum ps_code tail(const struct ps_member_listing *listing, struct ps_buf *buf,
                         struct ps_err *err)
{
    if (listing->json) {
        return ps_buf_append_str(buf, "]}", err);
    }
    return ps_buf_append_format(buf, err, "</tbody></table>\n%s</main></body></html>\n",
                                listing->count == 0 ? "<p>Nothing is in it.</p>\n" : "");
}

enum ps_code ps_member_listing_add(struct ps_member_listing *listing,
                                   const struct ps_member *member, struct ps_buf *buf,
                                   struct ps_err *err)
{
    enum ps_code code = PS_OK;

    if (!listing->begun) {
        listing->begun = true;
        code = listing->json ? json_head(listing, buf, err) : html_head(listing, buf, err);
    }
    if (code != PS_OK || member == NULL) {
        return code == PS_OK ? tail(listing, buf, err) : code;
    }
    code =
        listing->json ? json_row(listing, member, buf, err) : html_row(listing, member, buf, err);
    listing->count++;
    return code;
}
