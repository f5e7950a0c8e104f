// SPDX-License-Identifier: Apache-2.0
// Our own declaration of the part of ONNX Runtime's stable C ABI that we call. The library exports
// OrtGetApiBase(); its GetApi(version) gives a table of function pointers whose slots never move.
// Below: slot, name, result, arguments. Calls that can fail return an OrtStatus (nullptr: success)
// that the caller releases.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace slipway::inference::onnx {

// Opaque; owned by whoever got one from Create..., GetValue, or Run, and given back with the
// matching Release... .
struct OrtStatus;
struct OrtEnv;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtMemoryInfo;
struct OrtAllocator;
struct OrtValue;
struct OrtTypeInfo;
struct OrtTensorTypeAndShapeInfo;
struct OrtSequenceTypeInfo;
struct OrtMapTypeInfo;

using OrtLoggingFunction = void (*)(void* parameter, int severity, const char* category,
                                    const char* log_id, const char* code_location,
                                    const char* message);

inline constexpr uint32_t kOrtApiVersion = 24;  // of ONNX Runtime 1.24 and later

// Values of the ABI's enums.
inline constexpr int kOrtLogWarning = 2, kOrtLogError = 3, kOrtLogFatal = 4;
inline constexpr int kOrtErrorInvalidArgument = 2;
inline constexpr int kOrtOptimizeAll = 99;
inline constexpr int kOrtDeviceAllocator = 0, kOrtMemTypeDefault = 0;
inline constexpr int kOrtTypeTensor = 1, kOrtTypeSequence = 2, kOrtTypeMap = 3;

#define SLIPWAY_ORT_FUNCTIONS(X)                                                                 \
  X(1, GetErrorCode, int, (const OrtStatus*))                                                    \
  X(2, GetErrorMessage, const char*, (const OrtStatus*))                                         \
  X(4, CreateEnvWithCustomLogger, OrtStatus*,                                                    \
    (OrtLoggingFunction, void*, int level, const char* log_id, OrtEnv**))                        \
  X(6, DisableTelemetryEvents, OrtStatus*, (const OrtEnv*))                                      \
  X(7, CreateSession, OrtStatus*,                                                                \
    (const OrtEnv*, const char* path, const OrtSessionOptions*, OrtSession**))                   \
  X(9, Run, OrtStatus*,                                                                          \
    (OrtSession*, const OrtRunOptions*, const char* const* input_names,                          \
     const OrtValue* const* inputs, size_t input_count, const char* const* output_names,         \
     size_t output_count, OrtValue** outputs))                                                   \
  X(10, CreateSessionOptions, OrtStatus*, (OrtSessionOptions**))                                 \
  X(23, SetSessionGraphOptimizationLevel, OrtStatus*, (OrtSessionOptions*, int))                 \
  X(24, SetIntraOpNumThreads, OrtStatus*, (OrtSessionOptions*, int))                             \
  X(25, SetInterOpNumThreads, OrtStatus*, (OrtSessionOptions*, int))                             \
  X(30, SessionGetInputCount, OrtStatus*, (const OrtSession*, size_t*))                          \
  X(31, SessionGetOutputCount, OrtStatus*, (const OrtSession*, size_t*))                         \
  X(33, SessionGetInputTypeInfo, OrtStatus*, (const OrtSession*, size_t, OrtTypeInfo**))         \
  X(34, SessionGetOutputTypeInfo, OrtStatus*, (const OrtSession*, size_t, OrtTypeInfo**))        \
  X(36, SessionGetInputName, OrtStatus*, (const OrtSession*, size_t, OrtAllocator*, char**))     \
  X(37, SessionGetOutputName, OrtStatus*, (const OrtSession*, size_t, OrtAllocator*, char**))    \
  X(39, CreateRunOptions, OrtStatus*, (OrtRunOptions**))                                         \
  X(41, RunOptionsSetRunLogSeverityLevel, OrtStatus*, (OrtRunOptions*, int))                     \
  X(48, CreateTensorAsOrtValue, OrtStatus*,                                                      \
    (OrtAllocator*, const int64_t* shape, size_t rank, int element_type, OrtValue**))            \
  X(49, CreateTensorWithDataAsOrtValue, OrtStatus*,                                              \
    (const OrtMemoryInfo*, void* data, size_t size_bytes, const int64_t* shape, size_t rank,     \
     int element_type, OrtValue**))                                                              \
  X(51, GetTensorMutableData, OrtStatus*, (OrtValue*, void**))                                   \
  X(53, GetStringTensorDataLength, OrtStatus*, (const OrtValue*, size_t*))                       \
  X(54, GetStringTensorContent, OrtStatus*,                                                      \
    (const OrtValue*, void*, size_t size_bytes, size_t* offsets, size_t count))                  \
  X(55, CastTypeInfoToTensorInfo, OrtStatus*,                                                    \
    (const OrtTypeInfo*, const OrtTensorTypeAndShapeInfo**))                                     \
  X(56, GetOnnxTypeFromTypeInfo, OrtStatus*, (const OrtTypeInfo*, int*))                         \
  X(60, GetTensorElementType, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, int*))              \
  X(61, GetDimensionsCount, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, size_t*))             \
  X(62, GetDimensions, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, int64_t*, size_t))         \
  X(67, GetValueType, OrtStatus*, (const OrtValue*, int*))                                       \
  X(69, CreateCpuMemoryInfo, OrtStatus*, (int allocator_type, int memory_type, OrtMemoryInfo**)) \
  X(76, AllocatorFree, OrtStatus*, (OrtAllocator*, void*))                                       \
  X(78, GetAllocatorWithDefaultOptions, OrtStatus*, (OrtAllocator**))                            \
  X(80, GetValue, OrtStatus*, (const OrtValue*, int index, OrtAllocator*, OrtValue**))           \
  X(81, GetValueCount, OrtStatus*, (const OrtValue*, size_t*))                                   \
  X(92, ReleaseEnv, void, (OrtEnv*))                                                             \
  X(93, ReleaseStatus, void, (OrtStatus*))                                                       \
  X(94, ReleaseMemoryInfo, void, (OrtMemoryInfo*))                                               \
  X(95, ReleaseSession, void, (OrtSession*))                                                     \
  X(96, ReleaseValue, void, (OrtValue*))                                                         \
  X(97, ReleaseRunOptions, void, (OrtRunOptions*))                                               \
  X(98, ReleaseTypeInfo, void, (OrtTypeInfo*))                                                   \
  X(100, ReleaseSessionOptions, void, (OrtSessionOptions*))                                      \
  X(103, CastTypeInfoToMapTypeInfo, OrtStatus*, (const OrtTypeInfo*, const OrtMapTypeInfo**))    \
  X(104, CastTypeInfoToSequenceTypeInfo, OrtStatus*,                                             \
    (const OrtTypeInfo*, const OrtSequenceTypeInfo**))                                           \
  X(105, GetMapKeyType, OrtStatus*, (const OrtMapTypeInfo*, int*))                               \
  X(106, GetMapValueType, OrtStatus*, (const OrtMapTypeInfo*, OrtTypeInfo**))                    \
  X(107, GetSequenceElementType, OrtStatus*, (const OrtSequenceTypeInfo*, OrtTypeInfo**))        \
  X(130, AddSessionConfigEntry, OrtStatus*,                                                      \
    (OrtSessionOptions*, const char* key, const char* value))                                    \
  X(252, GetResizedStringTensorElementBuffer, OrtStatus*,                                        \
    (OrtValue*, size_t index, size_t size_bytes, char**))                                        \
  X(390, TensorTypeAndShape_HasShape, bool, (const OrtTensorTypeAndShapeInfo*))                  \
  X(414, GetTensorElementTypeAndShapeDataReference, OrtStatus*,                                  \
    (const OrtValue*, int* element_type, const int64_t** shape, size_t* rank))

