/* mpi/internal/scalapack.h - the BLACS and ScaLAPACK routines in use (they bring no C header).
 *
 * BLACS: C interface.  ScaLAPACK: Fortran symbols; the length of each character argument follows
 * the others, as gfortran passes it.
 *
 * Layer: mpi, private.
 */
#ifndef UB_MPI_INTERNAL_SCALAPACK_H
#define UB_MPI_INTERNAL_SCALAPACK_H

#include <mpi.h>
#include <stddef.h>

/* A BLACS handle of a communicator, and its release. */
int  Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
/* *context: handle in, grid context out (-1 on ranks outside the grid).  Collective over comm. */
void Cblacs_gridinit(int *context, const char *order, int rows, int cols);
void Cblacs_gridinfo(int context, int *rows, int *cols, int *my_row, int *my_col);
void Cblacs_gridexit(int context);

/* How many of n rows or columns in blocks of nb process `me` of `count` holds. */
int numroc_(const int *n, const int *nb, const int *me, const int *source, const int *count);
/* Descriptor (9 integers) of an m x n matrix in blocks of mb x nb. */
void descinit_(int *desc, const int *m, const int *n, const int *mb, const int *nb,
               const int *row_source, const int *col_source, const int *context, const int *leading,
               int *info);
/* Cholesky factor, and from it the inverse, of a(ia:ia+n-1, ja:ja+n-1). */
void pdpotrf_(const char *uplo, const int *n, double *a, const int *ia, const int *ja,
              const int *desc, int *info, size_t uplo_length);
void pdpotri_(const char *uplo, const int *n, double *a, const int *ia, const int *ja,
              const int *desc, int *info, size_t uplo_length);

#endif /* UB_MPI_INTERNAL_SCALAPACK_H */
