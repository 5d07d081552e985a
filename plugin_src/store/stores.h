// The stores this build has, and the wrappers around stores.
// Layer: table <- store. A new store is one pair of files, one line here and one line in the
// conformance suite.
#pragma once

#include <memory>

#include "store/store.h"
#include "table/table.h"

namespace hps {

/// Row = key, no hash anywhere. Read-only.
std::unique_ptr<Store> make_dense_store(std::shared_ptr<const TableFiles> files);

/// Any distinct keys, through the table's KeyIndex. Read-only.
std::unique_ptr<Store> make_hashed_store(std::shared_ptr<const TableFiles> files);

/// An in-memory table of its own, for small or changing key sets. Writable.
std::unique_ptr<Store> make_memory_store(RowShape shape);

/// New rows and tombstones over a read-only base, which is never written. Costs a relaxed load
/// per batch while nothing has been changed. Writable.
std::unique_ptr<Store> make_overlay_store(std::shared_ptr<const Store> base);

/// Whichever of the first two suits `files`, under an overlay.
std::unique_ptr<Store> make_table_store(std::shared_ptr<const TableFiles> files);

}  // namespace hps
