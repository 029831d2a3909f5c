/* core/lapack.h - the LAPACK routines in use (Fortran symbols, column-major).
 *
 * Layer: core, private.  Only what is called is declared here.
 */
#ifndef UB_CORE_LAPACK_H
#define UB_CORE_LAPACK_H

/* Cholesky factorisation; *info > 0: that leading minor is not positive definite. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
/* Inverse from the factor of dpotrf_, the same triangle. */
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info);
/* Solve A X = B from the factor of dpotrf_; B is overwritten with X. */
void dpotrs_(const char *uplo, const int *n, const int *nrhs, const double *a, const int *lda,
             double *b, const int *ldb, int *info);
/* Inverse of a triangle, in place. */
void dtrtri_(const char *uplo, const char *diag, const int *n, double *a, const int *lda,
             int *info);
/* Cholesky factorisation with complete pivoting, P' A P = L L' (uplo L); piv (n) is 1-based, *rank
 * counts pivots above tol, work has 2 n.  *info > 0: deficient, *rank says how far it went. */
void dpstrf_(const char *uplo, const int *n, double *a, const int *lda, int *piv, int *rank,
             const double *tol, double *work, int *info);
/* Eigenvalues (ascending, w) and, jobz V, eigenvectors (over a) of a symmetric matrix; lwork >= 3 n
 * - 1. */
void dsyev_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
            double *work, const int *lwork, int *info);
/* Eigenvalues w (n, ascending) and, with jobz V, eigenvectors (over a) of a symmetric matrix by
 * divide and conquer; work 1 + 6 n + 2 n^2, iwork 3 + 5 n. */
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
             double *work, const int *lwork, int *iwork, const int *liwork, int *info);

/* C = alpha A A' + beta C of order n, A n x k (trans "N"), C in rectangular full packed format:
 * n (n + 1) / 2 doubles, at the speed of full storage (Gustavson et al. 2010). */
void dsfrk_(const char *transr, const char *uplo, const char *trans, const int *n, const int *k,
            const double *alpha, const double *a, const int *lda, const double *beta, double *c);
/* The triangle of a matrix out of that format. */
void dtfttr_(const char *transr, const char *uplo, const int *n, const double *arf, double *a,
             const int *lda, int *info);

#endif /* UB_CORE_LAPACK_H */
