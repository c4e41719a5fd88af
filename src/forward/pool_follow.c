#include "inherit.h"
#include "pool_private.h"

#include <stdlib.h>

/* The same server in the other catalog, if connections may stay. */
static struct replica *heir_of(const struct catalog *catalog,
                               const struct replica *replica)
{
    struct replica *heir = inherit_find(catalog, replica);

    return heir != NULL && inherit_connections(replica, heir) ? heir : NULL;
}

static void hand_on(struct conn *conn, struct replica *heir)
{
    (void)catalog_ref(heir->backend->catalog);
    catalog_unref(conn->replica->backend->catalog);
    conn->replica = heir;
}

/* What waits on the old shelf goes to the new one. */
static void move_shelf(struct pool *pool, struct pool_shelf *from,
                       struct replica *heir)
{
    struct pool_shelf *to = &pool->shelves[heir->index];

    while (!list_empty(&from->idle)) {
        struct conn *conn = list_entry(from->idle.next, struct conn, link);

        list_remove(&conn->link);
        list_push_back(&to->idle, &conn->link);
        to->count++;
        hand_on(conn, heir);
    }
    if (to->session == NULL) {
        to->session = from->session;
        from->session = NULL;
    }
}

void pool_follow(struct pool *pool, struct catalog *catalog)
{
    struct catalog *was = pool->catalog;
    struct pool_shelf *shelves = pool->shelves;
    unsigned count = pool->shelf_count;

    for (unsigned i = 0; i < count; i++)
        if (heir_of(catalog, shelves[i].replica) == NULL)
            pool_close_shelf(&shelves[i]);
    pool_serve_catalog(pool, catalog);
    for (unsigned i = 0; i < count; i++) {
        struct replica *heir = heir_of(catalog, shelves[i].replica);

        if (heir != NULL)
            move_shelf(pool, &shelves[i], heir);
        SSL_SESSION_free(shelves[i].session);
    }
    list_each_safe (link, &pool->used) {
        struct conn *conn = list_entry(link, struct conn, link);
        struct replica *heir = heir_of(catalog, conn->replica);

        if (heir != NULL)
            hand_on(conn, heir);
    }
    free(shelves);
    catalog_unref(was);
}
