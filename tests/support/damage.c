/* tests/support/damage.c - FILE flip OFFSET BIT | FILE cut LENGTH: change a file in place. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[2], "cut") == 0)
        return truncate(argv[1], atol(argv[3])) != 0;
    if (argc != 5 || strcmp(argv[2], "flip") != 0)
        return 2;
    FILE *f = fopen(argv[1], "r+b");
    if (f == NULL || fseek(f, atol(argv[3]), SEEK_SET) != 0)
        return 1;
    int c = fgetc(f);
    if (c == EOF || fseek(f, -1, SEEK_CUR) != 0 || fputc(c ^ (1 << atoi(argv[4])), f) == EOF)
        return 1;
    return fclose(f) != 0;
}
