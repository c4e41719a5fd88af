#include "mock_texts.h"

#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "check.h"

enum { TEXT_MAX = 64 * 1024 };

static struct str read_file(const char *folder, const char *name,
                            const char *part)
{
    char path[4096];
    char *text = must_alloc(TEXT_MAX);
    FILE *file;
    size_t len;

    (void)snprintf(path, sizeof(path), "%s/%s.%s", folder, name, part);
    file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    len = fread(text, 1, TEXT_MAX, file);
    check(len > 0 && len < TEXT_MAX);
    (void)fclose(file);
    return (struct str){text, len};
}

static void put_chunk(struct buf *buf, struct str text)
{
    buf_printf(buf, "%zx\r\n", text.len);
    buf_put(buf, text);
    buf_put(buf, STR("\r\n"));
}

void mock_texts_read(struct mock_texts *texts, const char *folder,
                     const char *name)
{
    struct str whole = read_file(folder, name, "whole");
    struct buf bufs[4]; /* kept as long as the process */

    for (size_t i = 0; i < COUNT_OF(bufs); i++)
        buf_init(&bufs[i], 4 * TEXT_MAX);
    buf_printf(&bufs[0],
               "HTTP/1.1 200 OK\r\nServer: mock\r\nContent-Type: "
               "application/json\r\nContent-Length: %zu\r\n\r\n",
               whole.len);
    buf_put(&bufs[0], whole);
    buf_put(&bufs[1],
            STR("HTTP/1.1 200 OK\r\nServer: mock\r\nContent-Type: "
                "text/event-stream; charset=utf-8\r\nTransfer-Encoding: "
                "chunked\r\n\r\n"));
    put_chunk(&bufs[1], read_file(folder, name, "first"));
    put_chunk(&bufs[2], read_file(folder, name, "event"));
    put_chunk(&bufs[3], read_file(folder, name, "last"));
    buf_put(&bufs[3], STR("0\r\n\r\n"));
    *texts = (struct mock_texts){
        .whole = buf_str(&bufs[0]),
        .stream_head = buf_str(&bufs[1]),
        .stream_event = buf_str(&bufs[2]),
        .stream_end = buf_str(&bufs[3]),
    };
}
