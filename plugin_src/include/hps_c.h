/* C API of libhps_plugin.so: lookups without a graph, administration, metrics.
 *
 * Every function returns HPS_OK or an HPS_ERROR_* value and never throws, aborts or exits; after a
 * failure hps_last_error() on the same thread says what, where and how to mend it. All functions
 * are thread-safe. Pointers are host pointers. Structures start with `struct_size`: set it to
 * sizeof(the structure); fields beyond it are taken as 0, so old callers keep working.
 */
#ifndef HPS_C_H_
#define HPS_C_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

#define HPS_API_VERSION 1

enum {
  HPS_OK = 0,
  HPS_ERROR_INVALID_ARGUMENT = 1,
  HPS_ERROR_NOT_FOUND = 2,
  HPS_ERROR_CONFIG = 3,
  HPS_ERROR_TABLE = 4,
  HPS_ERROR_IO = 5,
  HPS_ERROR_UNSUPPORTED = 6,
  HPS_ERROR_UNKNOWN_KEY = 7,
  HPS_ERROR_FORKED = 8,
  HPS_ERROR_CANCELLED = 9,
  HPS_ERROR_OUT_OF_MEMORY = 10,
  HPS_ERROR_INTERNAL = 11
};

/* Element types; the values are ONNX's TensorProto.DataType. */
enum {
  HPS_FLOAT32 = 1,
  HPS_INT8 = 3, /* rows of a table only */
  HPS_INT32 = 6,
  HPS_INT64 = 7,
  HPS_FLOAT16 = 10,
  HPS_BFLOAT16 = 16
};

/* An opened configuration. 0 is never a valid handle; handles are not reused. */
typedef uint64_t hps_handle;

/* Called on the opening thread while a table is read. Return non-zero to cancel. It must not open
 * or reload: it would wait for itself. */
typedef int (*hps_progress)(void* user, const char* table, uint64_t done_bytes,
                            uint64_t total_bytes);

typedef struct hps_open_options {
  size_t struct_size;
  hps_progress progress; /* may be NULL */
  void* progress_user;
} hps_open_options;

/* Opens an hps.json or ps.json. A path that is open already shares its tables. The file name may be
 * relative to the working directory; paths inside it are relative to the file. `options` may be
 * NULL. */
int hps_open(const char* config_file, const hps_open_options* options, hps_handle* handle);

/* Calls in flight finish; the tables are freed by the last holder (a handle, a session, an engine).
 */
int hps_close(hps_handle handle);

/* Reads the file again and swaps the tables under running lookups; what hps_put and hps_erase
 * changed is dropped. On failure the old ones stay. It is a failure when the path given to hps_open
 * leads to another file by now, and when the file holds another bundle: open that one beside this
 * one. */
int hps_reload(hps_handle handle, const hps_open_options* options);

typedef struct hps_table_info {
  size_t struct_size;
  uint64_t rows;    /* of the table's files */
  uint32_t dim;     /* elements per row */
  int32_t row_type; /* HPS_FLOAT32, HPS_FLOAT16, HPS_BFLOAT16 or HPS_INT8 */
  int32_t dense;    /* 1: keys are 0..rows-1 */
} hps_table_info;

int hps_get_table_info(hps_handle handle, const char* model, const char* table,
                       hps_table_info* info);

typedef struct hps_lookup_args {
  size_t struct_size;
  const void* keys; /* `count` ids of `key_type`, `key_stride` elements apart, at any address */
  int32_t key_type; /* HPS_INT32 or HPS_INT64 */
  int32_t out_type; /* HPS_FLOAT32, HPS_FLOAT16 or HPS_BFLOAT16 */
  uint64_t count;
  int64_t key_stride;  /* in elements; 1 for a contiguous array; may be negative, not 0 */
  void* out;           /* row i starts at out + i * out_stride */
  uint64_t out_stride; /* in bytes; at least dim * element size */
  int32_t index_mode;  /* 0: every id is a key. 1: -rows..-1 count from the end, as ONNX's Gather */
  uint8_t* unresolved; /* may be NULL; count bytes: 1 where no tier held the key, else 0 */
  uint64_t defaults;   /* set on return: how many keys got the default vector */
  uint32_t dim;        /* 0, or what `out` was made for: a table of another dimension is an error */
} hps_lookup_args;

/* Writes one row per key: the stored row, or the default vector for a key that no tier holds. */
int hps_lookup(hps_handle handle, const char* model, const char* table, hps_lookup_args* args);

/* Inserts or replaces rows (in the table's own type; an int8 row is dim bytes and its fp32 scale),
 * and forgets keys. Changes live in an overlay in memory: table files are never written. */
int hps_put(hps_handle handle, const char* model, const char* table, const int64_t* keys,
            uint64_t count, const void* rows, uint64_t row_bytes);
int hps_erase(hps_handle handle, const char* model, const char* table, const int64_t* keys,
              uint64_t count);

/* Text results are NUL-terminated UTF-8, owned by the caller: hps_free.
 *
 * hps_statistics: {"version": a number that every reload raises, "file", "bundle_id" ("" without),
 *   "models": [{"name", "tables": [{"name", "rows" (of the files), "dim", "type": "fp32" | "fp16" |
 *   "bf16" | "int8", "keys": "dense" | "hashed", "memory": "mapped" | "copied" | "huge",
 *   "keys_held" (with the overlay), "overlay_rows" (keys put or erased), "lookups" (calls),
 *   "keys_looked_up", "defaults" (keys answered with the default vector), "failures" (calls that
 *   failed)}]}]}. Counts are of this process, since the tables were loaded. */
int hps_statistics(hps_handle handle, char** json);
int hps_config_check(const char* config_file, char** json); /* the parsed file, and notices */
void hps_free(char* text);

/* Checks attributes of an HPS_TRT node given as a JSON object {"name": "text" | [ints]} and returns
 * them normalised; `version` is 1 or 2. For tools and for the operator's contract test. */
int hps_node_check(int version, const char* attributes_json, char** json);

/* The calling thread's last failure, one line; "" when none. Valid until its next failing call. */
const char* hps_last_error(void);

/* "0.1.0"; and HPS_API_VERSION of the library. */
const char* hps_version(void);
int hps_api_version(void);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* HPS_C_H_ */
