/* api.h - attribute macros and the legend of axis letters used in every declaration.
 *
 *   T  query positions (rows)      S  key positions (columns)     L  layers
 *   H  query heads                 G  key/value heads             d  head dimension
 *   D  model width (residual)      F  feed-forward width          V  vocabulary
 *   M N K  the three sizes of a matrix product, C[M,N] = A[M,K] B[K,N]
 *
 * Views list the outermost axis first; strides count elements. */
#ifndef NEEDLESCOPE_API_H
#define NEEDLESCOPE_API_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

#if defined(__GNUC__)
#define NS_API __attribute__((visibility("default")))
#define NS_MUST_CHECK __attribute__((warn_unused_result))
#define NS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define NS_API
#define NS_MUST_CHECK
#define NS_PRINTF(fmt, args)
#endif

#ifdef __cplusplus
#define NS_BEGIN extern "C" {
#define NS_END }
#else
#define NS_BEGIN
#define NS_END
#endif

NS_BEGIN
/* The library's version, "0.1.0"; a static string. */
NS_API const char *ns_version(void);
NS_END

#endif
