/* How gradcheck calls a function in a shared library: gradcheck.frameworks.ctypes.wrap(path, forward, backward).

     int f(const gc_array *in, int n_in, gc_array *out, int n_out, const char *attrs_json);

   forward    in: the op's inputs in order.                  out: its outputs in order.
   backward   in: the cotangents, then the op's inputs.      out: one gradient for each input, in order.

   An array with data == NULL is left out: an optional input that is not given, an output or a gradient that there is
   none of. All memory is the caller's and is valid during the call only. `in` is not to be written to; every entry of
   `out` is. Return 0; anything else is reported. C, C++ and, with #[repr(C)], Rust have this struct. */
#ifndef GC_ARRAY_H
#define GC_ARRAY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    GC_FLOAT64 = 1,
    GC_FLOAT32 = 2,
    GC_FLOAT16 = 3,  /* the 16 bits of an IEEE binary16 number */
    GC_BFLOAT16 = 4, /* the upper 16 bits of a float32 */
    GC_INT64 = 5,
    GC_INT32 = 6,
    GC_BOOL = 7 /* a byte that is 0 or 1 */
};

typedef struct gc_array {
    void *data;             /* its first entry; NULL: left out */
    int32_t dtype;          /* one of the above */
    int32_t rank;           /* how many axes; 0 for a single number */
    const int64_t *shape;   /* rank sizes */
    const int64_t *strides; /* rank steps, counted in entries, not bytes */
} gc_array;

/* How many entries an array has. */
static inline int64_t gc_size(const gc_array *a) {
    int64_t size = 1;
    for (int32_t axis = 0; axis < a->rank; axis++) size *= a->shape[axis];
    return size;
}

/* The text of an attribute's value in attrs_json, or NULL. */
static inline const char *gc_value(const char *attrs_json, const char *name) {
    size_t length = strlen(name);
    for (const char *p = attrs_json; (p = strchr(p, '"')) != NULL; p++)
        if (strncmp(p + 1, name, length) == 0 && strncmp(p + 1 + length, "\": ", 3) == 0) return p + length + 4;
    return NULL;
}

/* The numbers of an attribute, such as 4 for "padding": [[1, 2], [0, 0]]; true is 1, false is 0. Writes at most `most`
   of them and gives how many there are: 0 where there is no such attribute, or it is null or a word. */
static inline int gc_numbers(const char *attrs_json, const char *name, double *to, int most) {
    int count = 0, depth = 0;
    for (const char *p = gc_value(attrs_json, name); p != NULL && *p != '\0' && *p != '}' && *p != '"';) {
        char *end = NULL;
        double number = strtod(p, &end);
        if (*p == '[' || *p == ']') {
            depth += *p == '[' ? 1 : -1;
            end = (char *)p + 1;
        } else if (*p == 't' || *p == 'f') {
            number = *p == 't';
            end = (char *)p + (*p == 't' ? 4 : 5);
            if (count++ < most) *to++ = number;
        } else if (end != p) {
            if (count++ < most) *to++ = number;
        } else {
            end = (char *)p + (*p == 'n' ? 4 : 1);
        }
        p = end;
        if (depth == 0) break;
    }
    return count;
}

/* Whether an attribute is a word, such as "first" for "ties". */
static inline int gc_is(const char *attrs_json, const char *name, const char *word) {
    const char *p = gc_value(attrs_json, name);
    size_t length = strlen(word);
    return p != NULL && *p == '"' && strncmp(p + 1, word, length) == 0 && p[1 + length] == '"';
}

#ifdef __cplusplus
}
#endif

#endif
