/* Runs one fuzzer over the files of its corpus, without libFuzzer: so that
 * what was found once is looked at with every compiler and each test run. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static int replay(const char *folder, const char *name)
{
    static uint8_t bytes[1 << 20];
    char path[512];
    size_t len;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return EXIT_FAILURE;
    }
    len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    /* of its own, so that the sanitizers see reading behind its end */
    {
        uint8_t *input = malloc(len + 1);

        if (input == NULL)
            return EXIT_FAILURE;
        memcpy(input, bytes, len);
        input = realloc(input, len > 0 ? len : 1);
        if (input == NULL)
            return EXIT_FAILURE;
        (void)LLVMFuzzerTestOneInput(input, len);
        free(input);
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    struct dirent *entry;
    DIR *dir;

    (void)LLVMFuzzerInitialize(&argc, &argv);
    if (argc != 2 || (dir = opendir(argv[1])) == NULL) {
        fputs("usage: replay <folder>\n", stderr);
        return EXIT_FAILURE;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        if (replay(argv[1], entry->d_name) != EXIT_SUCCESS)
            return EXIT_FAILURE;
        count++;
    }
    closedir(dir);
    printf("%u inputs\n", count);
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
