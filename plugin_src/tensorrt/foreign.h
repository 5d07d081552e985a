// TensorRT libraries found in this process, and the calls whose place differs between TensorRT 10
// and 11: they go through raw virtual slots, chosen by the version the library itself reports.
// Layer: base <- tensorrt.
#pragma once

#include <string>
#include <vector>

#include "tensorrt/abi.h"

namespace hps::tensorrt {

/// Which order of virtual functions the registry, the logger and the logger finder have.
enum class Generation {
  kUnknown,  ///< not a release this library knows: none of its virtual functions is called
  kTen,      ///< 10.x
  kEleven,   ///< 11.x, and TensorRT for RTX 1.x
};

/// A TensorRT library of this process. The functions are its own, never those we interpose.
struct Library {
  std::string path;
  int version = 0;  ///< as getInferLibVersion gives it: 101601 is 10.16.1, 10701 is RTX 1.7.1
  Generation generation = Generation::kUnknown;
  void* (*get_registry)() = nullptr;
  void* (*get_logger)() = nullptr;
  void* (*create_runtime)(void* logger, std::int32_t version) = nullptr;
};

/// Everything named libnvinfer.so*, libnvinfer_lean.so* or libtensorrt_rtx.so* that is loaded now.
/// Looks at the list of loaded objects only: opens no file. Empty when TensorRT is absent.
std::vector<Library> loaded_libraries();

/// The TensorRT that the code at `address` is linked to (or is), if any: with two releases in one
/// process the one that the caller means. `found.get_registry` is null when there is none.
Library library_of(const void* address);

/// Registers in namespace "". False when the registry refuses. `registry` is of that generation.
bool register_creator(Generation generation, void* registry,
                      nvinfer1::IPluginCreatorInterface& creator);
bool deregister_creator(Generation generation, void* registry,
                        nvinfer1::IPluginCreatorInterface& creator);
/// Whether that very creator is listed. Asked of the list: getCreator logs an error for every
/// creator it does not find, and still finds those of a deregistered library (seen in 10.16
/// and 11.4), which to deregister once more corrupts the registry.
bool holds_creator(Generation generation, void* registry,
                   const nvinfer1::IPluginCreatorInterface& creator);

/// ILoggerFinder::findLogger; may be null.
void* find_logger(Generation generation, void* finder);
/// ILogger::log; `severity` as in ILogger::Severity (1 error, 2 warning).
void log(Generation generation, void* logger, std::int32_t severity, const char* message) noexcept;

/// IPluginResourceContext::getErrorRecorder, the same slot everywhere; may be null.
void* error_recorder_of(nvinfer1::IPluginResourceContext* context);
/// IErrorRecorder::reportError, incRefCount and decRefCount: the same slots everywhere.
void report_error(void* recorder, std::int32_t code, const char* message) noexcept;
void retain_recorder(void* recorder) noexcept;
void release_recorder(void* recorder) noexcept;

}  // namespace hps::tensorrt