struct OrtApiBase {
  const void* const* (*GetApi)(
      uint32_t version);  // nullptr when the library is older than `version`
  const char* (*GetVersionString)();
};

struct OrtFunctions {
#define SLIPWAY_ORT_MEMBER(slot, name, result, arguments) result(*name) arguments = nullptr;
  SLIPWAY_ORT_FUNCTIONS(SLIPWAY_ORT_MEMBER)
#undef SLIPWAY_ORT_MEMBER

  static OrtFunctions From(const void* const* table) {
    OrtFunctions functions;
#define SLIPWAY_ORT_LOAD(slot, name, result, arguments) \
  functions.name = reinterpret_cast<result(*) arguments>(const_cast<void*>(table[slot]));
    SLIPWAY_ORT_FUNCTIONS(SLIPWAY_ORT_LOAD)
#undef SLIPWAY_ORT_LOAD
    return functions;
  }
};

struct OrtSlot {
  size_t slot;
  std::string_view name;
};
inline constexpr auto kOrtSlots = std::to_array<OrtSlot>({
#define SLIPWAY_ORT_ROW(slot, name, result, arguments) {slot, #name},
    SLIPWAY_ORT_FUNCTIONS(SLIPWAY_ORT_ROW)
#undef SLIPWAY_ORT_ROW
});
inline constexpr size_t kOrtSlotCount = 415;  // of API version 24

constexpr bool SlotsRiseAndFit() {
  for (size_t i = 0; i < kOrtSlots.size(); ++i) {
    if (kOrtSlots[i].slot >= kOrtSlotCount || (i > 0 && kOrtSlots[i - 1].slot >= kOrtSlots[i].slot))
      return false;
  }
  return true;
}
static_assert(SlotsRiseAndFit(), "each slot once, in rising order, below the end of the table");

}  // namespace slipway::inference::onnx
