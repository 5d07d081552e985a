// Rows out of tables, and into their overlays.
#include <cstdint>
#include <limits>
#include <span>

#include "c_api/border.h"

namespace hps::c_api {
namespace {

// The whole of [0, (count - 1) * stride] in bytes must be a distance between two pointers.
void check_extent(std::uint64_t count, std::uint64_t stride_bytes, const char* what) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::ptrdiff_t>::max());
  if (count > 1 && stride_bytes > kMost / count) {
    fail(ErrorCode::kInvalidArgument, "count ", count, " times ", what, " of ", stride_bytes,
         " bytes does not fit in memory");
  }
}

std::uint64_t magnitude(std::int64_t value) noexcept {
  const auto bits = static_cast<std::uint64_t>(value);
  return value < 0 ? 0 - bits : bits;
}

DataType key_type_of(std::int32_t value) {
  const auto type = static_cast<DataType>(value);
  if (!is_id_type(type)) {
    fail(ErrorCode::kInvalidArgument, "key_type is ", value, "; HPS_INT32 (6) or HPS_INT64 (7)");
  }
  return type;
}

DataType out_type_of(std::int32_t value) {
  const auto type = static_cast<DataType>(value);
  if (!is_output_type(type)) {
    fail(ErrorCode::kInvalidArgument, "out_type is ", value,
         "; HPS_FLOAT32 (1), HPS_FLOAT16 (10) or HPS_BFLOAT16 (16)");
  }
  return type;
}

KeyView keys_of(const hps_lookup_args& args, std::uint64_t rows) {
  KeyView keys;
  keys.type = key_type_of(args.key_type);
  if (args.key_stride == 0) {
    fail(ErrorCode::kInvalidArgument, "key_stride is 0; set 1 for a contiguous array");
  }
  if (args.index_mode != 0 && args.index_mode != 1) {
    fail(ErrorCode::kInvalidArgument, "index_mode is ", args.index_mode, "; 0 or 1");
  }
  const std::uint64_t width = element_size(keys.type);
  const std::uint64_t step = magnitude(args.key_stride);
  if (step > std::numeric_limits<std::uint64_t>::max() / width) {
    fail(ErrorCode::kInvalidArgument, "key_stride ", args.key_stride, " does not fit in memory");
  }
  check_extent(args.count, step * width, "key_stride");
  keys.data = args.keys;
  keys.count = args.count;
  keys.stride = args.key_stride;
  keys.wrap_rows = args.index_mode == 1 ? static_cast<std::int64_t>(rows) : 0;
  return keys;
}

RowsOut rows_of(const hps_lookup_args& args, std::uint64_t row_bytes) {
  if (args.out_stride < row_bytes) {
    fail(ErrorCode::kInvalidArgument, "out_stride is ", args.out_stride, " bytes, and a row has ",
         row_bytes);
  }
  check_extent(args.count, args.out_stride, "out_stride");
  return {static_cast<std::byte*>(args.out), args.out_stride};
}

// Grows only: a thread allocates at its first batches with unknown keys and never again.
Missing& missing_of_this_thread() {
  thread_local Missing missing;
  missing.clear();
  return missing;
}

void lookup(hps_handle handle, const char* model, const char* table, hps_lookup_args* given) {
  const auto args = read_struct(given, "args", offsetof(hps_lookup_args, unresolved));
  const OpenTable open = open_table_of(handle, model, table);
  const DataType type = out_type_of(args.out_type);
  const KeyView keys = keys_of(args, open.table->rows());
  const std::uint32_t dim = open.table->config().dim;
  if (args.dim != 0 && args.dim != dim) {
    fail(ErrorCode::kInvalidArgument, "rows of ", args.dim, " elements are expected, and table '",
         table, "' has ", dim, "; ask hps_get_table_info again after a reload");
  }
  const RowsOut out = rows_of(args, dim * element_size(type));
  Missing& missing = missing_of_this_thread();
  if (args.count > 0) {
    need(args.keys, "args->keys");
    need(args.out, "args->out");
    open.table->lookup_with(open.version->helpers.get(), keys, out, type, missing);
    if (args.unresolved != nullptr) {
      std::memset(args.unresolved, 0, args.count);
      for (const std::uint32_t position : missing) args.unresolved[position] = 1;
    }
  }
  if (args.struct_size >= offsetof(hps_lookup_args, dim)) given->defaults = missing.size();
}

std::span<const Key> keys_of(const std::int64_t* keys, std::uint64_t count) {
  if (count > 0) need(keys, "keys");
  check_extent(count, sizeof(Key), "keys");
  if (reinterpret_cast<std::uintptr_t>(keys) % alignof(Key) != 0) {
    fail(ErrorCode::kInvalidArgument, "keys lie at an address that is no multiple of ",
         alignof(Key), ", their size; copy them to one");
  }
  return {keys, count};
}

void put(const OpenTable& open, std::span<const Key> keys, const void* rows,
         std::uint64_t row_bytes) {
  Store& store = open.table->store();
  const std::uint64_t expected = store.shape().row_bytes();
  if (row_bytes != expected) {
    fail(ErrorCode::kInvalidArgument, "row_bytes is ", row_bytes, ", and a row of table '",
         open.table->config().name, "' (", open.table->config().dim, " x ",
         name_of(open.table->config().type), ") has ", expected);
  }
  check_extent(keys.size(), row_bytes, "row_bytes");
  if (keys.empty()) return;
  need(rows, "rows");
  store.put(keys, {static_cast<const std::byte*>(rows), keys.size() * row_bytes});
}

}  // namespace
}  // namespace hps::c_api

using namespace hps::c_api;

int hps_lookup(hps_handle handle, const char* model, const char* table, hps_lookup_args* args) {
  return run([&] { lookup(handle, model, table, args); });
}

int hps_put(hps_handle handle, const char* model, const char* table, const int64_t* keys,
            uint64_t count, const void* rows, uint64_t row_bytes) {
  return run(
      [&] { put(open_table_of(handle, model, table), keys_of(keys, count), rows, row_bytes); });
}

int hps_erase(hps_handle handle, const char* model, const char* table, const int64_t* keys,
              uint64_t count) {
  return run([&] {
    const OpenTable open = open_table_of(handle, model, table);
    const auto forgotten = keys_of(keys, count);
    if (!forgotten.empty()) open.table->store().erase(forgotten);
  });
}
