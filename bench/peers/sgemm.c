/* SPDX-License-Identifier: MIT */
#include "sgemm.h"

#include <dlfcn.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

const char *const peer_names[PEERS] = {"openblas", "blis", "onednn"};

static const char *const files[PEERS] = {"libopenblas.so.0", "libblis.so.4", "libdnnl.so.2"};

typedef void cblas_sgemm_fn(int order, int ta, int tb, int M, int N, int K, float alpha, const float *A, int lda,
                            const float *B, int ldb, float beta, float *C, int ldc);
typedef int dnnl_sgemm_fn(char ta, char tb, int64_t M, int64_t N, int64_t K, float alpha, const float *A, int64_t lda,
                          const float *B, int64_t ldb, float beta, float *C, int64_t ldc);

static struct {
    void *library;
    cblas_sgemm_fn *cblas;
    dnnl_sgemm_fn *dnnl;
} peers[PEERS];

/* A function of a library as a pointer of the caller's type. */
static bool find(enum peer p, const char *name, void *function)
{
    void *at = dlsym(peers[p].library, name);

    memcpy(function, &at, sizeof at);
    return at;
}

bool peer_open(enum peer p)
{
    peers[p].library = dlopen(files[p], RTLD_NOW | RTLD_LOCAL);
    if (!peers[p].library)
        return false;
    return p == PEER_ONEDNN ? find(p, "dnnl_sgemm", &peers[p].dnnl) : find(p, "cblas_sgemm", &peers[p].cblas);
}

void peer_version(enum peer p, char *text, size_t size)
{
    const char *(*tell)(void);

    snprintf(text, size, "?");
    if (p == PEER_OPENBLAS && find(p, "openblas_get_config", &tell))
        snprintf(text, size, "%s", tell());
    if (p == PEER_BLIS && find(p, "bli_info_get_version_str", &tell))
        snprintf(text, size, "%s", tell());
    if (p == PEER_ONEDNN) {
        const struct {
            int major, minor, patch;
        } * v, *(*version)(void);

        if (find(p, "dnnl_version", &version) && (v = version()))
            snprintf(text, size, "%d.%d.%d", v->major, v->minor, v->patch);
    }
}

void peer_threads(enum peer p, int threads)
{
    void (*openblas)(int);
    void (*blis)(int64_t);

    omp_set_num_threads(threads);
    if (p == PEER_OPENBLAS && find(p, "openblas_set_num_threads", &openblas))
        openblas(threads);
    if (p == PEER_BLIS && find(p, "bli_thread_set_num_threads", &blis))
        blis(threads);
}

void peer_sgemm(enum peer p, bool ta, bool tb, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *B,
                size_t ldb, float *C, size_t ldc)
{
    enum { ROW_MAJOR = 101, AS_IT_IS = 111, TRANSPOSED = 112 };

    if (p == PEER_ONEDNN)
        peers[p].dnnl(ta ? 'T' : 'N', tb ? 'T' : 'N', (int64_t)M, (int64_t)N, (int64_t)K, 1.0f, A, (int64_t)lda, B,
                      (int64_t)ldb, 0.0f, C, (int64_t)ldc);
    else
        peers[p].cblas(ROW_MAJOR, ta ? TRANSPOSED : AS_IT_IS, tb ? TRANSPOSED : AS_IT_IS, (int)M, (int)N, (int)K, 1.0f,
                       A, (int)lda, B, (int)ldb, 0.0f, C, (int)ldc);
}
