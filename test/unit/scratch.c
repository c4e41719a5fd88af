#include "scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

enum { PATH_SIZE = 512, LIST_MAX = 64 * 1024 };

void scratch_make(char path[64])
{
    (void)snprintf(path, 64, "/tmp/weir-test-XXXXXX");
    check(mkdtemp(path) != NULL);
}

static void path_of(char out[PATH_SIZE], const char *path, const char *name)
{
    check(snprintf(out, PATH_SIZE, "%s/%s", path, name) < PATH_SIZE);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Calls `visit` for each file that ends so, by name. */
static unsigned
each(const char *path, const char *ending,
     void (*visit)(const char *path, const char *name, void *ctx), void *ctx)
{
    struct dirent **found;
    int n = scandir(path, &found, NULL, by_name);
    unsigned count = 0;

    check(n >= 0);
    for (int i = 0; i < n; i++) {
        struct str name = str_of(found[i]->d_name);

        if (name.ptr[0] != '.' && str_ends(name, str_of(ending))) {
            visit(path, found[i]->d_name, ctx);
            count++;
        }
        free(found[i]);
    }
    free(found);
    return count;
}

static void visit_none(const char *path, const char *name, void *ctx)
{
    (void)path, (void)name, (void)ctx;
}

static void visit_list(const char *path, const char *name, void *ctx)
{
    (void)path;
    buf_put(ctx, str_of(name));
    buf_put_char(ctx, '\n');
}

static void visit_remove(const char *path, const char *name, void *ctx)
{
    char whole[PATH_SIZE];

    (void)ctx;
    path_of(whole, path, name);
    check(unlink(whole) == 0 || rmdir(whole) == 0);
}

void scratch_remove(const char *path)
{
    (void)each(path, "", visit_remove, NULL);
    check(rmdir(path) == 0);
}

struct str scratch_list(const char *path, const char *ending, struct buf *out)
{
    buf_init(out, LIST_MAX);
    (void)each(path, ending, visit_list, out);
    return buf_str(out);
}

unsigned scratch_count(const char *path, const char *ending)
{
    return each(path, ending, visit_none, NULL);
}

void scratch_read(const char *path, const char *name, struct buf *out)
{
    char whole[PATH_SIZE], bytes[4096];
    FILE *file;
    size_t n;

    path_of(whole, path, name);
    file = fopen(whole, "rb");
    check(file != NULL);
    buf_init(out, SIZE_MAX);
    while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
        buf_put(out, (struct str){bytes, n});
    check(fclose(file) == 0);
}

void scratch_write(const char *path, const char *name, struct str bytes)
{
    char whole[PATH_SIZE];
    FILE *file;

    path_of(whole, path, name);
    file = fopen(whole, "wb");
    check(file != NULL);
    check(bytes.len == 0 || fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len);
    check(fclose(file) == 0);
}
