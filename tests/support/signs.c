/* tests/support/signs.c - FILE.h5 DATASET...: every number of these datasets becomes its sign, -1
 * or 1: a corpus of discrete variables. */
#include <hdf5.h>
#include <stdlib.h>

static int put_signs(hid_t file, const char *name)
{
    hid_t    set = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(set);
    hssize_t count = H5Sget_simple_extent_npoints(space);
    double  *x = count > 0 ? malloc((size_t)count * sizeof *x) : NULL;
    int failed = x == NULL || H5Dread(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) < 0;
    for (hssize_t i = 0; i < count && !failed; i++)
        x[i] = x[i] < 0 ? -1 : 1;
    failed |= failed || H5Dwrite(set, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, x) < 0;
    free(x);
    H5Sclose(space);
    return failed | (H5Dclose(set) < 0);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    hid_t file = H5Fopen(argv[1], H5F_ACC_RDWR, H5P_DEFAULT);
    int   failed = file < 0;
    for (int i = 2; i < argc && !failed; i++)
        failed = put_signs(file, argv[i]);
    return failed || H5Fclose(file) < 0;
}
